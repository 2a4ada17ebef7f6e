import { createSecretKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listAlarms } from "../src/canaries/alarms.ts";
import { ringForHoneywords } from "../src/canaries/honeyword-watch.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { silentLog } from "../src/kernel/log.ts";
import { openBytes, sealBytes } from "../src/keyholder/sealed.ts";
import { keepKeys } from "../src/rotation/keep-keys.ts";
import { rotateKeys } from "../src/rotation/rotate.ts";
import { testHashCost } from "./open-service.ts";
import { goodPassword, testService } from "./service.ts";

/** P10: a word that was cracked from a record, tried at the door, rings; and whoever tries it cannot tell it from any wrong one. */
const service = await testService();
const { ground, keyholder, clock } = service;
const { db, keyholders, random } = ground;
const needs = { db, keyholder: keyholders.mailer, clock, random };

/** What a thief of the keys' backup has: the key that seals password records. */
async function sealingKey() {
  const { body } = JSON.parse(await readFile(join(keyholder.keysDir, "keys.json"), "utf8")) as {
    body: { purposes: Record<string, { newest: number; versions: Record<string, string | { material: string }> }> };
  };
  const ring = body.purposes["password"];
  const stored = ring?.versions[String(ring.newest)];
  const material = typeof stored === "string" ? stored : (stored?.material ?? "");
  return { version: ring?.newest ?? 0, key: createSecretKey(Buffer.from(material, "base64")) };
}

const trySignIn = (password: string) =>
  service.call("POST", "/api/sessions", { body: { address: "ada@example.org", password } });

test("a honeyword rings with its account, and answers like any wrong password", async () => {
  const accountId = (await service.account("ada@example.org", goodPassword)) as AccountId;
  const wrong = await trySignIn("wrong words by far");
  expect((await trySignIn(goodPassword)).status).toBe(201);
  let fetched = await ringForHoneywords(needs, 0);
  expect(await listAlarms(db)).toEqual([]);

  // Every place of the filter set: every word fits, as if the thief had cracked it. The owner's own still gets in.
  const key = await sealingKey();
  const row = await db.one<{ record: Buffer }>(`select record from password where account_id = $1`, [accountId]);
  const record = openBytes(() => key.key, "password", [accountId], row!.record)!;
  expect(record[0]).toBe(3);
  record.fill(0xff, 17, 33);
  await db.run(`update password set record = $2 where account_id = $1`, [
    accountId,
    sealBytes({ random }, key, "password", [accountId], record),
  ]);
  const honeyword = await trySignIn("wrong words by far");
  expect([honeyword.status, honeyword.text]).toEqual([wrong.status, wrong.text]);
  expect((await trySignIn(goodPassword)).status).toBe(201);

  fetched = await ringForHoneywords(needs, fetched);
  const [alarm, ...more] = await listAlarms(db);
  expect(more).toEqual([]);
  expect(alarm).toMatchObject({ kind: "honeyword", times: 1, facts: { "last account": accountId } });
  expect(alarm?.proposes.keysReachable).toBe("yes");
  // Fetched again without having been said to be written down, it rings again; said, it does not.
  expect(await keyholders.mailer.honeywords(0)).toHaveLength(1);
  expect(await keyholders.mailer.honeywords(fetched)).toEqual([]);
  // With nothing left it is looked for from the beginning: one whose clock was set back begins below what was written down.
  expect(await ringForHoneywords(needs, fetched)).toBe(0);
});

test("who tries passwords may not fetch what fitted", async () => {
  for (const role of ["web", "operator"] as const) {
    const client = await keyholder.connect(role);
    await expect(client.honeywords(0)).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  }
});

test("a record of the older form still lets its owner in", async () => {
  const accountId = (await service.account("bob@example.org", goodPassword)) as AccountId;
  const row = await db.one<{ salt: Buffer; record: Buffer }>(
    `select salt, record from password where account_id = $1`,
    [accountId],
  );
  const { hashRawSync } = await import("@node-rs/argon2");
  const tag = hashRawSync(goodPassword, {
    algorithm: 2,
    version: 1,
    memoryCost: testHashCost.memoryKib,
    timeCost: testHashCost.passes,
    parallelism: testHashCost.parallelism,
    outputLen: 32,
    salt: row!.salt,
  });
  const key = await sealingKey();
  const older = sealBytes({ random }, key, "password", [accountId], Buffer.concat([Buffer.from([1, tag.length]), tag]));
  await db.run(`update password set record = $2 where account_id = $1`, [accountId, older]);
  const signIn = (password: string) =>
    service.call("POST", "/api/sessions", { body: { address: "bob@example.org", password } });
  expect((await signIn("wrong words by far")).status).toBe(401);
  expect((await signIn(goodPassword)).status).toBe(201);
});

test("a honeyword rings as before once the keys of its record were rotated, and nobody has to do anything", async () => {
  const accountId = (await service.account("cid@example.org", goodPassword)) as AccountId;
  const signIn = (password: string) =>
    service.call("POST", "/api/sessions", { body: { address: "cid@example.org", password } });
  const key = await sealingKey();
  const read = async () =>
    (await db.one<{ record: Buffer }>(`select record from password where account_id = $1`, [accountId]))!.record;
  const record = openBytes(() => key.key, "password", [accountId], await read())!;
  record.fill(0xff, 17, 33);
  await db.run(`update password set record = $2 where account_id = $1`, [
    accountId,
    sealBytes({ random }, key, "password", [accountId], record),
  ]);
  const keeper = keyholders.keeper.keys;
  await rotateKeys({ db, keys: keeper, clock, random }, ["password"]);
  await keepKeys({
    db,
    keys: keeper,
    keyholder: keyholders.mailer,
    clock,
    random,
    log: silentLog,
    remarkCanaries: () => Promise.resolve(),
  });
  const newest = await sealingKey();
  expect(newest.version).toBe(key.version + 1);
  const again = openBytes(() => newest.key, "password", [accountId], await read())!;
  // Two exact keys by now, and every place is still set.
  expect(again[33]).toBe(2);
  expect(again.length).toBe(record.length);
  const before = await keyholders.mailer.honeywords(0);
  expect((await signIn("wrong words by far")).status).toBe(401);
  expect((await signIn(goodPassword)).status).toBe(201);
  const after = await keyholders.mailer.honeywords(before.at(-1)?.number ?? 0);
  expect(after.map((each) => each.accountId)).toEqual([accountId]);
});
