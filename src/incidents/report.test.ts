import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Value } from "typebox/value";
import { launchChromium } from "../../test/chromium.ts";
import { besideOpenTransaction } from "../../test/open-transaction.ts";
import { populate, type PersonInPopulation } from "../../test/population.ts";
import { startTestRelay, type TestRelay } from "../../test/smtp-server.ts";
import type { AccountId, IncidentId } from "../kernel/brand.ts";
import {
  dayMs,
  hourMs,
  manualClock,
  minuteMs,
  parseInstant,
  plus,
  secondMs,
  systemClock,
  toDate,
  toIso,
  type EpochMs,
} from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import { newId, systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { testDatabase } from "../db/test-database.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { openSmtp } from "../mail/smtp.ts";
import { append, appendAll } from "../timeline/append.ts";
import { checkpointBody, originOf, signedNote } from "../timeline/checkpoint.ts";
import { integrate } from "../timeline/integrate.ts";
import { verifierKey } from "../timeline/note.ts";
import { policyText } from "../timeline/policy.ts";
import { publishTiles } from "../timeline/publish.ts";
import { readTlogProof } from "../timeline/tlog-proof.ts";
import { verifyAlone } from "../timeline/verify-alone.ts";
import { Report } from "../wire/report.ts";
import { closeIncident, recordWayIn } from "./close.ts";
import { contain } from "./contain.ts";
import { startCampaign } from "./campaign.ts";
import { deadlineRules, deadlinesOf } from "./deadlines.ts";
import { proveLetter } from "./letter-proof.ts";
import { openIncident } from "./open.ts";
import { reportIncident, sharedReport } from "./report.ts";
import { draftsOf } from "./report-drafts.ts";
import { reportHtml } from "./report-html.ts";
import { walk } from "./walk.ts";

const hostile = `<script>alert("x")</script>'&`;
const db = await testDatabase();
let keyholder: TestKeyholder;
let operator: KeyholderClient;
let relay: TestRelay;
let incidentId: IncidentId;
let people: PersonInPopulation[];
const start = plus(systemClock.now(), -dayMs);
const clock = manualClock(start);
const needs = { db, clock, random: systemRandom, log: silentLog };

async function integrateNow(): Promise<void> {
  const instance = await db.one<{ id: string }>(`select id from instance`);
  await integrate({ db, keyholder: operator, clock, databaseId: instance!.id });
}

const reportNeeds = () => ({
  db,
  clock,
  keyholder: operator,
  log: silentLog,
  deadlines: deadlineRules,
  isDecoy: async () => false,
});
const report = async () => (await reportIncident(reportNeeds(), incidentId))!;

beforeAll(async () => {
  keyholder = await testKeyholder();
  operator = await keyholder.connect("operator");
  const mailer = await keyholder.connect("mailer");
  relay = await startTestRelay();
  people = await populate(db, operator, { accounts: 20, sessionsEach: 4, withoutAddress: 2, at: start });
  clock.advance(hourMs);
  const opened = await openIncident(needs, { reason: `a copy is for sale ${hostile}`, foundHow: hostile }, hostile);
  if (opened.kind !== "opened") return expect.fail(opened.kind);
  incidentId = opened.incidentId;
  const witness = operator.witness;
  const monotonicMs = () => 0;
  await contain(
    { ...needs, witness, monotonicMs },
    { mode: "everyone-out", keepTools: false, reason: "", operator: "operator" },
  );
  await startCampaign(
    { ...needs, keyholder: operator, service: { name: "Films", origin: "https://films.example", contact: null } },
    incidentId,
    "operator",
  );
  relay.script(people[5]!.address, { at: "rcpt", code: 550, text: "5.1.1 no" });
  const transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "no-reply@films.example",
    clock: systemClock,
    log: silentLog,
  });
  expect(
    await walk({ ...needs, keyholder: mailer, transport, neverMailed: async () => new Set<string>() }, incidentId),
  ).toEqual({ kind: "finished" });
  await transport.close();
  for (const hour of [1, 1, 3]) {
    await append(
      db,
      plus(clock.now(), hour * hourMs),
      { kind: "renewed", detail: { account: people[hour]!.accountId } },
      systemRandom,
    );
  }
  clock.advance(5 * hourMs);
  await integrateNow();
});
afterAll(async () => {
  await relay.stop();
  await keyholder.stop();
});

