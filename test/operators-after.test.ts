import { beforeEach, describe, expect, test } from "vitest";
import { operatorIds } from "../src/accounts/accounts.ts";
import { operatorsThatCount } from "../src/credentials/added-since.ts";
import { addOperator, keepOperator, removeOperator } from "../src/credentials/operators.ts";
import { highest, readFloors } from "../src/credentials/floors.ts";
import { sessionCookie, secretText } from "../src/http/cookies.ts";
import { contain } from "../src/incidents/contain.ts";
import { openIncident } from "../src/incidents/open.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { dayMs, hourMs, plus, toDate, toIso } from "../src/kernel/clock.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { append } from "../src/timeline/append.ts";
import { integrate } from "../src/timeline/integrate.ts";
import { readTimeline } from "../src/timeline/read.ts";
import type { Contained } from "../src/wire/incidents.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { peopleOf, type Person } from "./people.ts";
import { asCookie, testService } from "./service.ts";

/**
 * Who named an operator with a stolen session, or by a write to the database, has named nobody from containment on: the role
 * counts once somebody who may says so. Whoever was one before the copy is one still.
 */
const service = await testService();
const { ground, clock } = service;
const { plainDb: db, random } = ground;
const { person } = peopleOf(service);
const needs = { ...ground, keyholder: ground.keyholders.web };
const order = { mode: "with-renewal", keepTools: false, reason: "test", operator: "host" } as const;
const containNow = (by: Partial<Parameters<typeof contain>[1]> = {}) =>
  contain(containNeedsOf(ground), { ...order, ...by });

// The one that the service began with.
await service.operator();
const [first] = (await operatorIds(db)) as [AccountId];

/** Somebody whom the host has named. */
async function named(): Promise<Person> {
  const who = await person();
  expect(await addOperator(needs, who.address, "host")).toMatchObject({ kind: "added" });
  return who;
}

const runs = async (session: string): Promise<boolean> => {
  const { status } = await service.call("GET", "/api/console", { cookies: asCookie(session) });
  expect([200, 403]).toContain(status);
  return status === 200;
};

/** By the host's link: a strong proof of this moment. */
async function proved(who: AccountId): Promise<string> {
  const { secret } = await makeOperatorLink(ground, who);
  const answer = await service.call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } });
  return answer.cookies[sessionCookie] ?? "";
}

async function integrateNow(): Promise<void> {
  const instance = await db.one<{ id: string }>(`select id from instance`);
  await integrate({ db, keyholder: ground.keyholders.mailer, clock, databaseId: instance?.id ?? "" });
}

beforeEach(async () => {
  await db.run(`update incident set state = 'closed'`);
  // As if there had been no containment yet.
  await db.run(`delete from added_since`);
  clock.advance(hourMs);
});

