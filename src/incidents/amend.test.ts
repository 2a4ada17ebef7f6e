import { expect, test } from "vitest";
import { containNeedsOf } from "../../test/contain-needs.ts";
import { asCookie, goodPassword, testService, type TestService } from "../../test/service.ts";
import { setUpTotp } from "../../test/totp-app.ts";
import { dayMs, hourMs, minuteMs, secondMs } from "../kernel/clock.ts";
import { caseDifferences, type Act } from "../timeline/verify-case.ts";
import { readFloors } from "../credentials/floors.ts";
import type { IncidentId } from "../kernel/brand.ts";
import { amendIncident } from "./amend.ts";
import { contain } from "./contain.ts";

const ago = ({ clock }: TestService, ms: number): string => new Date(clock.now() - ms).toISOString();

/** A service with somebody in it, contained before anybody filled in a form, and an operator signed in since. */
async function containedFirst() {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  service.clock.advance(minuteMs);
  const contained = await contain(containNeedsOf(service.ground), {
    mode: "everyone-out",
    keepTools: false,
    reason: "a copy is for sale",
    operator: "host",
  });
  service.clock.advance(minuteMs);
  const cookies = asCookie(await service.operator());
  const url = `/api/incidents/${contained.incidentId}`;
  const read = async () => (await service.call("GET", url, { cookies })).body as Record<string, unknown>;
  const amend = (body: object) => service.call("PUT", `${url}/facts`, { body, cookies });
  const notify = (action: string) => service.call("POST", `${url}/notify`, { body: { action }, cookies });
  return { service, url, cookies, read, amend, notify };
}

test("what is learnt after the containment is what the case, its deadlines, its letter and its report say", async () => {
  const { service, url, cookies, read, amend, notify } = await containedFirst();
  const before = await read();
  expect(before["dataClasses"]).toHaveLength(6);
  expect((await notify("preview")).text).toContain("what you have watched");
  const [foundAt, copiedAt] = [ago(service, hourMs), ago(service, 40 * dayMs)];
  const known = {
    foundAt,
    copiedAt,
    foundBy: "a reader",
    dataClasses: ["addresses", "password records"],
    keysReachable: "no",
  };
  const amended = await amend(known);
  expect(amended.status, amended.text).toBe(200);
  expect(await read()).toMatchObject({ ...known, foundHow: before["foundHow"], reason: before["reason"] });

  const dueOf = (status: Record<string, unknown>): unknown =>
    (status["deadlines"] as { rule: string; dueAt: string }[]).find(({ rule }) => rule === "gdpr-33")?.dueAt;
  expect(dueOf(await read())).toBe(new Date(Date.parse(foundAt) + 72 * hourMs).toISOString());
  expect((await notify("preview")).text).not.toContain("what you have watched");

  const report = (await service.call("GET", `${url}/report?format=json`, { cookies })).body as Record<string, unknown>;
  const acts = (report["timeline"] as { entries: Act[] }).entries;
  expect([...caseDifferences(report, acts)]).toEqual([]);
  expect([
    ...caseDifferences(
      report,
      acts.filter(({ kind }) => kind !== "incident changed"),
    ),
  ]).not.toEqual([]);
});

test("keys that were within reach after all have second factors refused by the next containment", async () => {
  const { service, url, amend } = await containedFirst();
  await service.account("bob@example.org", goodPassword);
  await setUpTotp(service, await service.signIn("bob@example.org", goodPassword));
  expect((await amend({ keysReachable: "yes" })).status).toBe(200);
  const before = await readFloors(service.ground.plainDb);
  const again = await service.call("POST", `${url}/contain`, { body: {}, cookies: asCookie(await service.operator()) });
  expect(again.status, again.text).toBe(200);
  expect((await readFloors(service.ground.plainDb)).totp).toBeGreaterThan(before.totp);
});

test("instants that cannot be are refused by name, an unknown copy's instant can be taken back, and saying the same again is recorded once", async () => {
  const { service, read, amend } = await containedFirst();
  const kinds = async (): Promise<number> =>
    ((await read())["timeline"] as { kind: string }[]).filter(({ kind }) => kind === "incident changed").length;
  for (const [body, field] of [
    [{ foundAt: ago(service, -dayMs) }, "body.foundAt"],
    [{ copiedAt: ago(service, -dayMs) }, "body.copiedAt"],
    [{ reason: "another" }, "body"],
  ] as const) {
    const refused = await amend(body);
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining(field)]);
  }
  expect(await kinds()).toBe(0);
  const copiedAt = ago(service, dayMs);
  for (let times = 0; times < 2; times++) expect((await amend({ copiedAt })).status).toBe(200);
  expect([(await read())["copiedAt"], await kinds()]).toEqual([copiedAt, 1]);
  expect((await amend({ copiedAt: null, dataClasses: [] })).status).toBe(200);
  expect(await read()).toMatchObject({
    copiedAt: null,
    dataClasses: expect.toSatisfy((all: unknown[]) => all.length === 6),
  });
});