test("the report says what its schema says, and its sum adds up and agrees with the timeline", async () => {
  const made = await report();
  expect([...Value.Errors(Report, made)]).toEqual([]);
  expect(made.letters).toMatchObject({
    sum: { scope: 20, handedOver: 17, refused: 1, noAddress: 2, waiting: 0 },
    addsUp: true,
    agrees: true,
    inTimeline: [
      { outcome: "handed over", count: 17 },
      { outcome: "refused", count: 1 },
    ],
  });
  expect(made.letters!.templates.map(({ locale }) => locale)).toEqual(["de", "en", "es", "fr", "ja"]);
  expect(made.incident).toMatchObject({ state: "readmitting", containment: "everyone-out", renewed: 3 });
  expect(made.incident.renewalsByHour.map(({ renewed }) => renewed)).toEqual([2, 1]);
  expect(made.timeline).toMatchObject({ verdict: "intact", witness: "compared", entriesLeftOut: 0 });
  // The clock stood still meanwhile: their order is not the matter here.
  const kinds = made.timeline.entries.map(({ kind }) => kind).toSorted();
  expect(kinds).toEqual(["campaign finished", "campaign planned", "campaign started", "contained", "incident opened"]);
  for (const { leafIndex, leafHashHex } of made.timeline.entries) {
    expect(leafIndex).not.toBeNull();
    expect(leafHashHex).toMatch(/^[0-9a-f]{64}$/);
  }
  expect(made.timeline.checkpoint).toContain("houselights/timeline/");
  expect(
    await reportIncident(
      { db, clock, keyholder: operator, log: silentLog, deadlines: deadlineRules, isDecoy: async () => false },
      newId(systemRandom, start),
    ),
  ).toBeUndefined();
});

test("a report that is made while something is done in the case says nothing of it, or all", async () => {
  const during = await besideOpenTransaction(
    db,
    (tx) => tx.run("lock table refusal_count in access exclusive mode"),
    report,
    async () => {
      const wayIn = { what: "a key", closedAt: toIso(clock.now()), evidence: "changed" };
      expect(await recordWayIn(needs, incidentId, wayIn, "operator")).toBe("recorded");
    },
  );
  const after = await report();
  const kindsOf = ({ timeline }: Report) => timeline.entries.filter(({ kind }) => kind === "way in recorded").length;
  expect([during.incident.wayIn, kindsOf(during)]).toEqual([null, 0]);
  expect([after.incident.wayIn?.what, kindsOf(after)]).toEqual(["a key", 1]);
  await integrateNow();
});

