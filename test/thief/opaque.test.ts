import { createCipheriv, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { lengthsThatTell, patternsIn } from "./opaque.ts";

const many = <Value>(make: (number: number) => Value, count = 200): Value[] =>
  Array.from({ length: count }, (_none, number) => make(number));
const text = (number: number): Buffer => Buffer.from(`person-${number}@example.org`.padEnd(48));

test("random bytes are without pattern, a thousand times", () => {
  for (let round = 0; round < 1_000; round++)
    expect(
      patternsIn(
        "random",
        many(() => randomBytes(32), 60),
      ),
    ).toEqual([]);
});

test("text, text in base64, text mixed with one key, and a counter are not", () => {
  const key = randomBytes(48);
  const cases = [
    many(text),
    many((number) => Buffer.from(text(number).toString("base64"))),
    many((number) => Buffer.from(text(number).map((byte, at) => byte ^ (key[at] ?? 0)))),
    many((number) => Buffer.concat([Buffer.alloc(28), Buffer.from([number & 255, number >> 8, 0, 0])])),
  ];
  for (const values of cases) expect(patternsIn("random", values)).not.toEqual([]);
});

test("encryption block by block shows equal blocks, and one nonce for all shows the text", () => {
  const key = randomBytes(32);
  const same = Buffer.from("the same first block, the same second one, and so on".padEnd(64));
  const byBlock = many((number) => {
    const cipher = createCipheriv("aes-256-ecb", key, null).setAutoPadding(false);
    return Buffer.concat([cipher.update(Buffer.concat([text(number), same])), cipher.final()]);
  });
  expect(patternsIn("random", byBlock)).toContain("a block of 16 bytes stands there twice");
  const nonce = randomBytes(12);
  const oneNonce = many((number) => {
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    const body = Buffer.concat([cipher.update(text(number)), cipher.final()]);
    return Buffer.concat([Buffer.from([1, 0, 0, 0, 1]), nonce, body, cipher.getAuthTag()]);
  });
  expect(patternsIn("sealed", oneNonce)).toContain("a nonce was used twice");
});

test("few values prove nothing, and bytes of another form are not sealed", () => {
  expect(
    patternsIn(
      "digest",
      many(() => randomBytes(32), 39),
    ),
  ).toEqual([expect.stringContaining("too few to tell")]);
  expect(
    patternsIn(
      "sealed",
      many(() => Buffer.from("x")),
    ),
  ).toEqual(["a value has not the form of something sealed"]);
});

test("one length, or whole blocks apart, tells nothing; a byte more does", () => {
  expect(lengthsThatTell([randomBytes(97), randomBytes(97)])).toBeUndefined();
  expect(lengthsThatTell([randomBytes(97), randomBytes(161)])).toBeUndefined();
  expect(lengthsThatTell([randomBytes(97), randomBytes(98)])).toBe("2 lengths, from 97 to 98 bytes");
});
