import { expect, test } from "vitest";
import { preferredLocale } from "./locale.ts";

test("the best liked language that letters are written in is taken, English otherwise", () => {
  expect(preferredLocale(undefined)).toBe("en");
  expect(preferredLocale("de-AT,de;q=0.9,en;q=0.5")).toBe("de");
  expect(preferredLocale("sv, fr;q=0.4, ja;q=0.8")).toBe("ja");
  expect(preferredLocale("de;q=0, es;q=0.1")).toBe("es");
  expect(preferredLocale("*, ;;q=x,,")).toBe("en");
});