test("the report is compared with the timeline's files, and one that says anything else is refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "houselights-report-"));
  const instance = await db.one<{ id: string }>(`select id from instance`);
  const keys = await operator.publicKeys("checkpoint");
  const origin = originOf(instance!.id);
  await publishTiles({ db, folder: join(folder, "timeline"), log: silentLog });
  await writeFile(
    join(folder, "policy"),
    policyText(
      keys.map(({ publicKey }) => verifierKey(origin, publicKey)),
      [],
    ),
  );
  const ask = async (said: unknown) => {
    await writeFile(join(folder, "report.json"), JSON.stringify(said));
    return verifyAlone({
      folder: join(folder, "timeline"),
      policy: join(folder, "policy"),
      report: join(folder, "report.json"),
      checkpoints: [],
      proofs: [],
    });
  };
  const made = await report();
  expect(await ask(made)).toMatchObject({ code: 0, json: { report: made.incident.reference } });

  const bent: Readonly<Record<string, (said: typeof made) => void>> = {
    "a letter more": (said) => said.letters!.inTimeline[0]!.count++,
    "a letter fewer": (said) => said.letters!.inTimeline[1]!.count--,
    "a renewal moved": (said) => (said.incident.renewalsByHour[0]!.renewed = 1),
    "another instant": (said) => (said.timeline.entries[1]!.at = toIso(start)),
    "another act": (said) => (said.timeline.entries[1]!.kind = "incident closed"),
    "another detail": (said) => (said.timeline.entries[1]!.detail["operator"] = "somebody"),
    "an act left out": (said) => said.timeline.entries.splice(1, 1),
    "an act made up": (said) => said.timeline.entries.push({ ...said.timeline.entries[0]!, leafIndex: 0 }),
    "an act made up that nobody signed yet": (said) => {
      const made = { ...said.timeline.entries[0]!, kind: "incident closed", leafIndex: null, leafHashHex: null };
      said.timeline.entries.push({ ...made, detail: {} });
      said.incident.closedAt = made.at;
      said.incident.state = "closed";
    },
    "another size": (said) => said.timeline.size--,
    // The head of the report: its sums and its course, which are read first.
    "letters handed over that were refused": (said) => {
      for (const sum of [said.letters!.sum, said.incident.letters!]) {
        sum.handedOver += sum.refused;
        sum.refused = 0;
      }
      said.letters!.handedOverByHour[0]!.count = said.letters!.sum.handedOver;
    },
    "a smaller scope": (said) => {
      for (const sum of [said.letters!.sum, said.incident.letters!]) [sum.scope, sum.noAddress] = [sum.scope - 1, 1];
    },
    "two sums of the letters": (said) => said.incident.letters!.handedOver--,
    "another letter": (said) => (said.letters!.templates[0]!.sha256Hex = "00".repeat(32)),
    "more renewed": (said) => (said.incident.renewed += 1),
    "found at another time": (said) => (said.incident.foundAt = toIso(start)),
    "copied on a day that nobody knows": (said) => (said.incident.copiedAt = toIso(start)),
    "less taken": (said) => said.incident.dataClasses.pop(),
    "keys that were out of reach": (said) => (said.incident.keysReachable = "no"),
    "contained sooner": (said) => (said.incident.containedAt = toIso(start)),
    "contained in another way": (said) => (said.incident.containment = "with-renewal"),
    "told sooner": (said) => (said.notifiedAt = toIso(start)),
    "letters finished sooner": (said) => (said.incident.lettersFinishedAt = toIso(start)),
    "a way in that nobody recorded": (said) =>
      (said.incident.wayIn = { what: "a door", closedAt: toIso(start), evidence: "none" }),
    "a review that nobody made": (said) => (said.incident.review[0]!.state = "done"),
    closed: (said) => Object.assign(said.incident, { state: "closed", closedAt: said.madeAt }),
    "entries left out that are not there": (said) => (said.timeline.entriesLeftOut = 1),
  };
  for (const [what, bend] of Object.entries(bent)) {
    const said = structuredClone(made);
    bend(said);
    expect({ what, ...(await ask(said)) }).toMatchObject({ code: 7 });
  }

  // Nor is it believed by a checkpoint that another key signed, or that ours signed over other entries.
  const body = checkpointBody(origin, made.timeline.size, Buffer.alloc(32, 7));
  const [{ publicKey }] = keys as [(typeof keys)[number]];
  const signedBy = (signature: Uint8Array) => ({
    ...made,
    timeline: { ...made.timeline, checkpoint: signedNote(body, origin, publicKey, signature) },
  });
  expect(await ask(signedBy(Buffer.alloc(64)))).toMatchObject({ code: 1 });
  expect(await ask(signedBy(await operator.sign("checkpoint", Buffer.from(body))))).toMatchObject({ code: 5 });

  // What is not signed yet may be counted, and is said to be; as soon as it is signed, the same report is still true.
  await append(db, clock.now(), { kind: "renewed", detail: { account: people[7]!.accountId } }, systemRandom);
  const ahead = await report();
  expect(ahead.timeline.unsigned).toBe(1);
  expect(await ask(ahead)).toMatchObject({ code: 0 });
  expect(await ask({ ...ahead, timeline: { ...ahead.timeline, unsigned: 0 } })).toMatchObject({ code: 7 });
  // An act that nobody has signed has to be believed, and that is said.
  const believed = structuredClone(ahead);
  const madeUp = { ...believed.timeline.entries[0]!, kind: "way in recorded", leafIndex: null, leafHashHex: null };
  believed.timeline.entries.push({ ...madeUp, detail: { what: "a door", "closed at": madeUp.at } });
  believed.incident.wayIn = { what: "a door", closedAt: madeUp.at, evidence: "" };
  const answer = await ask(believed);
  expect(answer).toMatchObject({ code: 0, json: { reportUnsigned: [{ at: madeUp.at, kind: "way in recorded" }] } });
  expect(answer.lines.join("\n")).toContain("which nothing shows: way in recorded at");
  await integrateNow();
  await publishTiles({ db, folder: join(folder, "timeline"), log: silentLog });
  expect(await ask(ahead)).toMatchObject({ code: 0, json: { reportUnsigned: [] } });
  expect(await ask(made)).toMatchObject({ code: 0 });
  await rm(folder, { recursive: true });
});

test("each letter has a receipt that stands alone; who had none, and who is deleted, has none", async () => {
  const proofNeeds = { db, keyholder: operator };
  const proofs = new Map<string, string>();
  for (const { accountId } of people.slice(3, 8)) {
    const outcome = await proveLetter(proofNeeds, incidentId, accountId);
    if (outcome.kind !== "proved") throw new Error(outcome.kind);
    const { entry } = readTlogProof(outcome.proof)!;
    const said = JSON.parse(entry.toString()) as { kind: string; incidentId: string; detail: Record<string, unknown> };
    expect(said).toMatchObject({ kind: "letter", incidentId });
    expect(said.detail["outcome"]).toBe(accountId === people[5]!.accountId ? "refused" : "handed over");
    expect(entry.toString()).not.toContain("@");
    proofs.set(accountId, outcome.proof);
  }
  // Each is of another entry.
  expect(new Set(proofs.values()).size).toBe(5);

  const folder = await mkdtemp(join(tmpdir(), "houselights-proofs-"));
  const instance = await db.one<{ id: string }>(`select id from instance`);
  const keys = await operator.publicKeys("checkpoint");
  const logs = keys.map(({ publicKey }) => verifierKey(originOf(instance!.id), publicKey));
  await writeFile(join(folder, "policy"), policyText(logs, []));
  for (const [accountId, proof] of proofs) await writeFile(join(folder, `${accountId}.tlog-proof`), proof);
  const question = { policy: join(folder, "policy"), proofs: [folder], checkpoints: [] };
  expect(await verifyAlone(question)).toMatchObject({ code: 0, json: { proofs: 5 } });

  const without = await db.one<{ id: AccountId }>(
    `select account_id as id from letter where state = 'no address' limit 1`,
  );
  expect(await proveLetter(proofNeeds, incidentId, without!.id)).toEqual({ kind: "no-letter" });
  expect(await proveLetter(proofNeeds, incidentId, newId<AccountId>(systemRandom, start))).toEqual({
    kind: "no-letter",
  });
  await rm(folder, { recursive: true });
});

