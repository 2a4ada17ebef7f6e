import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { systemRandom } from "../kernel/random.ts";
import { canonical, openBytes, parseSealed, sealBytes, sealedOverheadBytes } from "./sealed.ts";

const key = createSecretKey(Buffer.alloc(32, 7));
const keyOf = (version: number) => (version === 3 ? key : undefined);
const bytes = fc.uint8Array({ maxLength: 300 });

test("what was sealed opens in its own context, and any flipped bit, other context, purpose or version is null", () => {
  fc.assert(
    fc.property(bytes, fc.array(fc.string(), { maxLength: 4 }), fc.nat(), (plaintext, context, flip) => {
      const sealed = sealBytes({ random: systemRandom }, { version: 3, key }, "value", context, plaintext);
      expect(sealed.length).toBe(plaintext.length + sealedOverheadBytes);
      expect(openBytes(keyOf, "value", context, sealed)).toEqual(Buffer.from(plaintext));

      const changed = Buffer.from(sealed);
      const at = flip % (sealed.length * 8);
      changed.writeUInt8(changed.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3);
      expect(openBytes(keyOf, "value", context, changed)).toBeNull();
      expect(openBytes(keyOf, "value", [...context, ""], sealed)).toBeNull();
      expect(openBytes(keyOf, "password", context, sealed)).toBeNull();
      expect(openBytes((version) => keyOf(version - 1), "value", context, sealed)).toBeNull();
      const renamed = Buffer.from(sealed);
      renamed.writeUInt32BE(4, 1);
      expect(openBytes(() => key, "value", context, renamed)).toBeNull();
    }),
  );
});

test("garbage is null, never an error", () => {
  fc.assert(
    fc.property(bytes, fc.boolean(), (garbage, headed) => {
      const candidate = headed ? Buffer.concat([Buffer.from([1, 0, 0, 0, 3]), garbage]) : garbage;
      expect(openBytes(keyOf, "value", [], candidate)).toBeNull();
      const parts = parseSealed(candidate);
      if (parts !== null) expect(parts.ciphertext.length).toBe(candidate.length - sealedOverheadBytes);
    }),
  );
});

test("two lists of parts never share one encoding", () => {
  const parts = fc.array(fc.string({ maxLength: 3 }), { maxLength: 4 });
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      expect(canonical(one).equals(canonical(other))).toBe(JSON.stringify(one) === JSON.stringify(other));
    }),
  );
  expect(canonical(["ab", "c"]).equals(canonical(["a", "bc"]))).toBe(false);
});

test("the same text sealed twice gives different bytes", () => {
  const seal = () => sealBytes({ random: systemRandom }, { version: 3, key }, "value", [], Buffer.from("same"));
  expect(seal().equals(seal())).toBe(false);
});
