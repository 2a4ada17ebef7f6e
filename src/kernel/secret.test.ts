import { createHash } from "node:crypto";
import { format, inspect } from "node:util";
import { expect, test } from "vitest";
import { newLog } from "./log.ts";
import { equalBytes, Secret } from "./secret.ts";

const text = "lanterns along the harbour";

test("a secret shows itself to nobody who prints it, by whatever way", () => {
  const secret = Secret.fromText(text);
  let logged = "";
  const log = newLog("test", "info", { write: (line) => (logged += line) });
  log.info({ secret, inside: { secret } }, `logged ${String(secret)}`);
  const shown = [
    `${String(secret)}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { depth: 9, showHidden: true }),
    format("%s %o %j", secret, secret, secret),
    logged,
  ];
  for (const one of shown) {
    expect(one).toMatch(/\[secret\]|\[redacted\]/);
    expect(one).not.toMatch(/lanterns|6c616e7465726e73|bGFudGVybnM|108, ?97/);
  }
  expect([secret.revealText(), Buffer.from(secret.reveal()).toString()]).toEqual([text, text]);
});

test("it is known again by its digest, and by no other", () => {
  const secret = Secret.fromText(text);
  const digest = createHash("sha256").update(text).digest();
  expect(secret.digest()).toEqual(digest);
  expect(secret.matches(digest)).toBe(true);
  for (let at = 0; at < digest.length; at++) {
    const other = Buffer.from(digest);
    other[at] = (other[at] ?? 0) ^ 1;
    expect([at, secret.matches(other)]).toEqual([at, false]);
  }
  expect(secret.matches(digest.subarray(0, 31))).toBe(false);
  expect(secret.matches(new Uint8Array())).toBe(false);
});

test("text is read as UTF-8, from a part of a larger piece of memory too", () => {
  const memory = Buffer.from(`before ünï after`);
  const part = new Secret(memory.subarray(7, 7 + Buffer.byteLength("ünï")));
  expect(part.revealText()).toBe("ünï");
  expect(equalBytes(part.reveal(), Buffer.from("ünï"))).toBe(true);
  expect(equalBytes(part.reveal(), Buffer.from("ünı"))).toBe(false);
  expect(equalBytes(part.reveal(), Buffer.from("ün"))).toBe(false);
});