test("somebody who has renewed twice is two renewals, and is not said to be two accounts", async () => {
  const made = await report();
  const accounts = await db.many(
    `select distinct convert_from(body, 'UTF8')::jsonb #>> '{detail,account}' as account
       from timeline_entry where kind = 'renewed'`,
  );
  const { renewed } = made.incident;
  expect(renewed).toBe(accounts.length + 1);
  expect(made.accountsRenewed).toBe(accounts.length);
  const html = reportHtml(made);
  const said = `That was done by ${accounts.length} accounts: some renewed more than once.`;
  expect(html).toContain(`${renewed} passwords have been renewed. ${said}`);
  expect(html).not.toContain(`${renewed} accounts`);
  // Where each did so once there is nothing to add.
  expect(reportHtml({ ...made, accountsRenewed: renewed })).not.toContain("That was done by");
});

test("a session from before that was seen, or made, after containment would show, and one proved by something newer does not", async () => {
  const servedOld = async () => (await report()).refused.servedOld;
  expect(await servedOld()).toEqual({ seenAfter: 0, madeAfter: 0 });
  const { accountId, sessions } = people[3]!;
  const id = sessions[0]!.sessionId;
  const set = (what: string) =>
    db.run(`update session s set ${what} where account_id = $1 and id = $2`, [accountId, id]);
  const raisedAt = `(select raised_at from floor where kind = s.class)`;
  for (const [column, shown] of [
    ["last_seen_at", { seenAfter: 1, madeAfter: 0 }],
    ["created_at", { seenAfter: 0, madeAfter: 1 }],
  ] as const) {
    // A request that was on its way may be noted a moment later.
    await set(`${column} = ${raisedAt} + interval '5 seconds'`);
    expect([column, await servedOld()]).toEqual([column, { seenAfter: 0, madeAfter: 0 }]);
    await set(`${column} = ${raisedAt} + interval '5.001 seconds'`);
    expect([column, await servedOld()]).toEqual([column, shown]);
    expect(reportHtml(await report())).toContain("1 session from before was served after their floor was raised.");
    await set(`epoch = epoch + 1`);
    expect([column, await servedOld()]).toEqual([column, { seenAfter: 0, madeAfter: 0 }]);
    await set(`epoch = epoch - 1, ${column} = ${raisedAt} - interval '1 hour'`);
  }
  expect(await servedOld()).toEqual({ seenAfter: 0, madeAfter: 0 });
});

test("a letter's row that was changed by hand no longer agrees with the timeline", async () => {
  expect((await report()).letters).toMatchObject({ agrees: true });
  await db.run(`update letter set state = 'handed over' where state = 'refused'`);
  expect((await report()).letters).toMatchObject({ addsUp: true, agrees: false });
  const become = (state: string) =>
    db.run(`update letter set state = $2 where account_id = $1`, [people[5]!.accountId, state]);
  // Whatever it is said to be now, the timeline has that it was refused.
  for (const [state, name] of [
    ["suppressed", "suppressed"],
    ["no address", "noAddress"],
    ["unclaimed", "waiting"],
    ["claimed", "waiting"],
    ["deferred", "waiting"],
  ] as const) {
    await become(state);
    const { letters } = await report();
    const counted = name === "noAddress" ? 3 : 1;
    expect(letters).toMatchObject({ sum: { refused: 0, [name]: counted }, addsUp: true, agrees: false });
  }
  await become("refused");
  await db.run(`update letter set possibly_twice = true where account_id = $1`, [people[5]!.accountId]);
  expect((await report()).letters?.sum.possiblyTwice).toBe(1);
  expect(reportHtml(await report())).toContain("1 letter may have gone twice");
  await db.run(`update letter set possibly_twice = false`);
  await db.run(`delete from letter where account_id = $1`, [people[6]!.accountId]);
  expect((await report()).letters).toMatchObject({ addsUp: false, agrees: false });
  await db.run(`insert into letter (account_id, incident_id, state, settled_at) values ($1, $2, 'handed over', $3)`, [
    people[6]!.accountId,
    incidentId,
    new Date(clock.now()),
  ]);
  expect((await report()).letters).toMatchObject({ addsUp: true, agrees: true });
});

