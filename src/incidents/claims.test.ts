import { afterAll, expect, test } from "vitest";
import { startedCampaign } from "../../test/started-campaign.ts";
import type { AccountId } from "../kernel/brand.ts";
import { minuteMs, plus, systemClock, type Clock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { testDatabase } from "../db/test-database.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { readTimeline } from "../timeline/read.ts";
import { openClaims, readFresh, releaseDue, reserveDue, type WaitingLetter } from "./claims.ts";
import { judgeOutcome, putOff, type Addressed } from "./judge-outcome.ts";
import { recordOutcomes, type Outcome } from "./record-outcomes.ts";

/** A letter is in one walk's hands at a time, by the reading that it claimed; whatever else was read is out of date then. */
const db = await testDatabase();
const keyholder = await testKeyholder();
afterAll(() => keyholder.stop());
const { incidentId } = await startedCampaign({ db, keyholder }, 6);

let lateMs = 0;
const clock: Clock = { now: () => plus(systemClock.now(), lateMs) };
const needs = { db, clock, random: systemRandom, log: silentLog };
const leaseMs = minuteMs;
const walk = () => ({
  ...openClaims(needs, incidentId, { leaseMs, signal: undefined }),
  ...recordOutcomes(needs, incidentId, undefined),
});

const firstId = "00000000-0000-0000-0000-000000000000" as AccountId;
const lastId = "ffffffff-ffff-ffff-ffff-ffffffffffff" as AccountId;
const fresh = () => readFresh(db, incidentId, { upTo: lastId }, firstId, { now: clock.now(), most: 10 });
const due = () => reserveDue(db, incidentId, { now: clock.now(), most: 10, until: plus(clock.now(), leaseMs) });
const rowOf = ({ accountId }: WaitingLetter) =>
  db.one<{ state: string; attempts: number; twice: boolean; leased: boolean; dueAt: Date | null }>(
    `select state, attempts, possibly_twice as twice, lease_until is not null as leased, due_at as "dueAt"
       from letter where incident_id = $1 and account_id = $2`,
    [incidentId, accountId],
  );
const chosen = {
  addressId: firstId,
  to: "a@b.example",
  normalised: "a@b.example",
  provider: "b.example",
  returnPath: undefined,
};
const addressed = (letter: WaitingLetter): Addressed => ({
  ...letter,
  chosen,
  isSuppressed: false,
  notice: { locale: "en", subject: "", text: "", html: "", hash: Buffer.alloc(32) },
});
const judged = (letter: WaitingLetter, sent: Parameters<typeof judgeOutcome>[3]): Outcome =>
  judgeOutcome(
    { random: systemRandom, key: Buffer.alloc(32), firstRetryMs: 20 },
    addressed(letter),
    chosen,
    sent,
    clock.now(),
  );
const later = { kind: "deferred", reply: "450 4.2.1 later", mayHaveArrived: false, cause: "letter" } as const;
const taken = { kind: "handed over", reply: "250 2.0.0 queued", queueId: "A" } as const;

test("a reading is good for one claim, and for none once the letter has an outcome", async () => {
  const [one, other] = [walk(), walk()];
  const [letter, settled] = (await fresh()) as [WaitingLetter, WaitingLetter];
  const [mine, theirs] = await Promise.all([one.claim(letter), other.claim(letter)]);
  expect([mine, theirs].filter((claim) => claim !== undefined)).toEqual([{ ...letter, attempts: 1 }]);
  // Put off: it is nobody's, and what was read before says nothing of when it goes again.
  await (mine === undefined ? other : one).record(judged({ ...letter, attempts: 1 }, later));
  expect(await rowOf(letter)).toMatchObject({ state: "deferred", attempts: 1, leased: false });
  expect(await one.claim(letter)).toBeUndefined();
  expect(await other.claim(letter)).toBeUndefined();
  // An account that is deleted gives its letter an outcome that nobody claimed.
  await db.run(`update letter set state = 'no address', settled_at = $3 where incident_id = $1 and account_id = $2`, [
    incidentId,
    settled.accountId,
    new Date(clock.now()),
  ]);
  expect(await one.claim(settled)).toBeUndefined();
  expect(await rowOf(settled)).toMatchObject({ state: "no address", attempts: 0 });
});

test("a claim that nobody renewed is free, and what its walk says afterwards counts only if the letter has gone", async () => {
  const [dying, next] = [walk(), walk()];
  const [letter, gone] = (await fresh()) as [WaitingLetter, WaitingLetter];
  const first = [await dying.claim(letter), await dying.claim(gone)];
  expect(first).toEqual([
    { ...letter, attempts: 1 },
    { ...gone, attempts: 1 },
  ]);
  const ids = (letters: readonly WaitingLetter[]) => letters.map(({ accountId }) => accountId);
  expect(ids(await fresh())).not.toContain(letter.accountId);
  // One that renews them keeps them beyond their first lease.
  lateMs += leaseMs / 2;
  await dying.renew();
  lateMs += leaseMs / 2 + 1_000;
  expect(ids(await fresh())).not.toContain(letter.accountId);
  lateMs += leaseMs;
  const again = await fresh();
  const reread = again.filter(({ accountId }) => ids([letter, gone]).includes(accountId));
  expect(reread.map(({ mayHaveGone }) => mayHaveGone)).toEqual([true, true]);
  for (const one of reread) expect(await next.claim(one)).toEqual({ ...one, attempts: 2 });
  expect(await rowOf(letter)).toMatchObject({ attempts: 2, twice: true, leased: true });
  await dying.record(judged({ ...letter, attempts: 1 }, later));
  expect(await rowOf(letter)).toMatchObject({ state: "claimed", attempts: 2, leased: true });
  await dying.record(judged({ ...gone, attempts: 1 }, taken));
  expect(await rowOf(gone)).toMatchObject({ state: "handed over" });
  // And then nothing changes it.
  await next.record(judged({ ...gone, attempts: 2 }, { kind: "refused", reply: "550 5.1.1 unknown" }));
  await next.renew();
  expect(await rowOf(gone)).toMatchObject({ state: "handed over", leased: false });
  await next.record(judged({ ...letter, attempts: 2 }, taken));
  // The timeline has what was written, once each.
  const entries = await readTimeline(db, { incidentId, kinds: ["letter"], limit: 10 });
  expect(entries.map(({ detail }) => [detail["outcome"], detail["attempts"], detail["possibly twice"]])).toEqual([
    ["handed over", 2, true],
    ["handed over", 1, true],
  ]);
});

test("what may have gone and is put off counts as possibly twice; what has not does not", async () => {
  const dying = walk();
  const [letter, untouched] = (await fresh()) as [WaitingLetter, WaitingLetter];
  await dying.claim(letter);
  lateMs += leaseMs + 1_000;
  const next = walk();
  for (const one of await fresh()) await next.record(putOff(addressed(one), clock.now()));
  expect(await rowOf(letter)).toMatchObject({ state: "deferred", attempts: 1, twice: true, leased: false });
  expect(await rowOf(untouched)).toMatchObject({ state: "deferred", attempts: 0, twice: false });

  // The same of one that was on its way once more when its walk died.
  lateMs += 1_000;
  const again = (await due()).find(({ accountId }) => accountId === untouched.accountId)!;
  await dying.claim(again);
  lateMs += leaseMs + 1_000;
  const back = (await due()).find(({ accountId }) => accountId === untouched.accountId)!;
  expect([again.mayHaveGone, back.mayHaveGone]).toEqual([false, true]);
  await next.record(putOff(addressed(back), clock.now()));
  expect(await rowOf(untouched)).toMatchObject({ state: "deferred", attempts: 1, twice: true, leased: false });
});

test("a walk that leaves gives back what it reserved, and not what another has claimed since", async () => {
  lateMs += minuteMs;
  const [letter, other] = (await due()) as [WaitingLetter, WaitingLetter];
  expect(await due()).toEqual([]);
  expect(await walk().claim(other)).toEqual({ ...other, attempts: other.attempts + 1 });
  const before = await rowOf(other);
  const now = plus(clock.now(), 1_000);
  const reserved = new Map([letter, other].map(({ accountId, attempts }) => [accountId, attempts]));
  await releaseDue(db, incidentId, reserved, now);
  expect((await rowOf(letter))?.dueAt).toEqual(new Date(now));
  expect(await rowOf(other)).toEqual(before);
});

test("a walk keeps what is its own and nothing else, and what it kept after all is not claimed by who had read it before", async () => {
  await db.run(
    `update letter set state = 'unclaimed', attempts = 0, lease_until = null, due_at = null, deferred_since = null
      where incident_id = $1 and account_id = (select account_id from letter where state = 'deferred' limit 1)`,
    [incidentId],
  );
  const [slow, next] = [walk(), walk()];
  const [letter] = (await fresh()) as [WaitingLetter];
  expect(await slow.claim(letter)).toEqual({ ...letter, attempts: 1 });
  lateMs += leaseMs + 1_000;
  const [lapsed] = (await fresh()) as [WaitingLetter];
  expect(lapsed).toMatchObject({ accountId: letter.accountId, attempts: 1 });
  await slow.renew();
  expect(await next.claim(lapsed)).toBeUndefined();
  lateMs += leaseMs + 1_000;
  expect(await next.claim(lapsed)).toEqual({ ...lapsed, attempts: 2 });
  const leaseOf = () =>
    db.one<{ until: Date }>(`select lease_until as until from letter where incident_id = $1 and account_id = $2`, [
      incidentId,
      letter.accountId,
    ]);
  const lease = await leaseOf();
  lateMs += 1_000;
  await slow.renew();
  expect(await leaseOf()).toEqual(lease);
  await next.renew();
  expect((await leaseOf())!.until.getTime()).toBeGreaterThan(lease!.until.getTime());
});
