import { afterAll, expect, test } from "vitest";
import { populateSynthetic } from "../../test/population.ts";
import { dayMs, manualClock, minuteMs, plus, systemClock, toDate, toIso } from "../kernel/clock.ts";
import { systemRandom } from "../kernel/random.ts";
import { testDatabase } from "../db/test-database.ts";
import { readTimeline } from "../timeline/read.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { startCampaign } from "./campaign.ts";
import { closeIncident, recordReview, recordWayIn, whatIsMissing } from "./close.ts";
import { finish } from "./finish.ts";
import { letterSum } from "./letter-sum.ts";
import { openIncident } from "./open.ts";
import { reviewItems } from "./review.ts";
import { listIncidents } from "./status.ts";

/** A case closes with everything done or explained, and says what is missing until then. */
const db = await testDatabase({ maxConnections: 6 });
const clock = manualClock(systemClock.now());
const service = { name: "House of Films", origin: "https://films.example", contact: null };
const processOfKeys = await testKeyholder();
afterAll(() => processOfKeys.stop());
const needs = { db, clock, random: systemRandom, service, keyholder: await processOfKeys.connect("operator") };

test("each thing that is missing is named until it is there; then the case closes, once, and is as it is", async () => {
  await populateSynthetic(db, { accounts: 2, sessionsEach: 0 });
  clock.advance(dayMs);
  const opened = await openIncident(needs, { reason: "a copy is for sale" }, "operator");
  if (opened.kind !== "opened") return expect.fail(opened.kind);
  const { incidentId: id } = opened;
  const close = (order: Parameters<typeof closeIncident>[2] = {}) => closeIncident(needs, id, order, "operator");
  const missing = async (): Promise<readonly string[]> => {
    const outcome = await close();
    return outcome.kind === "missing" ? outcome.missing : [outcome.kind];
  };
  const wayIn = "the way in: what it was, when it was closed, and the evidence";
  const notDone = reviewItems.map(({ item, title }) => `review (${item}): ${title}`).toSorted();
  const [contained, told] = ["the theft is not contained", "nobody has been told: the campaign was not started"];
  expect(await missing()).toEqual([contained, told, wayIn, ...notDone]);

  await db.run(
    `update incident set state = 'contained', containment = 'everyone-out', contained_at = $2 where id = $1`,
    [id, toDate(clock.now())],
  );
  expect(await missing()).toEqual([told, wayIn, ...notDone]);
  expect(await startCampaign(needs, id, "operator")).toMatchObject({ kind: "started", sum: { waiting: 2 } });
  const unfinished = "the campaign is not finished";
  const waiting = "letters are waiting";
  expect(await missing()).toEqual([waiting, unfinished, wayIn, ...notDone]);
  // Whoever has the sum says how many.
  const counted = async () => (await whatIsMissing(db, id, await letterSum(db, id)))[0];
  expect(await counted()).toBe("2 letters are waiting");
  const settle = (letters: number) =>
    db.run(
      `update letter set state = 'handed over', settled_at = $3 where incident_id = $1 and account_id in (
         select account_id from letter where incident_id = $1 and state = 'unclaimed' limit $2)`,
      [id, letters, toDate(clock.now())],
    );
  await settle(1);
  expect(await counted()).toBe("1 letter is waiting");
  for (const state of ["claimed", "deferred", "unclaimed"]) {
    await db.run(`update letter set state = $2 where incident_id = $1 and state <> 'handed over'`, [id, state]);
    expect(await missing(), state).toEqual([waiting, unfinished, wayIn, ...notDone]);
  }
  await settle(1);
  expect(await missing()).toEqual([unfinished, wayIn, ...notDone]);
  expect(await finish(needs, id)).toEqual({ kind: "finished" });
  expect(await missing()).toEqual([wayIn, ...notDone]);

  // That there was a way in is no evidence that it is closed.
  await db.run(`update incident set way_in_what = 'a leaked key' where id = $1`, [id]);
  expect(await missing()).toEqual([wayIn, ...notDone]);
  const evidence = { what: "a leaked key", closedAt: toIso(clock.now()), evidence: "it was revoked" };
  // What will be closed is not closed yet, and nothing is no evidence. A clock may be minutes ahead.
  const tomorrow = { ...evidence, closedAt: toIso(plus(clock.now(), 10 * minuteMs + 1)) };
  expect(await close({ wayIn: tomorrow })).toEqual({ kind: "way-in-refused", reason: "in-the-future" });
  for (const blank of [
    { ...evidence, evidence: " \n" },
    { ...evidence, what: "" },
  ]) {
    expect(await close({ wayIn: blank })).toEqual({ kind: "way-in-refused", reason: "evidence-needed" });
  }
  expect(await missing()).toEqual([wayIn, ...notDone]);
  const ahead = { ...evidence, closedAt: toIso(plus(clock.now(), 10 * minuteMs)) };
  expect(await recordWayIn(needs, id, ahead, "operator")).toBe("recorded");
  expect(await close({ wayIn: evidence })).toEqual({ kind: "missing", missing: notDone });

  const refused = (item: string, reason: string) => ({ kind: "review-refused", item, reason });
  expect(await close({ review: [{ item: "keys", state: "explained", note: " \n" }] })).toEqual(
    refused("keys", "note-needed"),
  );
  expect(await close({ review: [{ item: "no such item", state: "done" }] })).toEqual(
    refused("no such item", "unknown-item"),
  );
  const [last, ...others] = reviewItems;
  const done = (items: readonly { item: string }[]) => items.map(({ item }) => ({ item, state: "done" as const }));
  // What is said twice is recorded once.
  for (let times = 0; times < 2; times++) {
    expect(await close({ review: done(others), wayIn: evidence })).toEqual({
      kind: "missing",
      missing: [`review (${last.item}): ${last.title}`],
    });
  }
  const recorded = async (kind: "review recorded" | "way in recorded") =>
    (await readTimeline(db, { incidentId: id, kinds: [kind], limit: 50 })).length;
  expect([await recorded("review recorded"), await recorded("way in recorded")]).toEqual([others.length, 2]);
  expect(await readTimeline(db, { incidentId: id, kinds: ["incident closed"], limit: 5 })).toEqual([]);
  expect(
    await recordReview(needs, id, { item: last.item, state: "explained", note: "it is not ours" }, "operator"),
  ).toBe("recorded");

  const at = clock.now();
  // Three at one moment, all under way before the first can go on.
  const [holding, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holder = db.transaction(async (tx) => {
    await tx.run(`select 1 from incident where id = $1 for update`, [id]);
    holding.resolve();
    await held.promise;
  });
  await holding.promise;
  const closing = Promise.all([close(), close(), close()]);
  await expect
    .poll(
      async () =>
        (
          await db.many(
            `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
          )
        ).length,
      { timeout: 20_000 },
    )
    .toBe(3);
  held.resolve();
  await holder;
  const both = await closing;
  expect(both.map(({ kind }) => kind).toSorted()).toEqual(["closed", "not-open", "not-open"]);
  expect(await readTimeline(db, { incidentId: id, kinds: ["incident closed"], limit: 5 })).toHaveLength(1);
  const row = () =>
    db.one(
      `select i.*, array(select r from incident_review r where r.incident_id = i.id order by item)::text as review
              from incident i where id = $1`,
      [id],
    );
  const before = await row();
  expect(before).toMatchObject({ state: "closed", closed_at: toDate(at), way_in_evidence: "it was revoked" });
  clock.advance(dayMs);
  expect(await recordWayIn(needs, id, { ...evidence, what: "another" }, "operator")).toBe("not-open");
  expect(await recordReview(needs, id, { item: last.item, state: "done" }, "operator")).toBe("not-open");
  expect(await close({ wayIn: { ...evidence, closedAt: toIso(plus(at, 1)) } })).toEqual({ kind: "not-open" });
  expect(await row()).toEqual(before);
});

test("cases are listed with the newest first, and say when they were closed", async () => {
  const [first] = (await listIncidents(db)).incidents;
  clock.advance(dayMs);
  const opened = await openIncident(needs, { reason: "another copy" }, "operator");
  if (opened.kind !== "opened") return expect.fail(opened.kind);
  expect((await listIncidents(db)).incidents).toMatchObject([
    { id: opened.incidentId, state: "open", reason: "another copy", closedAt: null },
    { id: first?.id, state: "closed", reason: "a copy is for sale", closedAt: expect.any(String) },
  ]);
});