test("what is left out stays as it was, and the entry names who said the rest", async () => {
  const { service, read, amend } = await containedFirst();
  const known = { copiedAt: ago(service, dayMs), dataClasses: ["addresses"], keysReachable: "no" };
  expect((await amend(known)).status).toBe(200);
  expect((await amend({ foundHow: "it was offered for sale", foundBy: "a reader" })).status).toBe(200);
  const now = await read();
  expect(now).toMatchObject({ ...known, foundHow: "it was offered for sale", foundBy: "a reader" });
  const [last] = (now["timeline"] as Act[]).filter(({ kind }) => kind === "incident changed");
  const operator = await service.ground.plainDb.one<{ id: string }>(`select id from account where role = 'operator'`);
  expect(last?.detail).toMatchObject({ operator: operator?.id, data: ["addresses"], "copied at": known.copiedAt });
});

test("an instant of the copy that was typed wrong can be taken back, and what was found of it by itself is there still", async () => {
  const { service, read, amend } = await containedFirst();
  const copiedAfter = ago(service, 200 * dayMs);
  await service.ground.plainDb.run(`update incident set copied_after = $1`, [copiedAfter]);
  const copiedAt = ago(service, 3 * dayMs);
  expect((await amend({ copiedAt })).status).toBe(200);
  const said = await read();
  expect(said).toMatchObject({ copiedAt, copiedAfter });
  expect((said["timeline"] as Act[])[0]?.detail).toMatchObject({ "copied at": copiedAt, "copied after": copiedAfter });
  expect((await amend({ copiedAt: null })).status).toBe(200);
  expect(await read()).toMatchObject({ copiedAt: null, copiedAfter });
});

test("of two who say something at the same moment, neither takes back what the other has said", async () => {
  const { service, read } = await containedFirst();
  const { plainDb, db, clock, random } = service.ground;
  const id = String((await read())["id"]) as IncidentId;
  const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  const both: Promise<unknown>[] = [];
  await plainDb.transaction(async (tx) => {
    await tx.run(`select 1 from incident where id = $1 for update`, [id]);
    const needs = { db, clock, random };
    both.push(amendIncident(needs, id, { foundBy: "a reader" }, "host"));
    both.push(amendIncident(needs, id, { foundHow: "it was offered for sale" }, "host"));
    await expect.poll(async () => (await tx.many(waiting)).length, { timeout: 10_000 }).toBe(2);
  });
  expect(await Promise.all(both)).toEqual([{ kind: "amended" }, { kind: "amended" }]);
  expect(await read()).toMatchObject({ foundBy: "a reader", foundHow: "it was offered for sale" });
});

test("a case that is closed is not amended, though no letter of it was started", async () => {
  const { service, read, amend } = await containedFirst();
  expect((await amend({ foundBy: "a reader" })).status).toBe(200);
  await service.ground.plainDb.run(`update incident set state = 'closed', closed_at = $1`, [ago(service, 0)]);
  const refused = await amend({ foundBy: "somebody else" });
  expect([refused.status, refused.body["code"]]).toEqual([409, "wrong-state"]);
  expect((await read())["foundBy"]).toBe("a reader");
});

test("a copy that was taken after every containment is contained again before anybody is told, and case and report say so", async () => {
  const { service, url, cookies, read, amend, notify } = await containedFirst();
  const missing = async () => (await read())["missing"];
  const again = expect.arrayContaining([expect.stringContaining("contain again")]);
  const newer = { foundAt: ago(service, 10 * secondMs), copiedAt: ago(service, 30 * secondMs) };
  expect((await amend(newer)).status).toBe(200);
  expect([(await read())["copiedSinceContained"], await missing()]).toEqual([true, again]);
  const refused = await notify("start");
  expect([refused.status, refused.text]).toEqual([409, expect.stringContaining("contain again")]);
  const report = async (format: string) => service.call("GET", `${url}/report?format=${format}`, { cookies });
  expect((await report("html")).text).toContain("the copy was taken after the last containment");
  const made = (await report("json")).body as { readonly timeline: { entries: Act[] }; readonly incident: object };
  expect([...caseDifferences(made, made.timeline.entries)]).toEqual([]);
  const denied = { ...made, incident: { ...made.incident, copiedSinceContained: false } };
  expect([...caseDifferences(denied, made.timeline.entries)]).toHaveLength(1);

  // Said anew it is contained; and so it is once it is contained again.
  expect((await amend({ copiedAt: ago(service, 3 * hourMs) })).status).toBe(200);
  expect([(await read())["copiedSinceContained"], await missing()]).toEqual([
    false,
    expect.not.arrayContaining([expect.stringContaining("contain again")]),
  ]);
  expect((await amend(newer)).status).toBe(200);
  const order = { body: { mode: "with-renewal" }, cookies: asCookie(await service.operator()) };
  expect((await service.call("POST", `${url}/contain`, order)).status).toBe(200);
  expect((await read())["copiedSinceContained"]).toBe(false);
  const started = await notify("start");
  expect(started.status, started.text).toBe(200);
});

test("once the letters have been started what they say stands, and so does a case that is unknown", async () => {
  const { service, url, cookies, read, amend, notify } = await containedFirst();
  expect((await notify("start")).status).toBe(200);
  const before = await read();
  const refused = await amend({ dataClasses: ["addresses"] });
  expect([refused.status, refused.body["code"]]).toEqual([409, "wrong-state"]);
  expect((await read())["dataClasses"]).toEqual(before["dataClasses"]);
  const unknown = url.replace(/[0-9a-f]{12}$/, "000000000000");
  expect((await service.call("PUT", `${unknown}/facts`, { body: {}, cookies })).status).toBe(409);
});
