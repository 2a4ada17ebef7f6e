import { afterAll, beforeEach, expect, test } from "vitest";
import { containedCase } from "../../test/contained-case.ts";
import { populateSynthetic } from "../../test/population.ts";
import { containAccount } from "./contain.ts";
import { minuteMs, systemClock, toDate, type EpochMs } from "../kernel/clock.ts";
import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Db, Tx } from "../db/db.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { appendAll } from "../timeline/append.ts";
import { readActs } from "../timeline/read.ts";
import { freezeScope } from "./campaign.ts";
import { sharedCaseNumbers } from "./case-numbers.ts";
import { deadlineRules } from "./deadlines.ts";
import { letterSum } from "./letter-sum.ts";
import { planCampaign } from "./plan.ts";
import { incidentStatus } from "./status.ts";

const db = await testDatabase();
const keyholder = await testKeyholder();
const { witness } = await keyholder.connect("operator");
afterAll(() => keyholder.stop());
const needs = { db, clock: systemClock, random: systemRandom, log: silentLog, monotonicMs: () => 0, witness };
const way = { leavesBy: "relay", contact: null, allowance: null, price: null, deadlines: deadlineRules } as const;

beforeEach(async () => {
  await db.run(
    `truncate letter, notice, campaign, campaign_shard, incident_review, incident, account_address, address, password,
              session, account cascade`,
  );
});

/** The rows of a table that this connection has read, as far as it has not reported them. */
async function rowsRead(tx: Tx, table: string): Promise<number> {
  const row = await tx.one<{ rows: number }>(
    `select (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as rows from pg_stat_xact_user_tables where relname = $1`,
    [table],
  );
  return row?.rows ?? 0;
}

/** The most rows of a table that one of the transactions of `work` read. */
async function mostRead(table: string, work: (watched: Db) => Promise<unknown>): Promise<number> {
  let most = 0;
  const transaction: Db["transaction"] = (inside) =>
    db.transaction(async (tx) => {
      const before = await rowsRead(tx, table);
      const result = await inside(tx);
      most = Math.max(most, (await rowsRead(tx, table)) - before);
      return result;
    });
  await work({ ...db, transaction });
  return most;
}

async function campaignOf(incidentId: IncidentId): Promise<void> {
  await db.run(
    `insert into campaign (incident_id, started_at, started_by, scope_at)
     select id, now(), 'test', contained_at from incident where id = $1`,
    [incidentId],
  );
  await db.run(`update incident set notified_at = now(), state = 'notifying' where id = $1`, [incidentId]);
}

test("a case of one account reads that account, among ever so many", async () => {
  await populateSynthetic(db, { accounts: 4_000 });
  const one = (await db.one<{ id: AccountId }>(`select id from account offset 1234 limit 1`))!.id;
  const contained = await containAccount(needs, one, { reason: "phished", operator: "test" });
  if (contained.kind !== "contained") throw new Error("no such account");
  const { incidentId } = contained;
  const planned = await mostRead("account", (watched) =>
    watched.transaction(async (tx) => {
      expect(await planCampaign({ ...needs, ...way, db: tx }, incidentId)).toMatchObject({
        inScope: 1,
        withAddress: 1,
      });
    }),
  );
  await campaignOf(incidentId);
  const frozen = await mostRead("account", async (watched) => {
    expect(await freezeScope({ ...needs, db: watched }, incidentId, (systemClock.now() + minuteMs) as EpochMs)).toBe(
      true,
    );
  });
  expect(await letterSum(db, incidentId)).toMatchObject({ scope: 1, waiting: 1 });
  expect(planned).toBeGreaterThan(0);
  expect(planned).toBeLessThan(20);
  expect(frozen).toBeGreaterThan(0);
  expect(frozen).toBeLessThan(20);
});

test("each batch of a scope of everybody reads its own accounts and no others", async () => {
  await populateSynthetic(db, { accounts: 12_000 });
  const incidentId = await containedCase(needs, { at: systemClock.now(), copiedAt: null });
  await campaignOf(incidentId);
  const most = await mostRead("account", async (watched) => {
    expect(await freezeScope({ ...needs, db: watched }, incidentId, (systemClock.now() + minuteMs) as EpochMs)).toBe(
      true,
    );
  });
  expect(await letterSum(db, incidentId)).toMatchObject({ scope: 12_000 });
  expect(most).toBeGreaterThanOrEqual(5_000);
  expect(most).toBeLessThan(5_100);
});

test("what people did in a case is read without the letters of everybody", async () => {
  const incidentId = await containedCase(needs, { at: systemClock.now(), copiedAt: null });
  const letters = Array.from(
    { length: 3_000 },
    () => ({ kind: "letter", incidentId, detail: { outcome: "refused" } }) as const,
  );
  await db.transaction((tx) => appendAll(tx, systemClock.now(), letters, systemRandom));
  await db.run(`analyze timeline_entry`);
  const read = await mostRead("timeline_entry", (watched) =>
    watched.transaction(async (tx) => {
      const acts = await readActs(tx, incidentId, 200);
      expect(acts.length).toBeGreaterThan(0);
      expect(acts.map(({ kind }) => kind)).not.toContain("letter");
    }),
  );
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(20);
});

test("a sum that takes long is shared by everybody who looks, until what it is about changes", async () => {
  await populateSynthetic(db, { accounts: 3 });
  const incidentId = await containedCase(needs, { at: systemClock.now(), copiedAt: null });
  let now = 0;
  const slowly = {
    ...db,
    one: async (...words: Parameters<Db["one"]>) => {
      if (words[0].includes("from letter")) now += 10_000;
      return db.one(...words);
    },
  } as Db;
  const numbersOf = sharedCaseNumbers({ ...needs, db: slowly, monotonicMs: () => now });
  const look = async () => (await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId, numbersOf))!;
  expect((await look()).letters).toBeNull();
  await campaignOf(incidentId);
  await freezeScope(needs, incidentId, (systemClock.now() + minuteMs) as EpochMs);
  const first = await look();
  expect(first.letters).toMatchObject({ scope: 3, waiting: 3, handedOver: 0 });
  await db.run(`update letter set state = 'handed over', settled_at = $1`, [toDate(systemClock.now())]);
  now += 49_000;
  expect(await look()).toMatchObject({ letters: first.letters, countedAt: first.countedAt });
  now += 1_000;
  expect((await look()).letters).toMatchObject({ waiting: 0, handedOver: 3 });
  await db.run(`update letter set state = 'bounced'`);
  await db.run(`update incident set letters_finished_at = now() where id = $1`, [incidentId]);
  expect((await look()).letters).toMatchObject({ bounced: 3 });
});