describe("an operator who was named since the copy was taken", () => {
  test("by a stolen session, runs the service before a containment that spares sessions, and not after it", async () => {
    const older = await named();
    await integrateNow();
    clock.advance(hourMs);
    const copiedAt = clock.now();
    clock.advance(hourMs);
    const thief = await person();
    const stolen = await proved(first);
    const made = await service.call("POST", "/api/operators", {
      body: { address: thief.address },
      cookies: asCookie(stolen),
    });
    expect(made.status, made.text).toBe(200);
    expect([await runs(thief.session), await runs(older.session)]).toEqual([true, true]);

    await openIncident(ground, { reason: "test", copiedAt: toIso(copiedAt) }, "host");
    clock.advance(hourMs);
    const { operators = [] } = await containNow();
    expect([await runs(thief.session), await runs(older.session)]).toEqual([false, true]);
    // Whoever contains is shown who it was.
    expect(operators.find(({ accountId }) => accountId === thief.accountId)).toMatchObject({
      named: { by: first },
      isNew: true,
      counts: false,
    });
    expect(operators.find(({ accountId }) => accountId === older.accountId)).toMatchObject({ counts: true });
    // Nor does the thief let themselves in again by what an operator may.
    for (const path of ["/api/operators", `/api/operators/${thief.accountId}/keep`]) {
      const again = await service.call("POST", path, {
        ...(path.endsWith("keep") ? {} : { body: { address: thief.address } }),
        cookies: asCookie(thief.session),
      });
      expect([path, again.status, again.body["code"]]).toEqual([path, 403, "operators-only"]);
    }
    // Taken back, and put back behind the service's back: still none.
    expect(await removeOperator(needs, thief.accountId, "host")).toBe("demoted");
    await db.run(`update account set role = 'operator' where id = $1`, [thief.accountId]);
    expect(await runs(thief.session)).toBe(false);
    expect(await removeOperator(needs, thief.accountId, "host")).toBe("demoted");
  });

  test("counts again once the host keeps them, or an operator who counts, and not again after another containment", async () => {
    const [one, other, third] = [await named(), await named(), await named()];
    for (const { session } of [one, other, third]) expect(await runs(session)).toBe(true);
    await containNow();
    for (const { session } of [one, other, third]) expect(await runs(session)).toBe(false);
    expect(await keepOperator(needs, one.accountId, "host")).toBe("kept");
    expect(await runs(one.session)).toBe(true);

    const cookies = asCookie(await proved(first));
    const kept = await service.call("POST", `/api/operators/${other.accountId}/keep`, { cookies });
    expect([kept.status, kept.body["kind"], await runs(other.session)]).toEqual([200, "operator-kept", true]);
    // Naming them once more says the same.
    await service.call("POST", "/api/operators", { body: { address: third.address }, cookies });
    expect(await runs(third.session)).toBe(true);
    const acts = await readTimeline(db, { kinds: ["operator kept"], limit: 3 });
    expect(acts.map(({ detail }) => String(detail["by"])).toSorted()).toEqual([first, first, "host"].toSorted());
    // Kept by a session from before a containment: somebody else may have it.
    await containNow();
    const late = await service.call("POST", `/api/operators/${other.accountId}/keep`, { cookies });
    expect([late.status, late.body["code"]]).toEqual([403, "renew-first"]);
    for (const { session } of [one, other, third]) expect(await runs(session)).toBe(false);
    expect(await keepOperator(needs, (await person()).accountId, "host")).toBe("not-an-operator");
  });

  test("who contains from the console keeps the case, though nobody knows when the copy was taken", async () => {
    const [one, other] = [await named(), await named()];
    const session = await proved(one.accountId);
    const opened = await openIncident(ground, { reason: "test" }, one.accountId);
    const path = `/api/incidents/${opened.kind === "impossible" ? "" : opened.incidentId}/contain`;
    const ask = (body: object) => service.call("POST", path, { body, cookies: asCookie(session) });
    const would = (await ask({ mode: "with-renewal", dryRun: true })).body as unknown as Contained;
    const countsIn = ({ operators = [] }: Contained, { accountId }: Person) =>
      operators.find((each) => each.accountId === accountId)?.counts;
    expect([countsIn(would, one), countsIn(would, other)]).toEqual([true, false]);
    expect(await runs(other.session)).toBe(true);
    const done = (await ask({ mode: "with-renewal" })).body as unknown as Contained;
    expect([countsIn(done, one), countsIn(done, other)]).toEqual([true, false]);
    expect([await runs(session), await runs(other.session)]).toEqual([true, false]);
    // And one who does not count by then counts no more by containing.
    const { operators = [] } = await containNow({ operator: other.accountId });
    expect(operators.find(({ accountId }) => accountId === other.accountId)?.counts).toBe(false);
  });

  test.each(["no entry", "an entry that says last year", "an entry that says the first day of all"])(
    "by a write to the database, with %s, is no operator after a containment",
    async (entry) => {
      const copiedAt = clock.now();
      clock.advance(hourMs);
      const thief = await person();
      await integrateNow();
      await db.run(`update account set role = 'operator' where id = $1`, [thief.accountId]);
      if (entry !== "no entry") {
        const detail = { account: thief.accountId, by: "host" };
        const [began] = await readTimeline(db, { kinds: ["operator link used"], limit: 1_000 }).then((all) =>
          all.reverse(),
        );
        const at = entry.endsWith("last year") ? plus(clock.now(), -300 * dayMs) : began!.at;
        await db.transaction((tx) => append(tx, at, { kind: "operator added", detail }, random));
      }
      expect(await runs(thief.session)).toBe(true);
      await openIncident(ground, { reason: "test", copiedAt: toIso(copiedAt) }, "host");
      await containNow();
      expect(await runs(thief.session)).toBe(false);
      // Once the record has given it a place, it is found there.
      await integrateNow();
      await containNow();
      expect(await runs(thief.session)).toBe(false);
      await db.run(`update account set role = 'viewer' where id = $1`, [thief.accountId]);
    },
  );

  test("counts for nothing though the row that sets them aside was written before", async () => {
    const thief = await named();
    const next = highest(await readFloors(db)) + 1;
    await db.run(`insert into added_since (epoch, since, operators) values ($1, $2, $3)`, [
      next,
      toDate(plus(clock.now(), 1_000 * dayMs)),
      [thief.accountId],
    ]);
    const { epoch } = await containNow();
    expect(epoch).toBe(next);
    expect(await runs(thief.session)).toBe(false);
    const row = await db.one<{ since: Date }>(`select since from added_since where epoch = $1`, [next]);
    expect(row?.since.getTime()).toBeLessThan(clock.now());
  });
});

test("the host's link is for the first whose role counts, and lets nobody in whose does not", async () => {
  const now = clock.now();
  clock.set(plus(now, -1_000 * dayMs));
  const thief = await named();
  clock.set(now);
  // Theirs is the oldest account, and would be the first.
  expect((await operatorIds(db))[0]).toBe(thief.accountId);
  await containNow();
  const [counting] = await operatorsThatCount(db);
  expect(counting).toBe(first);
  const refused = await makeOperatorLink(ground, thief.accountId);
  const ask = (secret: typeof refused.secret) =>
    service.call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } });
  expect((await ask(refused.secret)).status).toBe(400);
  expect((await ask((await makeOperatorLink(ground)).secret)).status).toBe(201);
  // Once they are kept, a link lets them in.
  await keepOperator(needs, thief.accountId, "host");
  expect((await ask((await makeOperatorLink(ground, thief.accountId)).secret)).status).toBe(201);
});

test("the last operator who counts is not removed, though others have the role", async () => {
  await named();
  await containNow();
  expect(await operatorsThatCount(db)).toEqual([first]);
  expect((await operatorIds(db)).length).toBeGreaterThan(1);
  expect(await removeOperator(needs, first, "host")).toBe("last");
});
