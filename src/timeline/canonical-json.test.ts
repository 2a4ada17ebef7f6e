import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

test("equal values give one text whatever the order of their keys, and it reads back as the value", () => {
  const scalar = fc.oneof(fc.string({ unit: "grapheme" }), fc.maxSafeInteger(), fc.boolean(), fc.constant(null));
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.oneof(scalar, fc.array(scalar))), (value) => {
      const turned = Object.fromEntries(Object.entries(value).toReversed());
      expect(canonicalJson(turned)).toBe(canonicalJson(value));
      expect(JSON.parse(canonicalJson(value))).toEqual({ ...value });
    }),
  );
});

test("keys are sorted by UTF-16 units and nothing is padded", () => {
  expect(canonicalJson({ b: [1, "x", null], "\u20ac": true, "\ud83d\ude00": 2, a: { d: 1, c: "\n" } })).toBe(
    '{"a":{"c":"\\n","d":1},"b":[1,"x",null],"\u20ac":true,"\ud83d\ude00":2}',
  );
});

test.each([[1.5], [Number.NaN], [2 ** 53], [-0], ["\ud800"]])("%j has no canonical form and is refused", (value) => {
  expect(() => canonicalJson({ value })).toThrow(/canonical JSON/);
});