test("the page is one file: no script, nothing fetched, everything escaped", async () => {
  const html = reportHtml(await report());
  // To be looked at: SHOTS=folder, as for the pages.
  const shots = process.env["SHOTS"];
  if (shots !== undefined) await writeFile(join(shots, "report.html"), html);
  expect(html).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;");
  expect(html).not.toMatch(/<script/i);
  expect(html).not.toMatch(/\b(?:src|href|action|data)=|url\(|@import/i);
  expect(html.match(/<svg /g)).toHaveLength(2);
  expect(html).not.toContain("@example.org");
  for (const heading of ["Notice of Data Breach", "What Happened", "What You Can Do", "GDPR article 34"]) {
    expect(html).toContain(heading);
  }
  expect(html).toContain("Cal. Civ. Code 1798.82(a)");
  expect(html).toContain("No witness elsewhere has cosigned it");
  const reason = (await report()).incident.reason;
  expect(reason).toContain(hostile);
});

test("drafts for authorities have the law's parts, also before anybody was written to", async () => {
  const [authority, people_, california, general] = (await report()).drafts.map(({ text }) => text);
  const { foundAt } = (await report()).incident;
  const found = `${foundAt.slice(0, 16).replace("T", " ")} UTC`;
  // GDPR article 33(1) and (3).
  expect(authority).toContain(`We became aware on ${found}`);
  expect(authority).toContain("reasons for the delay");
  for (const part of ["(a) Nature", "(b) Contact", "(c) Likely consequences", "(d) Measures"])
    expect(authority).toContain(part);
  expect(authority).toContain("Approximate number of people and of records: 20.");
  // Article 34(2), Civ. Code 1798.82(d)(1) and (2).
  expect(people_).toContain("What you can do");
  const headings = [
    "What Happened",
    "What Information Was Involved",
    "What We Are Doing",
    "What You Can Do",
    "For More Information",
  ];
  const at = ["Notice of Data Breach", "Date of this notice: 20", ...headings].map((heading) =>
    california!.indexOf(heading),
  );
  expect(at).not.toContain(-1);
  expect(at).toEqual(at.toSorted((one, other) => one - other));
  expect(california).toContain(`On ${found} we found`);
  expect(general).toMatch(/sent from 20\d\d-\d\d-\d\d \d\d:\d\d UTC/);

  // The 72 hours may be over before a campaign has begun: the number is that of the accounts then.
  await db.run(`update incident set notified_at = null where id = $1`, [incidentId]);
  const early = await report();
  await db.run(`update incident set notified_at = $2 where id = $1`, [incidentId, new Date(Date.parse(foundAt))]);
  expect(early.letters).toBeNull();
  expect(early.drafts[0]!.text).toContain("Approximate number of people and of records: 20.");
  expect(early.drafts[2]!.text).toContain("Date of this notice: [the day it is sent]");
});

test("what is wrong, or not there, is said at the head of the page and where it belongs", async () => {
  const made = await report();
  const { incident, letters, timeline } = made;
  const bad = (html: string) => [...html.matchAll(/class="bad">([^<]*)</g)].map(([, said]) => said);
  const usual = bad(reportHtml({ ...made, incident: { ...incident, review: [] } }));
  expect(usual).toEqual(["No witness elsewhere has cosigned it:"]);
  const told = reportHtml({
    ...made,
    incident: {
      ...incident,
      wayIn: null,
      copiedSinceContained: true,
      deadlines: incident.deadlines.map((one) => ({ ...one, state: "missed" })).slice(0, 1),
      review: incident.review.map((one) => ({ ...one, state: "todo" as const })).slice(0, 1),
      signals: [{ receiver: "music.example", accounts: 20, made: 40, taken: 31, refused: 4, dropped: 3, waiting: 2 }],
    },
    letters: { ...letters!, addsUp: false, agrees: false },
    timeline: { ...timeline, verdict: "broken", witness: "not reached", entriesLeftOut: 2, unsigned: 1 },
  } as Report);
  expect(bad(told)).toEqual([
    "The outcomes do not add up to the scope.",
    "The timeline is not what was signed.",
    "Nothing of what was copied: the copy was taken after the last containment.",
    "The outcomes do not add up to the scope.",
    "The two do not agree.",
    "missed",
    "How the intruder got in is not recorded.",
    "to do",
    "Broken.",
    "not reached",
    "No witness elsewhere has cosigned it:",
  ]);
  expect(told).toContain("2 further entries are left out.");
  expect(told).toContain("1 newer entry was not signed yet when it was made.");
  const row = [20, 40, 31, 4, 3, 2].map((count) => `<td class="n">${count}</td>`).join("");
  expect(told).toContain(`<th scope="row">music.example</th>${row}`);

  const nothing = reportHtml({
    ...made,
    incident: { ...incident, containment: null, containedAt: null, wayIn: null },
    letters: null,
  });
  expect(bad(nothing).slice(0, 2)).toEqual(["The theft is not contained.", "Nothing yet."]);
  expect(nothing).toContain("Nobody has been told by letter yet.");
  const sooner = { ...incident, foundAt: toIso(plus(parseInstant(incident.containedAt!), 3 * hourMs)) };
  expect(reportHtml({ ...made, incident: sooner })).toContain("3 hours before it was found");
});

test("a chart has its empty hours, and days where hours would be too many", async () => {
  const made = await report();
  const drawn = (...counts: readonly (readonly [hour: string, count: number])[]) => {
    const handedOverByHour = counts.map(([hour, count]) => ({ hour: `2026-11-${hour}:00:00.000Z`, count }));
    const incident = { ...made.incident, renewalsByHour: [] };
    const html = reportHtml({ ...made, incident, letters: { ...made.letters!, handedOverByHour } });
    const bars = [
      ...html.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="[\d.]+" height="([\d.]+)"[^>]*><title>([^<]*)</g),
    ];
    return {
      says: /<figcaption>([^<]*)</.exec(html)?.[1],
      bars: bars.map(([, left, height, says]) => [Number(left), Number(height), says]),
    };
  };
  expect(drawn()).toEqual({ says: undefined, bars: [] });
  expect(drawn(["22T20", 1_200])).toEqual({
    says: "Letters handed over: 1,200, all in one hour, 2026-11-22 20 h.",
    bars: [[48, 120, "2026-11-22 20 h: 1,200"]],
  });
  expect(drawn(["22T20", 2], ["22T23", 3])).toEqual({
    says: "Letters handed over: 5 from 2026-11-22 20 h to 2026-11-22 23 h, at most 3 in one hour.",
    bars: [
      [48, 80, "2026-11-22 20 h: 2"],
      [492, 120, "2026-11-22 23 h: 3"],
    ],
  });
  expect(drawn(["01T05", 1], ["15T04", 1]).says).toContain("at most 1 in one hour");
  // A day is one of the calendar, and not the next 24 hours.
  expect(drawn(["01T05", 1], ["01T21", 2], ["02T04", 1], ["15T05", 6])).toEqual({
    says: "Letters handed over: 10 from 2026-11-01 to 2026-11-15, at most 6 in one day.",
    bars: [
      [48, 60, "2026-11-01: 3"],
      [87.5, 20, "2026-11-02: 1"],
      [600.5, 120, "2026-11-15: 6"],
    ],
  });
});

