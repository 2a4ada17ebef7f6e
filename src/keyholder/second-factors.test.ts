import { createSecretKey, randomBytes } from "node:crypto";
import { generateSync } from "otplib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Secret } from "../kernel/secret.ts";
import type { KeyholderClient } from "./client.ts";
import { newAccountId } from "./test-values.ts";
import { testKeyholder } from "./test-keyholder.ts";
import type { TestKeyholder } from "./test-keyholder.ts";
import { matchingStep, totpCode } from "./totp.ts";

let keyholder: TestKeyholder;
let web: KeyholderClient;

beforeAll(async () => {
  keyholder = await testKeyholder();
  web = await keyholder.connect("web");
});
afterAll(() => keyholder.stop());

const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
};
const peerCode = (seed: Secret, step: number): Secret =>
  Secret.fromText(generateSync({ secret: seed.reveal(), epoch: step * 30 }));

/** RFC 6238 appendix B, the rows for SHA-1: eight digits, of which ours are the last six. */
test.each([
  [59, "94287082"],
  [1_111_111_109, "07081804"],
  [1_111_111_111, "14050471"],
  [1_234_567_890, "89005924"],
  [2_000_000_000, "69279037"],
  [20_000_000_000, "65353130"],
])("RFC 6238 appendix B: at %i seconds the code is %s", (seconds, code) => {
  const seed = createSecretKey(Buffer.from("12345678901234567890"));
  const step = Math.floor(seconds / 30);
  expect(totpCode(seed, step, 8)).toBe(code);
  expect(totpCode(seed, step)).toBe(code.slice(2));
});

/** RFC 4226 appendix D. */
test("RFC 4226 appendix D: the codes of the counters 0 to 9", () => {
  const seed = createSecretKey(Buffer.from("12345678901234567890"));
  const codes = Array.from({ length: 10 }, (_, counter) => totpCode(seed, counter));
  expect(codes.join(" ")).toBe("755224 287082 359152 969429 338314 254676 287922 162583 399871 520489");
});

test("a code is good for its step and the neighbours of it, and no further", () => {
  const seed = createSecretKey(Buffer.from("12345678901234567890"));
  const code = Buffer.from(totpCode(seed, 1_000));
  expect([998, 999, 1_000, 1_001, 1_002].map((step) => matchingStep(seed, code, step))).toEqual([
    null,
    1_000,
    1_000,
    1_000,
    null,
  ]);
  expect(matchingStep(seed, Buffer.from("755224"), 0)).toBe(0);
});

test("an authenticator app's code is good, and tells which step it was", async () => {
  const accountId = newAccountId();
  const dataKey = await web.newDataKey(accountId);
  const { seed, sealed } = await web.newTotpSeed(accountId, dataKey);
  expect(seed.reveal()).toHaveLength(20);
  for (const step of [1, 59_000_000, 60_000_001]) {
    const code = peerCode(seed, step);
    expect(await web.verifyTotp(accountId, dataKey, sealed, code, step)).toBe(step);
    expect(await web.verifyTotp(accountId, dataKey, sealed, code, step + 1)).toBe(step);
    expect(await web.verifyTotp(accountId, dataKey, sealed, code, step + 5)).toBeNull();
  }
});

test("a seed opens for its account and its purpose alone, and never comes out again", async () => {
  const [accountId, other] = [newAccountId(), newAccountId()];
  const [dataKey, otherKey] = [await web.newDataKey(accountId), await web.newDataKey(other)];
  const { seed, sealed } = await web.newTotpSeed(accountId, dataKey);
  const step = 59_000_000;
  const code = peerCode(seed, step);
  expect(await web.verifyTotp(accountId, dataKey, sealed, code, step)).toBe(step);
  const unreadable = (await web.counters()).unreadableValues;

  expect(await web.verifyTotp(other, otherKey, sealed, code, step)).toBeNull();
  expect(await web.verifyTotp(other, dataKey, sealed, code, step)).toBeNull();
  expect(await web.verifyTotp(accountId, dataKey, flipped(sealed, 20), code, step)).toBeNull();
  expect(await web.verifyTotp(accountId, dataKey, Buffer.alloc(0), code, step)).toBeNull();
  const place = { table: "totp", column: "sealed_seed", accountId };
  expect(await web.open([{ dataKey, place, sealed }])).toEqual([null]);
  expect((await web.counters()).unreadableValues).toBe(unreadable + 5);
});

test("what is no code of six characters is refused by rule, and not repeated", async () => {
  const accountId = newAccountId();
  const dataKey = await web.newDataKey(accountId);
  const { sealed } = await web.newTotpSeed(accountId, dataKey);
  for (const wrong of ["", "12345", "1234567"]) {
    const asked = web.verifyTotp(accountId, dataKey, sealed, Secret.fromText(wrong), 1);
    await expect(asked).rejects.toThrow("verifyTotp: code must have 6 to 6 bytes");
  }
  const code = Secret.fromText("123456");
  for (const step of [-1, 1.5, Number.NaN, 2 ** 60]) {
    await expect(web.verifyTotp(accountId, dataKey, sealed, code, step)).rejects.toThrow(
      "step is not what it should be",
    );
  }
});

test("a recovery code answers its own MAC, for its own account", async () => {
  const [accountId, other] = [newAccountId(), newAccountId()];
  const [dataKey, otherKey] = [await web.newDataKey(accountId), await web.newDataKey(other)];
  const codes = Array.from({ length: 10 }, () => new Secret(randomBytes(12)));
  const macs = await web.recoveryMacs(accountId, dataKey, codes);
  expect(macs.map(({ length }) => length)).toEqual(codes.map(() => 32));
  expect(new Set(macs.map((mac) => mac.toString("hex"))).size).toBe(10);
  for (const [place, code] of codes.entries()) {
    expect(await web.findRecoveryCode(accountId, dataKey, code, macs)).toBe(place);
  }
  const [first = new Secret(Buffer.alloc(1))] = codes;
  expect(await web.findRecoveryCode(accountId, dataKey, new Secret(randomBytes(12)), macs)).toBeNull();
  expect(await web.findRecoveryCode(accountId, dataKey, first, [])).toBeNull();
  expect(await web.findRecoveryCode(accountId, dataKey, first, [Buffer.alloc(0), flipped(macs[0]!, 3)])).toBeNull();
  // Copied to another account's rows, or asked with another account's key, it answers nothing.
  expect(await web.findRecoveryCode(other, otherKey, first, macs)).toBeNull();
  expect(await web.findRecoveryCode(other, dataKey, first, macs)).toBeNull();
  expect(await web.findRecoveryCode(accountId, otherKey, first, macs)).toBeNull();
});
