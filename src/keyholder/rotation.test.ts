import { expect, test } from "vitest";
import { manualClock, systemClock } from "../kernel/clock.ts";
import { systemRandom } from "../kernel/random.ts";
import type { KeyPurpose } from "./keyholder.ts";
import { ringOf, withMissing, withRsa, type Keys } from "./keys.ts";
import { closed, retired, rotated, usePrepared } from "./rotation.ts";

/** What may become of a key's versions: none is made twice, used before it is there, or lost while something needs it. */
const clock = manualClock(systemClock.now());
const needs = { random: systemRandom, clock };
const graceMs = 1_000;
const refused = expect.objectContaining({ code: "KEYHOLDER_REFUSED" });

const rotatedTo = async (purpose: KeyPurpose, version: number): Promise<Keys> => {
  let keys = withMissing(needs);
  for (let after = 1; after < version; after++) keys = await rotated(needs, keys, purpose, after);
  return keys;
};
const versionsOf = (keys: Keys, purpose: KeyPurpose): number[] => [...ringOf(keys, purpose).versions.keys()];

test("a rotation that is asked for again makes no second version", async () => {
  const keys = await rotatedTo("wrap", 2);
  expect([versionsOf(keys, "wrap"), ringOf(keys, "wrap").newest]).toEqual([[1, 2], 2]);
  expect(await rotated(needs, keys, "wrap", 1)).toBe(keys);
  expect(versionsOf(await rotated(needs, keys, "wrap", 2), "wrap")).toEqual([1, 2, 3]);
});

test.each<readonly [KeyPurpose, number]>([
  ["wrap", 4],
  ["sign.grant", 4],
  ["index.address", 2],
])("of the key for %s at most %i versions live at once", async (purpose, most) => {
  const keys = await rotatedTo(purpose, most);
  await expect(rotated(needs, keys, purpose, most)).rejects.toEqual(refused);
  const gone = retired(needs, closed(needs, keys, purpose, 1), purpose, 1, 0);
  const more = await rotated(needs, gone, purpose, most);
  expect(versionsOf(more, purpose)).toEqual(Array.from({ length: most }, (_, n) => n + 2));
});

test.each<KeyPurpose & ("dkim" | "signal")>(["dkim", "signal"])(
  "the first key for %s is in use at once, the next when it is taken into use, and the one before never again",
  async (purpose) => {
    const first = await withRsa(needs, withMissing(needs), purpose);
    expect(ringOf(first, purpose).newest).toBe(1);
    const prepared = await rotated(needs, first, purpose, 1);
    expect([versionsOf(prepared, purpose), ringOf(prepared, purpose).newest]).toEqual([[1, 2], 1]);
    expect(() => usePrepared(prepared, purpose, 3)).toThrow(refused);
    const used = usePrepared(prepared, purpose, 2);
    expect(ringOf(used, purpose).newest).toBe(2);
    for (const version of [1, 2]) expect(usePrepared(used, purpose, version)).toBe(used);
  },
);

test("a version goes once it is not in use, is the oldest, and has been closing for the grace", async () => {
  const keys = await rotatedTo("sign.checkpoint", 3);
  const purpose = "sign.checkpoint";
  for (const version of [3, 4]) expect(() => closed(needs, keys, purpose, version)).toThrow(refused);
  for (const version of [1, 2, 3, 4]) {
    expect(() => retired(needs, keys, purpose, version, graceMs)).toThrow(refused);
  }
  const both = closed(needs, closed(needs, keys, purpose, 2), purpose, 1);
  clock.advance(graceMs - 1);
  expect(() => retired(needs, both, purpose, 1, graceMs)).toThrow(refused);
  // Asked again, it does not begin to wait anew.
  expect(closed(needs, both, purpose, 1)).toBe(both);
  clock.advance(1);
  expect(() => retired(needs, both, purpose, 2, graceMs)).toThrow(refused);
  const gone = retired(needs, both, purpose, 1, graceMs);
  expect([versionsOf(gone, purpose), ringOf(gone, purpose).retiredUpTo]).toEqual([[2, 3], 1]);
  expect([...ringOf(gone, purpose).published.keys()]).toEqual([1]);
  expect([closed(needs, gone, purpose, 1), retired(needs, gone, purpose, 1, graceMs)]).toEqual([gone, gone]);
  const grants = await rotatedTo("sign.grant", 2);
  const retiredGrant = retired(needs, closed(needs, grants, "sign.grant", 1), "sign.grant", 1, 0);
  expect(ringOf(retiredGrant, "sign.grant").published.size).toBe(0);
});
