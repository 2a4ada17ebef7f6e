import { expect, test } from "vitest";
import type { IncidentId } from "../kernel/brand.ts";
import { dayMs, hourMs, plus, systemClock, toDate } from "../kernel/clock.ts";
import { newId } from "../kernel/random.ts";
import type { KeyPurpose, KeyState } from "../keyholder/keyholder.ts";
import { goodPassword, testService } from "../../test/service.ts";
import { keepingNeedsOf } from "../../test/keeping-needs.ts";
import { keepKeys } from "./keep-keys.ts";
import { neededBy, retireKey, rotateKeys, usePreparedKey } from "./rotate.ts";

/** What keeps an old key from being retired. The keyholder notes when keys are made by the machine's clock. */
const service = await testService({ startAt: systemClock.now() });
const { ground, clock } = service;
const { db, random, keyholders } = ground;
const keys = keyholders.keeper.keys;
const needs = keepingNeedsOf(ground);

const stateOf = async (purpose: KeyPurpose): Promise<KeyState> =>
  (await keys.states()).states.find((state) => state.purpose === purpose)!;

async function campaign(indexVersion: number): Promise<IncidentId> {
  const incidentId = newId<IncidentId>(random, clock.now());
  const before = toDate(plus(clock.now(), -dayMs));
  await db.run(
    `insert into incident (id, reference, state, reason, opened_at, opened_by, found_at, found_by, found_how, data_classes, keys_reachable)
     values ($1, $3, 'notifying', 'test', $2, 'test', $2, 'test', 'test', '{}', 'no')`,
    [incidentId, before, incidentId],
  );
  await db.run(
    `insert into campaign (incident_id, started_at, started_by, scope_at, index_version) values ($1, $2, 'test', $2, $3)`,
    [incidentId, before, indexVersion],
  );
  return incidentId;
}

test("the key of bounces: for as long as letters that it marked may come back", async () => {
  const { newest } = await stateOf("index.bounce");
  const incidentId = await campaign(1);
  await rotateKeys(needs, ["index.bounce"]);
  const needed = { kind: "needed", version: newest, by: ["letters that may come back"] };
  expect(await retireKey(needs, "index.bounce")).toEqual(needed);
  const finished = (daysAgo: number) =>
    db.run(`update incident set letters_finished_at = $2 where id = $1`, [
      incidentId,
      toDate(plus(clock.now(), -daysAgo * dayMs)),
    ]);
  await finished(13);
  expect(await retireKey(needs, "index.bounce")).toEqual(needed);
  await db.run(`update incident set state = 'closed' where id = $1`, [incidentId]);
  await finished(15);
  expect(await retireKey(needs, "index.bounce")).toEqual({ kind: "closing", version: newest });
});

test("the key of addresses: for a campaign from before it had a key of its own, and at the end for each row that is found by it", async () => {
  await service.account("ada@example.org", goodPassword);
  const { newest } = await stateOf("index.address");
  const incidentId = await campaign(newest);
  await rotateKeys(needs, ["index.address"]);
  await keepKeys(needs);
  const needed = { kind: "needed", version: newest, by: ["a campaign whose letters may come back"] };
  expect(await retireKey(needs, "index.address")).toEqual(needed);
  const finished = (daysAgo: number) =>
    db.run(`update incident set letters_finished_at = $2 where id = $1`, [
      incidentId,
      toDate(plus(clock.now(), -daysAgo * dayMs)),
    ]);
  await finished(13);
  expect(await retireKey(needs, "index.address")).toEqual(needed);
  await finished(15);

  // Its rows go with the closing, so they do not keep it from beginning; what is left of them then keeps it.
  const state = await stateOf("index.address");
  expect(await neededBy(needs, state, newest, "before closing")).toEqual([]);
  expect(await neededBy(needs, state, newest, "at the end")).toEqual([
    "1 row of address.blind_index",
    "1 row of account_address.former_index",
  ]);
  const waiting = async () =>
    (await db.one<{ count: number }>(
      `select count(*) as count from graphile_worker._private_jobs j
         join graphile_worker._private_tasks t on t.id = j.task_id where t.identifier = 'keep-keys'`,
    ))!.count;
  await db.run(`delete from graphile_worker._private_jobs`);
  expect(await retireKey(needs, "index.address")).toEqual({ kind: "closing", version: newest });
  // It is the worker that ends it.
  expect(await waiting()).toBe(1);
  expect(await retireKey(needs, "index.address")).toEqual({ kind: "closing", version: newest });
  expect(await waiting()).toBe(1);
});

test("the key of signals: for a day after the next one is used, since receivers may check one late", async () => {
  await rotateKeys(needs, ["signal"]);
  if ((await stateOf("signal")).newest === 0) throw new Error("the first key is in use at once");
  const { newest } = await stateOf("signal");
  await rotateKeys(needs, ["signal"]);
  await usePreparedKey(needs, "signal");
  expect(await retireKey(needs, "signal")).toMatchObject({
    kind: "needed",
    version: newest,
    by: [expect.stringMatching(/^signals that receivers may check until /)],
  });
  clock.advance(25 * hourMs);
  expect(await retireKey(needs, "signal")).toEqual({ kind: "closing", version: newest });
});
