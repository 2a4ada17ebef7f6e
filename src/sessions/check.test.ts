import { expect, onTestFinished, test } from "vitest";
import type { AccountId, SessionId } from "../kernel/brand.ts";
import { sleep, systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { seenFloors } from "../credentials/floors.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Viewer } from "../http/viewer.ts";
import { populateSynthetic } from "../../test/population.ts";
import { sessionCheck } from "./check.ts";
import { writeToken } from "./tokens.ts";

const db = await testDatabase({ maxConnections: 8 });
const secret = new Secret(Buffer.alloc(32, 7));

/** A check, and how many people it says are signed in, each asked for once. */
async function signedIn(people: number, patience: { readonly lateMs?: number } = {}) {
  await populateSynthetic(db, { accounts: people, sessionsEach: 1 });
  await db.run(`update session set digest = $1`, [secret.digest()]);
  const rows = await db.many<{ accountId: AccountId; sessionId: SessionId }>(
    `select account_id as "accountId", id as "sessionId" from session order by id limit $1`,
    [people],
  );
  const needs = { db, clock: systemClock, seen: seenFloors(), log: silentLog, refusedAsOld: () => {} };
  const checks = sessionCheck(needs, patience);
  const checkOne = (at: number): Promise<Viewer | null> =>
    checks.check({ kind: "bearer", token: writeToken({ ...rows[at]!, secret }) });
  return {
    checks,
    checkOne,
    rows,
    good: (all: readonly (Viewer | null)[]) => all.filter((one) => one !== null).length,
  };
}

/** Holds every reader of sessions up until it is called. */
async function holdUp(): Promise<() => Promise<void>> {
  const client = await db.pool.connect();
  await client.query("begin");
  await client.query("lock table session in access exclusive mode");
  let held = true;
  const letGo = async (): Promise<void> => {
    if (!held) return;
    held = false;
    await client.query("commit");
    client.release();
  };
  onTestFinished(letGo);
  return letGo;
}

test("checks that arrive together share a statement, two hundred at most, and four statements are under way at most", async () => {
  const { checks, checkOne, good } = await signedIn(950);
  const some = await Promise.all(Array.from({ length: 150 }, (_, at) => checkOne(at)));
  expect([good(some), checks.statements()]).toEqual([150, 1]);

  const letGo = await holdUp();
  const many = Promise.all(Array.from({ length: 950 }, (_, at) => checkOne(at)));
  await expect.poll(() => checks.statements()).toBe(1 + 4);
  await letGo();
  expect(good(await many)).toBe(950);
  expect(checks.statements()).toBe(1 + 5);
});

test("of checks that share a statement none gets another's session: the account has to be the session's own", async () => {
  const { checks, rows } = await signedIn(2);
  const [ada, bob] = rows as [(typeof rows)[number], (typeof rows)[number]];
  const mixed = { accountId: ada.accountId, sessionId: bob.sessionId };
  const asked = await Promise.all([
    checks.check({ kind: "grant", ...ada }),
    checks.check({ kind: "grant", ...bob }),
    checks.check({ kind: "grant", ...mixed }),
    checks.check({ kind: "bearer", token: writeToken({ ...mixed, secret }) }),
    checks.check({ kind: "bearer", token: writeToken({ ...bob, secret: new Secret(Buffer.alloc(32, 8)) }) }),
  ]);
  expect(checks.statements()).toBe(1);
  expect(asked.map((viewer) => viewer?.accountId)).toEqual([
    ada.accountId,
    bob.accountId,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a check goes with the next statement while one is under way", async () => {
  const { checks, checkOne, good } = await signedIn(3, { lateMs: 600_000 });
  const letGo = await holdUp();
  const first = checkOne(0);
  await expect.poll(() => checks.statements()).toBe(1);
  const others = [checkOne(1), checkOne(2)];
  // Longer than a late statement's followers wait by default.
  await sleep(100);
  expect(checks.statements()).toBe(1);
  await letGo();
  expect(good(await Promise.all([first, ...others]))).toBe(3);
  expect(checks.statements()).toBe(2);
});

test("a check does not wait for a statement that does not come back", async () => {
  const { checks, checkOne, good } = await signedIn(2);
  const letGo = await holdUp();
  const first = checkOne(0);
  await expect.poll(() => checks.statements()).toBe(1);
  const second = checkOne(1);
  await expect.poll(() => checks.statements()).toBe(2);
  await letGo();
  expect(good(await Promise.all([first, second]))).toBe(2);
});