test("drafts say how it was contained, since when the copy is, and which way in is closed", async () => {
  const { incident, notifiedAt } = await report();
  const since = "2026-11-22T20:41:07.312Z";
  type Facts = Parameters<typeof draftsOf>[0];
  const facts: Facts = { ...incident, notifiedAt, inScope: 1_234, containmentAt: since };
  const said = (more: Partial<Facts>) =>
    draftsOf({ ...facts, ...more })
      .map(({ text }) => text)
      .join("\n");
  const at = "Since 2026-11-22 20:41 UTC";
  for (const [more, sentence] of [
    [{ containment: null }, "[not contained yet]"],
    [{ containmentAt: null }, "[not contained yet]"],
    [{ containment: "everyone-out" }, `${at} every password from before is refused, and so is what it had opened.`],
    [
      { containment: "everyone-out", keptTools: true },
      "what it had opened, but for scripts and other tools of the people's own.",
    ],
    [
      { containment: "with-renewal" },
      `${at} every password from before is refused; what it had opened ends when its account sets a new one.`,
    ],
    [{ containment: "account" }, `${at} the passwords of the accounts concerned are refused`],
    [{ copiedAt: null, copiedAfter: null }, "was taken (when is not known)"],
    [{ copiedAt: null, copiedAfter: since }, "was taken (2026-11-22 20:41 UTC or later)"],
    [{ copiedAt: since, copiedAfter: "2026-01-01T00:00:00.000Z" }, "was taken (2026-11-22 20:41 UTC)"],
    [{ wayIn: null }, "[way in: not recorded yet]"],
    [{ wayIn: { what: "a key", closedAt: since } }, "The way in (a key) is closed since 2026-11-22 20:41 UTC."],
    [{ notifiedAt: null }, "[people not told yet]"],
    [{ notifiedAt: since }, "The people concerned are being told since 2026-11-22 20:41 UTC."],
    [{}, "Approximate number of people and of records: 1,234."],
  ] as const) {
    expect(said(more)).toContain(sentence);
  }
});

test("refusals are those since the hour of the containment, by kind and by hour", async () => {
  const made = await report();
  expect(made.refused).toMatchObject({ byKind: [], byHour: [] });
  expect(reportHtml(made)).toContain("None was made.");
  const containedAt = parseInstant(made.incident.containedAt!);
  const hour = plus(containedAt, -(containedAt % hourMs));
  const refuse = (kind: string, at: EpochMs, refused: number) =>
    db.run(`insert into refusal_count (kind, hour, node, refused) values ($1, $2, gen_random_uuid(), $3)`, [
      kind,
      toDate(at),
      refused,
    ]);
  await refuse("browser", plus(hour, -hourMs), 7);
  await refuse("browser", hour, 2);
  await refuse("tv", hour, 3);
  await refuse("tv", plus(hour, 2 * hourMs), 4);
  const { refused } = await report();
  expect(refused.byKind).toEqual([
    { kind: "browser", count: 2 },
    { kind: "tv", count: 7 },
  ]);
  expect(refused.byHour).toEqual([
    { hour: toIso(hour), count: 5 },
    { hour: toIso(plus(hour, 2 * hourMs)), count: 4 },
  ]);
  expect(reportHtml(await report())).toContain("Requests refused: 9 from");
  await db.run(`delete from refusal_count`);
});

