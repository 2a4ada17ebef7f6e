import fc from "fast-check";
import { expect, test } from "vitest";
import { padText, textBlockBytes, unpadText } from "./padding.ts";

test("any text comes back, and its length is whole blocks", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
      const padded = padText(text);
      expect(padded.length % textBlockBytes).toBe(0);
      expect(padded.length).toBeGreaterThan(0);
      expect(unpadText(padded)).toBe(text);
    }),
  );
});

test("names of 1 and of 60 letters are sealed in one length", () => {
  expect(padText("A").length).toBe(padText("A".repeat(60)).length);
});

test("text that was sealed before there was padding opens as it was", () => {
  for (const text of ["", "Ada", "Zoë À", "\u0000"]) expect(unpadText(Buffer.from(text))).toBe(text);
});
