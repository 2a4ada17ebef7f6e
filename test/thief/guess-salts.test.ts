import { createHash, createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { testHashCost } from "../open-service.ts";
import { tryWords, windowBytes } from "./guess-salts.ts";

const salt = Buffer.from("four and twenty bytes...");
const word = Buffer.from("seven lanterns");
const names = ["md5", "sha1", "sha256", "sha512", "sha3-256"] as const;

/** Every way of mixing a word with a salt, by Node's own HMAC, which the guesses do without. */
const mixed: readonly (readonly [string, Buffer])[] = names.flatMap((name) => [
  [`${name} forward`, createHash(name).update(salt).update(word).digest()] as const,
  [`${name} backward`, createHash(name).update(word).update(salt).digest()] as const,
  [`HMAC-${name} by salt`, createHmac(name, salt).update(word).digest()] as const,
  [`HMAC-${name} by word`, createHmac(name, word).update(salt).digest()] as const,
]);

test.each(mixed)("a word is known again: %s", (_name, digest) => {
  const other = Buffer.alloc(200, 7);
  const targets = new Map([[digest.toString("latin1", 0, windowBytes), "account.weak"]]);
  const salts = [other, salt].map((bytes) => ({
    bytes,
    column: "account.id",
    cost: testHashCost,
    words: [other, word],
  }));
  const { hits, hashes } = tryWords(salts, targets);
  expect(hits.map(({ target, salt: column }) => [target, column])).toEqual([["account.weak", "account.id"]]);
  expect(hashes).toBe(2 * 2 * 21);
});