test("uses of keys are those since the copy, or in the 90 days before it was found, until the case is closed", async () => {
  const before = await report();
  expect(before.keyUse).toBeNull();
  expect(reportHtml(before)).toContain("They have not been compared yet.");
  const foundAt = parseInstant(before.incident.foundAt);
  const hourOf = (at: EpochMs): Date => toDate(plus(at, -(at % hourMs)));
  const used = (at: EpochMs, served: number) =>
    db.run(`insert into key_use (purpose, hour, served) values ('open', $1, $2)`, [hourOf(at), served]);
  await db.run(`insert into key_ledger (ledger, totals, compared_at) values ('', '{}', $1)`, [toDate(clock.now())]);
  await used(plus(foundAt, -90 * dayMs - hourMs), 100);
  await used(plus(foundAt, -90 * dayMs), 50);
  await used(plus(foundAt, -dayMs), 5);
  await used(plus(foundAt, 2 * hourMs), 2);
  await db.run(
    `insert into key_surplus (caller, role, purpose, surplus, first_at, last_at) values ($1, 'web', 'open', 3, $2, $2)`,
    [Buffer.alloc(16), toDate(foundAt)],
  );
  const use = async () => (await report()).keyUse?.purposes;
  expect(await use()).toEqual([{ purpose: "open", announced: 54, served: 57, surplus: 3 }]);
  expect(reportHtml(await report())).toContain("3 uses of keys had been announced by nobody.");
  const set = (what: string, at: EpochMs | null) =>
    db.run(`update incident set ${what} where id = $1`, [incidentId, ...(at === null ? [] : [toDate(at)])]);
  await set(`copied_at = $2`, plus(foundAt, -2 * dayMs));
  expect(await use()).toEqual([{ purpose: "open", announced: 4, served: 7, surplus: 3 }]);
  await set(`closed_at = $2`, plus(foundAt, hourMs));
  expect(await use()).toEqual([{ purpose: "open", announced: 2, served: 5, surplus: 3 }]);
  await set(`closed_at = null, copied_at = null`, null);
  await db.run(`truncate key_use, key_surplus, key_ledger`);
});

test("a report is made without a keyholder that does not answer, and says so; and by no other fault", async () => {
  const without = (code: "KEYHOLDER_UNAVAILABLE" | "DATABASE_UNKNOWN") => {
    const read = () => Promise.reject(new Fault(code, "it does not answer"));
    const reading = { publicKeys: operator.publicKeys.bind(operator), witness: { read } };
    return reportIncident({ ...reportNeeds(), keyholder: reading }, incidentId);
  };
  expect((await report()).timeline.witness).toBe("compared");
  expect((await without("KEYHOLDER_UNAVAILABLE"))?.timeline).toMatchObject({
    verdict: "intact",
    witness: "not reached",
  });
  await expect(without("DATABASE_UNKNOWN")).rejects.toMatchObject({ code: "DATABASE_UNKNOWN" });
});

test("the report of a case that was only opened is made too, and says what is missing", async () => {
  const html = reportHtml({ ...(await report()), letters: null, notifiedAt: null });
  expect(html).toContain("No campaign has been started.");
  const closed = await closeIncident(needs, incidentId, {}, "operator");
  expect(closed.kind).toBe("missing");
});

test.each([
  ["to other words", "e", "E"],
  ["to what is no JSON", "{", "("],
])("an entry that was rewritten %s shows, from that entry on", async (_how, from, to) => {
  expect((await report()).timeline.verdict).toBe("intact");
  const kept = await db.one<{ body: Buffer; at: Date }>(`select body, at from timeline_entry where leaf_index = 1`);
  await db.run(`alter table timeline_entry disable trigger user`);
  await db.run(
    `update timeline_entry set body = convert_to(replace(convert_from(body, 'UTF8'), $1, $2), 'UTF8') where leaf_index = 1`,
    [from, to],
  );
  const broken = await report().catch((thrown: unknown) => thrown);
  await db.run(`update timeline_entry set body = $1 where leaf_index = 1`, [kept!.body]);
  await db.run(`alter table timeline_entry enable trigger user`);
  expect(broken).toMatchObject({ timeline: { verdict: "broken" } });
  expect((await report()).timeline.verdict).toBe("intact");
});

test("on a telephone the report is no wider than the screen, and what explains a thing has room for words", async () => {
  const chrome = await launchChromium();
  const page = await chrome.newPage({ viewport: { width: 390, height: 844 } });
  await page.setContent(reportHtml(await report()));
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  const narrowest = (cells: string) =>
    page.evaluate(
      `Math.min(...[...document.querySelectorAll(${JSON.stringify(cells)})].map((cell) => cell.offsetWidth))`,
    );
  for (const cells of ["table.timeline td:nth-child(3)", "table.copy td:nth-child(3)"]) {
    expect(await narrowest(cells), cells).toBeGreaterThan(150);
  }
  await chrome.close();
}, 30_000);

