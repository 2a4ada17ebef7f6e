import { expect, test } from "vitest";
import { manualClock, systemClock } from "../kernel/clock.ts";
import { systemRandom } from "../kernel/random.ts";
import { newestKey, versionOf, withMissing } from "./keys.ts";
import { packBytes, rewrapped, unpackBytes } from "./rewrap.ts";
import { rotated } from "./rotation.ts";
import { openBytes, parseSealed, sealWith } from "./sealed.ts";

/** A batch that is sealed again inside of the key process. */
const needs = { random: systemRandom, clock: manualClock(systemClock.now()) };

test("each value of a batch is sealed again under a nonce of its own, and opens to what it was", async () => {
  const before = withMissing(needs);
  const contexts = Array.from({ length: 50 }, (_, n) => `letter:${n}`);
  const inside = contexts.map((context) => Buffer.from(`of ${context}`));
  const sealed = contexts.map((context, n) =>
    sealWith(systemRandom.bytes(12), newestKey(before, "mailer"), "mailer", [context], inside[n] ?? Buffer.alloc(0)),
  );
  const keys = await rotated(needs, before, "mailer", 1);
  const again = unpackBytes(
    rewrapped({ random: systemRandom, keys, exact: [] }, "mailer", contexts, packBytes(sealed)),
  );
  expect(again).toHaveLength(contexts.length);
  const nonces = new Set(again?.map((value) => Buffer.from(parseSealed(value)?.nonce ?? []).toString("hex")));
  expect(nonces.size).toBe(contexts.length);
  for (const [n, value] of (again ?? []).entries()) {
    expect(parseSealed(value)?.keyVersion).toBe(2);
    const opened = openBytes(versionOf(keys, "mailer"), "mailer", [contexts[n] ?? ""], value);
    expect(Buffer.from(opened ?? []).toString()).toBe(`of ${contexts[n] ?? ""}`);
  }
  // Sealed under the newest key already, each comes back as it is.
  const packed = packBytes(again ?? []);
  expect(rewrapped({ random: systemRandom, keys, exact: [] }, "mailer", contexts, packed)).toEqual(packed);
});

test("bytes that are no batch are taken for none, wherever they are cut off", () => {
  const packed = packBytes([Buffer.from("one"), Buffer.alloc(0), Buffer.from("three")]);
  expect(unpackBytes(packed)?.map(String)).toEqual(["one", "", "three"]);
  const whole = [0, 7, 11, packed.length];
  for (let length = 0; length <= packed.length; length++) {
    const cut = unpackBytes(packed.subarray(0, length));
    expect([length, cut === undefined]).toEqual([length, !whole.includes(length)]);
  }
});
