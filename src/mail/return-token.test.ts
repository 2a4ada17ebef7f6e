import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { AccountId } from "../kernel/brand.ts";
import { accountIn, readReturnToken, tokenIn, withToken, writeReturnToken } from "./return-token.ts";

const address = "bounces@films.example";
const key = randomBytes(32);
const account = (text: string): AccountId => text as AccountId;

test("a token says nothing of the account without the key, and everything with it", () => {
  fc.assert(
    fc.property(fc.uuid(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (id, mac) => {
      const token = writeReturnToken(key, mac, account(id));
      expect(token).toMatch(/^[a-z2-7]{45}$/);
      const read = readReturnToken(token.toUpperCase());
      expect(read!.mac).toEqual(Buffer.from(mac.subarray(0, 12)));
      expect(accountIn(read!, key)).toBe(id);
      expect(accountIn(read!, randomBytes(32))).not.toBe(id);
      expect(read!.sealed.toString("hex")).not.toBe(id.replaceAll("-", ""));
    }),
  );
});

test("a Return-Path has a local part that mail servers take, and only one under our address is read", () => {
  const token = writeReturnToken(key, randomBytes(32), account("0190aaaa-bbbb-7ccc-8ddd-000000000001"));
  const path = withToken("abcdefghijklmnopqr@films.example", token);
  expect(path.indexOf("@")).toBe(64);
  expect(tokenIn(withToken(address, token).toUpperCase(), address)).toBe(token);
  for (const other of [
    `${token}@films.example`,
    `bounces+${token}@evil.example`,
    `other+${token}@films.example`,
    `bounces+x+${token}@films.example`,
    `bounces+${token}@films.example@evil.example`,
    "bounces@films.example",
    "",
  ]) {
    expect(tokenIn(other, address), other).toBeUndefined();
  }
  for (const text of ["", "a".repeat(44), "a".repeat(46), "1".repeat(45), `${"a".repeat(44)}!`]) {
    expect(readReturnToken(text), text).toBeUndefined();
  }
});