test("deadlines count from the finding, and are met by letters that had their outcome in time", () => {
  const found = 1_700_000_000_000 as EpochMs;
  const at = (ms: number): Date => new Date(found + ms);
  const stateOf = (rule: string, finishedAt: Date | null, now: number) =>
    deadlinesOf(
      { foundAt: at(0), notifiedAt: finishedAt === null ? null : at(hourMs), finishedAt },
      plus(found, now),
      deadlineRules,
    ).find((one) => one.rule === rule);
  expect(stateOf("gdpr-33", null, 0)).toMatchObject({ dueAt: toIso(plus(found, 72 * hourMs)), state: "running" });
  expect(stateOf("gdpr-33", null, 73 * hourMs)).toMatchObject({ state: "past" });
  expect(stateOf("ca-people", null, 30 * dayMs)).toMatchObject({
    dueAt: toIso(plus(found, 30 * dayMs)),
    state: "running",
  });
  expect(stateOf("ca-people", null, 30 * dayMs + 1)).toMatchObject({ state: "missed" });
  expect(stateOf("ca-people", at(30 * dayMs), 40 * dayMs)).toMatchObject({ state: "met" });
  expect(stateOf("ca-people", at(30 * dayMs + secondMs), 40 * dayMs)).toMatchObject({ state: "missed" });
  expect(stateOf("ca-ag", null, 0)).toBeUndefined();
  // A law that sets no time: no hour is made up, and nothing is called met.
  expect(stateOf("gdpr-34", null, 400 * dayMs)).toMatchObject({ dueAt: null, state: "running" });
  expect(stateOf("gdpr-34", at(30 * dayMs), 40 * dayMs)).toMatchObject({ dueAt: null, state: "told" });
  expect(stateOf("ca-ag", at(2 * hourMs), dayMs)).toMatchObject({ dueAt: toIso(plus(found, hourMs + 15 * dayMs)) });
});

test("of very many acts the report has a thousand, those that nobody signed yet among them, and says how many it leaves out", async () => {
  const before = (await report()).timeline.entries.length;
  const acts = (count: number) =>
    Array.from(
      { length: count },
      () => ({ kind: "review recorded", incidentId, detail: { item: "lessons" } }) as const,
    );
  await db.transaction((tx) => appendAll(tx, clock.now(), acts(1_000), systemRandom));
  while ((await report()).timeline.unsigned > 0) await integrateNow();
  clock.advance(minuteMs);
  await db.transaction((tx) => appendAll(tx, clock.now(), acts(2), systemRandom));
  const { entries, entriesLeftOut, unsigned } = (await report()).timeline;
  expect([entries.length, entriesLeftOut, unsigned]).toEqual([1_000, before + 2, 2]);
  expect(entries.filter(({ leafIndex }) => leafIndex === null)).toHaveLength(2);
  // The oldest first, and what is left out is the newest of what was signed.
  expect(entries.slice(-2).map(({ at, leafIndex }) => [at, leafIndex])).toEqual(
    Array(2).fill([toIso(clock.now()), null]),
  );
  expect(entries.map(({ kind }) => kind)).toContain("incident opened");
  // What has its place and no signature yet is not signed either, and is not left out.
  await integrateNow();
  const newest = `select size, note from timeline_checkpoint order by size desc limit 1`;
  const { size, note } = (await db.one<{ size: number; note: string }>(newest))!;
  await db.run(`alter table timeline_checkpoint disable trigger user`);
  await db.run(`update timeline_checkpoint set note = null where size = $1`, [size]);
  const placed = (await report()).timeline;
  await db.run(`update timeline_checkpoint set note = $2 where size = $1`, [size, note]);
  await db.run(`alter table timeline_checkpoint enable trigger user`);
  expect([placed.unsigned, placed.entries.length, placed.entries.at(-1)?.leafIndex]).toEqual([2, 1_000, size - 1]);
});

test("who asks while a report is being made gets that one; who asks afterwards gets a new one", async () => {
  const makeReport = sharedReport({ ...reportNeeds(), monotonicMs: () => 0 });
  const costOf = async (asked: number) => {
    const before = db.statements();
    const reports = await Promise.all(Array.from({ length: asked }, () => makeReport(incidentId)));
    for (const one of reports) expect(one).toEqual(reports[0]);
    expect(reports[0]?.timeline.verdict).toBe("intact");
    return { statements: db.statements() - before, madeAt: reports[0]?.madeAt };
  };
  const alone = await costOf(1);
  expect(alone.statements).toBeGreaterThan(10);
  expect((await costOf(5)).statements).toBe(alone.statements);
  clock.advance(minuteMs);
  expect((await costOf(1)).madeAt).not.toBe(alone.madeAt);
  expect(await makeReport(newId<IncidentId>(systemRandom, clock.now()))).toBeUndefined();
});
