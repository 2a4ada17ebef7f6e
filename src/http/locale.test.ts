import { expect, test } from "vitest";
import { preferredLocale } from "./locale.ts";

test.each([
  [undefined, "en"],
  ["", "en"],
  ["de", "de"],
  ["de-AT,de;q=0.9,en;q=0.8", "de"],
  ["ja-JP", "ja"],
  ["nl, fr;q=0.5, es;q=0.7", "es"],
  ["fr;q=0, es;q=0.1", "es"],
  ["en;q=0.5, fr;q=0.5", "en"],
  ["sv, fr;q=0.4, ja;q=0.8", "ja"],
  ["*", "en"],
  ["*, ;;q=x,,", "en"],
  ["dexter", "en"],
  ["de;q=9, fr", "fr"],
  ["x".repeat(100_000), "en"],
])("Accept-Language %s is answered in %s", (header, locale) => {
  expect(preferredLocale(header)).toBe(locale);
});
