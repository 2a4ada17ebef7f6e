import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { deliveryReport } from "../../test/delivery-reports.ts";
import { containedCase } from "../../test/contained-case.ts";
import { besideOpenTransaction } from "../../test/open-transaction.ts";
import { populate, type PersonInPopulation } from "../../test/population.ts";
import { startTestRelay, type TestRelay } from "../../test/smtp-server.ts";
import { idBytes, type AccountId, type Epoch, type IncidentId } from "../kernel/brand.ts";
import { dayMs, hourMs, manualClock, plus, secondMs, sleep, systemClock, toIso } from "../kernel/clock.ts";
import type { Fault } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import { newId, systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { testDatabase } from "../db/test-database.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { countJobs } from "../jobs/queue.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { addAddress, addressPlace, readDataKey, setFirstAddress } from "../accounts/accounts.ts";
import { doubtAddedSince } from "../credentials/added-since.ts";
import type { MailTransport } from "../mail/mail.ts";
import { openSmtp } from "../mail/smtp.ts";
import { readReturnToken, tokenIn } from "../mail/return-token.ts";
import { readTimeline } from "../timeline/read.ts";
import { listenForBounces, type BounceListener } from "./bounce-listener.ts";
import { recordBounce } from "./bounces.ts";
import { startCampaign, walkers } from "./campaign.ts";
import { bouncesTask } from "./campaign-tasks.ts";
import { closeIncident, recordReview, recordWayIn } from "./close.ts";
import { deadlineRules } from "./deadlines.ts";
import { finish } from "./finish.ts";
import { addsUp, letterSum } from "./letter-sum.ts";
import { reportIncident } from "./report.ts";
import { reviewItems } from "./review.ts";
import { incidentStatus } from "./status.ts";
import { walk } from "./walk.ts";

let keyholder: TestKeyholder;
let web: KeyholderClient;
let mailer: KeyholderClient;
let relay: TestRelay;
let transport: MailTransport;
let listener: BounceListener;
const db = await testDatabase();
const clock = manualClock(systemClock.now());
const bounceAddress = "bounces@films.example";
const service = { name: "House of Films", origin: "https://films.example", contact: null };
const needs = { db, clock, random: systemRandom, service, log: silentLog };

beforeAll(async () => {
  keyholder = await testKeyholder();
  [web, mailer] = await Promise.all([keyholder.connect("web"), keyholder.connect("mailer")]);
  listener = listenForBounces({
    bounces: { ...needs, keyholder: mailer },
    log: silentLog,
    address: bounceAddress,
    listen: { protocol: "lmtp", host: "127.0.0.1", port: 0 },
  });
  while (listener.port() === undefined) await sleep(10);
});
afterAll(async () => {
  await listener.close();
  await keyholder.stop();
});
beforeEach(async () => {
  relay = await startTestRelay();
  transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "no-reply@films.example",
    log: silentLog,
    clock: systemClock,
  });
  await db.run(
    `truncate letter, address_bounce, notice, campaign, incident_review, incident, account_address, address, password, account cascade`,
  );
  await db.run(`delete from graphile_worker._private_jobs`);
  return async () => {
    await transport.close();
    await relay.stop();
  };
});

/** A campaign of a contained case, walked until nothing waits. */
async function campaign(): Promise<IncidentId> {
  const incidentId = await containedCase(needs);
  await startCampaign({ ...needs, keyholder: web }, incidentId, "operator");
  await walkAll(incidentId);
  return incidentId;
}

async function walkAll(incidentId: IncidentId): Promise<void> {
  const neverMailed = async () => new Set<string>();
  for (;;) {
    const walked = await walk({ ...needs, keyholder: mailer, transport, neverMailed, bounceAddress }, incidentId);
    if (walked.kind === "finished") return;
    clock.advance(hourMs);
  }
}

const people = (accounts: number, more = {}): Promise<PersonInPopulation[]> =>
  populate(db, web, { accounts, at: plus(clock.now(), -dayMs), ...more });

/** @returns its id. */
async function secondAddress(accountId: AccountId, address: string): Promise<string> {
  const dataKey = await readDataKey(db, accountId);
  const sealed = await web.seal(dataKey!, addressPlace(accountId), address);
  const addressIndex = await web.index("address", address);
  const addressId = newId(systemRandom, clock.now());
  await db.transaction((tx) =>
    addAddress(tx, { accountId, addressId, addressIndex, sealed, epoch: 1 as never, now: clock.now() }),
  );
  return addressId;
}

async function sum(incidentId: IncidentId) {
  const found = await letterSum(db, incidentId);
  expect(found).toSatisfy(addsUp);
  return found!;
}

const bounce = (token: string, status = "5.1.1") => recordBounce({ ...needs, keyholder: mailer }, token, status);
const pathOf = (to: string): string => relay.letters.findLast((letter) => letter.to === to)!.from;
const tokenOf = (to: string): string => tokenIn(pathOf(to), bounceAddress)!;

/** One conversation with the listener. @returns the code that answers each line. */
async function converse(lines: readonly string[]): Promise<string[]> {
  const socket = connect(listener.port()!, "127.0.0.1");
  socket.setEncoding("utf8");
  const answers: string[] = [];
  let buffered = "";
  const answer = async (): Promise<string> => {
    for (;;) {
      const end = /^(?:\d{3}-[^\r\n]*\r\n)*(\d{3} [^\r\n]*)\r\n/.exec(buffered);
      if (end !== null) {
        buffered = buffered.slice(end[0].length);
        return end[1]!;
      }
      const [chunk] = (await once(socket, "data")) as [string];
      buffered += chunk;
    }
  };
  await answer();
  for (const line of lines) {
    socket.write(`${line}\r\n`);
    answers.push(await answer());
  }
  socket.destroy();
  return answers;
}

const handOver = async (recipient: string, report: string, sender = "") =>
  (await converse(["LHLO mx.example", `MAIL FROM:<${sender}>`, `RCPT TO:<${recipient}>`, "DATA", `${report}\r\n.`])).at(
    -1,
  )!;

test("each letter has a Return-Path of its own, which names nobody, and a report to it counts in the sum", async () => {
  const everybody = await people(6);
  const incidentId = await campaign();
  const paths = relay.letters.map(({ from }) => from);
  expect(new Set(paths).size).toBe(6);
  for (const path of paths) expect(path).toMatch(/^bounces\+[a-z2-7]{45}@films\.example$/);
  expect(await sum(incidentId)).toMatchObject({ handedOver: 6, bounced: 0 });

  const lost = everybody[2]!;
  expect(await handOver(pathOf(lost.address), deliveryReport({ status: "5.1.1" }))).toBe("250 2.0.0 bounced");
  expect(await sum(incidentId)).toMatchObject({ scope: 6, handedOver: 5, bounced: 1, waiting: 0 });
  // Twice is once.
  expect(await handOver(pathOf(lost.address), deliveryReport({ status: "5.1.1" }))).toBe("250 2.0.0 not waited for");
  expect(await sum(incidentId)).toMatchObject({ handedOver: 5, bounced: 1 });
  const entries = await readTimeline(db, { incidentId, kinds: ["bounce"], limit: 10 });
  expect(entries.map(({ detail }) => detail)).toMatchObject([{ status: "5.1.1", outcome: "bounced" }]);
  const letters = await readTimeline(db, { incidentId, kinds: ["letter"], limit: 10 });
  expect(letters.map(({ detail }) => detail["address"])).toContain(entries[0]!.detail["address"]);
  expect(JSON.stringify(entries)).not.toContain("@");
});

test("a report that is forged, for another letter, too large or none is refused with its reason, and counts nothing", async () => {
  const [one, other] = await people(2);
  const incidentId = await campaign();
  const right = pathOf(one!.address);
  const flip = (text: string, at: number) => text.slice(0, at) + (text[at] === "a" ? "b" : "a") + text.slice(at + 1);
  const forged = [
    // A bit of the MAC, a bit of the account, one letter's MAC with another's account.
    flip(right, "bounces+".length + 3),
    flip(right, "bounces+".length + 30),
    `${right.slice(0, 8 + 20)}${pathOf(other!.address).slice(8 + 20)}`,
    `bounces+${"a".repeat(45)}@films.example`,
    "bounces+@films.example",
    "bounces@films.example",
    "postmaster@films.example",
  ];
  for (const recipient of forged) {
    const answers = await converse(["LHLO mx.example", "MAIL FROM:<>", `RCPT TO:<${recipient}>`]);
    expect(answers.at(-1), recipient).toMatch(/^(550 5\.1\.1|501)/);
  }
  expect((await converse(["LHLO mx.example", "MAIL FROM:<me@evil.example>"])).at(-1)).toMatch(/^550 5\.7\.1/);
  expect(await handOver(right, "Subject: I am on holiday\r\n\r\nback on Monday")).toMatch(
    /^554 5\.6\.0 this is no delivery/,
  );
  expect(await handOver(right, `Subject: big\r\n\r\n${"all work and no play\r\n".repeat(20_000)}`)).toMatch(
    /^552 5\.3\.4/,
  );
  expect(await handOver(right, deliveryReport({ status: "5.1.1", parts: 40 }))).toMatch(/^554 5\.6\.0/);
  const two = await converse([
    "LHLO mx.example",
    "MAIL FROM:<>",
    `RCPT TO:<${right}>`,
    `RCPT TO:<${pathOf(other!.address)}>`,
  ]);
  expect(two.at(-1)).toMatch(/^452 4\.5\.3/);
  expect(await sum(incidentId)).toMatchObject({ handedOver: 2, bounced: 0 });
  // The same address and a true report count.
  expect(await handOver(right, deliveryReport({ status: "5.1.1" }))).toMatch(/^250/);
  expect(await sum(incidentId)).toMatchObject({ handedOver: 1, bounced: 1 });
});

test.each([{ tries: 1 }, { tries: 2 }])(
  "a report that overtakes the record of its letter's hand-over at try $tries is asked to come again, and then counts",
  async ({ tries }) => {
    const [one] = await people(1);
    const incidentId = await containedCase(needs);
    await startCampaign({ ...needs, keyholder: web }, incidentId, "operator");
    const later = { at: "rcpt", code: 451, text: "4.7.1 later" } as const;
    relay.script(one!.address, ...Array.from({ length: tries - 1 }, () => later), "accept");
    const early: string[] = [];
    // Between the relay's answer and the record of it.
    const overtaken: MailTransport = {
      ...transport,
      send: async (letter) => {
        const sent = await transport.send(letter);
        if (sent.kind === "handed over") {
          early.push(await handOver(pathOf(letter.to), deliveryReport({ status: "5.1.1" })));
        }
        return sent;
      },
    };
    const neverMailed = async () => new Set<string>();
    for (let tried = 0; tried < tries; tried++) {
      await walk({ ...needs, keyholder: mailer, transport: overtaken, neverMailed, bounceAddress }, incidentId);
      clock.advance(hourMs);
    }
    expect(early).toEqual(["451 4.3.0 not now; come again"]);
    expect(await sum(incidentId)).toMatchObject({ handedOver: 1, bounced: 0 });
    expect(await handOver(pathOf(one!.address), deliveryReport({ status: "5.1.1" }))).toBe("250 2.0.0 bounced");
    expect(await sum(incidentId)).toMatchObject({ handedOver: 0, bounced: 1 });
  },
);

test("a relay's report that overtakes the record of one letter counts for the others, and is tried again for that one", async () => {
  const [early, other] = await people(2);
  const incidentId = await containedCase(needs);
  await startCampaign({ ...needs, keyholder: web }, incidentId, "operator");
  const task = bouncesTask({ ...needs, keyholder: mailer });
  const context = { log: silentLog, signal: new AbortController().signal, attempt: 1, maxAttempts: 25, jobId: "1" };
  const report = () =>
    task.run({ bounces: [early, other].map((one) => ({ token: tokenOf(one!.address), status: "5.1.1" })) }, context);
  const outcomes: unknown[] = [];
  const overtaken: MailTransport = {
    ...transport,
    send: async (letter) => {
      const sent = await transport.send(letter);
      if (letter.to !== early!.address) return sent;
      // The other letter's record first.
      while ((await sum(incidentId)).handedOver === 0) await sleep(20);
      await report().catch((thrown: unknown) => outcomes.push((thrown as Fault).code));
      outcomes.push(await sum(incidentId));
      return sent;
    },
  };
  const neverMailed = async () => new Set<string>();
  await walk({ ...needs, keyholder: mailer, transport: overtaken, neverMailed, bounceAddress }, incidentId);
  expect(outcomes).toEqual(["BUSY", expect.objectContaining({ bounced: 1, handedOver: 0, waiting: 1 })]);
  expect(await sum(incidentId)).toMatchObject({ handedOver: 1, bounced: 1 });
  await report();
  expect(await sum(incidentId)).toMatchObject({ handedOver: 0, bounced: 2 });
});

/** A token's bytes as text: base32 in lower case (RFC 4648 section 6). */
function spelled(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const fives = bits.match(/.{1,5}/g) ?? [];
  return fives.map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five.padEnd(5, "0"), 2)]).join("");
}

test("who knows two account ids cannot turn the Return-Path of one's letter into that of the other's", async () => {
  const [own, victim] = await people(2);
  const incidentId = await campaign();
  const { mac, sealed } = readReturnToken(tokenOf(own!.address))!;
  expect(spelled(Buffer.concat([mac, sealed]))).toBe(tokenOf(own!.address));
  // The counter mode of a cipher lets what is sealed be changed bit by bit: it opens as the victim's account, and the MAC is
  // what keeps it from counting.
  const ownId = idBytes(own!.accountId);
  const victimId = idBytes(victim!.accountId);
  const turned = Buffer.from(sealed.map((byte, at) => byte ^ ownId[at]! ^ victimId[at]!));
  expect(await bounce(spelled(Buffer.concat([mac, turned])))).toBe("not ours");
  expect(await sum(incidentId)).toMatchObject({ handedOver: 2, bounced: 0 });
  expect(await bounce(tokenOf(victim!.address))).toBe("bounced");
});

test("only a permanent failure counts, and only for fourteen days", async () => {
  const [one, two] = await people(2);
  const incidentId = await campaign();
  expect(await handOver(pathOf(one!.address), deliveryReport({ action: "delayed", status: "4.4.1" }))).toContain(
    "not permanent",
  );
  expect(await bounce(tokenOf(one!.address), "4.4.7")).toBe("not permanent");
  expect(await sum(incidentId)).toMatchObject({ handedOver: 2 });
  clock.advance(14 * dayMs - 1_000);
  expect(await bounce(tokenOf(one!.address))).toBe("bounced");
  clock.advance(1_000);
  expect(await bounce(tokenOf(two!.address))).toBe("too late");
  expect(await sum(incidentId)).toMatchObject({ handedOver: 1, bounced: 1 });
});

test("a bounce leads to the account's next address, once each, and the account is counted once", async () => {
  const [one] = await people(3);
  await secondAddress(one!.accountId, "second@example.net");
  const incidentId = await campaign();
  expect(relay.letters.map(({ to }) => to)).not.toContain("second@example.net");
  const first = tokenOf(one!.address);
  const before = await db.one<{ state: string; finished: boolean }>(
    `select state, letters_finished_at is not null as finished from incident where id = $1`,
    [incidentId],
  );
  expect(before).toEqual({ state: "readmitting", finished: true });

  await db.run(`delete from graphile_worker._private_jobs`);
  // Reports of one letter that come at one moment are one, and somebody walks again.
  const reports = await Promise.all([1, 2, 3].map(() => bounce(first)));
  expect(reports.toSorted()).toEqual(["not waited for", "not waited for", "second address"]);
  expect(await countJobs(db)).toEqual([expect.objectContaining({ task: "campaign", waiting: walkers })]);
  expect(await sum(incidentId)).toMatchObject({ scope: 3, handedOver: 2, waiting: 1, bounced: 0 });
  expect(await db.one(`select state, letters_finished_at from incident where id = $1`, [incidentId])).toEqual({
    state: "notifying",
    letters_finished_at: null,
  });
  // What the relay called the first letter, and said of it, is not said of the next.
  const row = `select state, reply, queue_id as "queueId", settled_at as "settledAt" from letter where account_id = $1`;
  expect(await db.one(row, [one!.accountId])).toEqual({
    state: "deferred",
    reply: "bounced: 5.1.1",
    queueId: null,
    settledAt: null,
  });
  // While it waits, a second report of the first letter changes nothing.
  expect(await bounce(first)).toBe("not waited for");
  await walkAll(incidentId);
  expect(relay.letters.filter(({ to }) => to === "second@example.net")).toHaveLength(1);
  expect(relay.letters.filter(({ to }) => to === one!.address)).toHaveLength(1);
  expect(await sum(incidentId)).toMatchObject({ scope: 3, handedOver: 3, bounced: 0, waiting: 0 });

  // The two letters have different Return-Paths, and the first one's is over.
  const second = tokenOf("second@example.net");
  expect(second).not.toBe(first);
  expect(await bounce(first)).toBe("not waited for");
  expect(await sum(incidentId)).toMatchObject({ handedOver: 3 });
  expect(await bounce(second)).toBe("bounced");
  expect(await sum(incidentId)).toMatchObject({ scope: 3, handedOver: 2, bounced: 1, waiting: 0 });
});

test("a second address gets the relay's patience from its own beginning", async () => {
  const [person] = await people(1);
  await secondAddress(person!.accountId, "second@example.net");
  const later = { at: "rcpt", code: 451, text: "4.7.1 later" } as const;
  // Eight tries, as many as a letter has at least.
  relay.script(person!.address, ...Array.from({ length: 8 }, () => later), "accept");
  const incidentId = await campaign();
  const first = tokenOf(person!.address);
  clock.advance(6 * dayMs);
  relay.script("second@example.net", later, "accept");
  expect(await bounce(first)).toBe("second address");
  await walkAll(incidentId);
  expect(await sum(incidentId)).toMatchObject({ handedOver: 1, refused: 0, waiting: 0 });
  expect(relay.letters.map(({ to }) => to)).toEqual([person!.address, "second@example.net"]);
});

test("so does one whose first address was put off for days and then refused", async () => {
  const [person] = await people(1);
  await secondAddress(person!.accountId, "second@example.net");
  const later = { at: "rcpt", code: 451, text: "4.7.1 later" } as const;
  relay.script(person!.address, ...Array.from({ length: 8 }, () => later), {
    at: "rcpt",
    code: 550,
    text: "5.1.1 gone",
  });
  const incidentId = await containedCase(needs);
  await startCampaign({ ...needs, keyholder: web }, incidentId, "operator");
  relay.script("second@example.net", later, "accept");
  for (let days = 0; days < 10; days++) {
    await walk(
      { ...needs, keyholder: mailer, transport, neverMailed: async () => new Set<string>(), bounceAddress },
      incidentId,
    );
    await sum(incidentId);
    clock.advance(dayMs);
  }
  expect(await sum(incidentId)).toMatchObject({ handedOver: 1, refused: 0, waiting: 0 });
  expect(relay.letters.map(({ to }) => to)).toEqual(["second@example.net"]);
});

test("what the relay refuses for good goes to the account's next address, and the account is counted once", async () => {
  const [one, two, alone] = await people(4);
  await secondAddress(one!.accountId, "one@example.net");
  await secondAddress(two!.accountId, "two@example.net");
  relay.script(one!.address, { at: "rcpt", code: 550, text: "5.1.1 unknown" });
  relay.script(two!.address, { at: "data", code: 554, text: "5.7.1 no" });
  relay.script("two@example.net", { at: "rcpt", code: 551, text: "5.1.6 moved" });
  relay.script(alone!.address, { at: "rcpt", code: 550, text: "5.1.1 unknown" });
  const incidentId = await campaign();
  expect(await sum(incidentId)).toMatchObject({ scope: 4, handedOver: 2, refused: 2, waiting: 0 });
  expect(relay.letters.filter(({ to }) => to === "one@example.net")).toHaveLength(1);
  const replies = await db.many<{ reply: string }>(
    `select reply from letter where incident_id = $1 and state = 'refused' order by reply`,
    [incidentId],
  );
  expect(replies.map(({ reply }) => reply)).toEqual(["550 5.1.1 unknown", "551 5.1.6 moved"]);
  const operator = await keyholder.connect("operator");
  const { letters } = (await reportIncident(
    { db, clock, keyholder: operator, log: silentLog, deadlines: deadlineRules, isDecoy: async () => false },
    incidentId,
  ))!;
  expect(letters).toMatchObject({
    agrees: true,
    addsUp: true,
    inTimeline: [
      { outcome: "handed over", count: 2 },
      { outcome: "refused", count: 2 },
      { outcome: "second address", count: 2 },
    ],
  });

  // The letter to the second address comes back like any other; the first one is not tried again.
  expect(await bounce(tokenOf("one@example.net"))).toBe("bounced");
  expect(await sum(incidentId)).toMatchObject({ handedOver: 1, bounced: 1, refused: 2, waiting: 0 });
});

test("an address that was added since the copy was taken, and is used first, gets the letter only where no other takes it", async () => {
  const [one] = await people(1);
  await db.run(`update account_address set founding = true`);
  const added = await secondAddress(one!.accountId, "thief@example.net");
  await db.transaction((tx) => setFirstAddress(tx, one!.accountId, added));
  clock.advance(hourMs);
  const before = await campaign();
  expect(relay.letters.map(({ to }) => to)).toEqual(["thief@example.net"]);
  await db.run(`update incident set state = 'closed' where id = $1`, [before]);
  relay.letters.length = 0;

  await db.transaction((tx) => doubtAddedSince(tx, 2 as Epoch, plus(clock.now(), -dayMs), []));
  const incidentId = await campaign();
  expect(relay.letters.map(({ to }) => to)).toEqual([one!.address]);
  expect(await bounce(tokenOf(one!.address))).toBe("second address");
  await walkAll(incidentId);
  expect(relay.letters.map(({ to }) => to)).toEqual([one!.address, "thief@example.net"]);
  expect(await sum(incidentId)).toMatchObject({ scope: 1, handedOver: 1 });
  await db.run(`delete from added_since`);
});

test("a campaign whose last letter comes back in the moment in which it ends has not ended", async () => {
  const [person] = await people(1);
  await secondAddress(person!.accountId, "second@example.org");
  const incidentId = await campaign();
  await db.run(`update incident set letters_finished_at = null, state = 'notifying' where id = $1`, [incidentId]);
  const finished = await besideOpenTransaction(
    db,
    // What a bounce writes, before its commit.
    async (tx) => {
      await tx.run(`update letter set state = 'deferred', due_at = $2 where incident_id = $1`, [
        incidentId,
        new Date(0),
      ]);
      await tx.run(`update incident set letters_finished_at = null where id = $1`, [incidentId]);
    },
    () => finish(needs, incidentId),
  );
  expect(finished.kind).toBe("waiting");
  await walkAll(incidentId);
  expect((await incidentStatus({ db, clock, deadlines: deadlineRules }, incidentId))?.lettersFinishedAt).not.toBeNull();
});

test("no case is closed under a letter that is just going to the account's next address", async () => {
  const [person] = await people(1);
  await secondAddress(person!.accountId, "second@example.org");
  const incidentId = await campaign();
  const wayIn = { what: "a leaked key", closedAt: toIso(clock.now()), evidence: "it was revoked" };
  const review = reviewItems.map(({ item }) => ({ item, state: "done" }) as const);
  for (const one of review) expect(await recordReview(needs, incidentId, one, "operator")).toBe("recorded");
  expect(await recordWayIn(needs, incidentId, wayIn, "operator")).toBe("recorded");
  // Between the look at the case and the letter's row.
  const [reached, gate] = [Promise.withResolvers<void>(), new AbortController()];
  const slow: typeof db = {
    ...db,
    transaction: (work) =>
      db.transaction((tx) =>
        work({
          ...tx,
          run: async (sql, parameters) => {
            if (/^update letter\b/.test(sql)) {
              reached.resolve();
              // PostgreSQL ends a transaction that says nothing for ten seconds, which a busy machine may take.
              while (!gate.signal.aborted) {
                await tx.one(`select 1 as here`);
                await sleep(secondMs, gate.signal);
              }
            }
            return tx.run(sql, parameters);
          },
        }),
      ),
  };
  const bouncing = recordBounce({ ...needs, db: slow, keyholder: mailer }, tokenOf(person!.address), "5.1.1");
  await reached.promise;
  const closing = closeIncident(needs, incidentId, {}, "operator");
  const waits = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  await expect.poll(async () => (await db.many(waits)).length).toBe(1);
  gate.abort();
  expect(await bouncing).toBe("second address");
  expect(await closing).toMatchObject({ kind: "missing", missing: expect.arrayContaining(["letters are waiting"]) });
  await walkAll(incidentId);
  expect(await closeIncident(needs, incidentId, {}, "operator")).toEqual({ kind: "closed" });
});

test("the report's two counts agree when letters came back, and the case's acts are not drowned in them", async () => {
  const everybody = await people(4);
  const [one, other] = everybody;
  await secondAddress(one!.accountId, "second@example.org");
  const incidentId = await campaign();
  const operator = await keyholder.connect("operator");
  const made = async () =>
    (await reportIncident(
      { db, clock, keyholder: operator, log: silentLog, deadlines: deadlineRules, isDecoy: async () => false },
      incidentId,
    ))!;
  expect((await made()).letters).toMatchObject({ agrees: true, bouncesInTimeline: [] });
  const acts = (await made()).timeline.entries.length;

  for (const { address } of [one!, other!]) await bounce(tokenOf(address));
  await walkAll(incidentId);
  const { letters, incident, timeline } = await made();
  expect(letters).toMatchObject({
    agrees: true,
    addsUp: true,
    sum: { handedOver: 3, bounced: 1 },
    inTimeline: [{ outcome: "handed over", count: 5 }],
    bouncesInTimeline: [
      { outcome: "bounced", count: 1 },
      { outcome: "second address", count: 1 },
    ],
  });
  expect(incident.letters).toEqual(letters!.sum);
  // One more: the campaign finished again.
  expect(timeline.entries.map(({ kind }) => kind)).not.toContain("bounce");
  expect(timeline).toMatchObject({ entries: { length: acts + 1 }, entriesLeftOut: 0 });
  const status = await incidentStatus({ db, clock, deadlines: deadlineRules }, incidentId);
  expect(status!.timeline.map(({ kind }) => kind)).not.toContain("bounce");

  // It is a comparison: a row that says something else is found.
  await db.run(`update letter set state = 'handed over' where incident_id = $1 and state = 'bounced'`, [incidentId]);
  expect((await made()).letters).toMatchObject({ agrees: false });
});

test("the next campaign leaves an address out that bounced, until half a year is over, and takes the other one", async () => {
  const [gone, moved, fine] = await people(3);
  await secondAddress(moved!.accountId, "second@example.net");
  const first = await campaign();
  await bounce(tokenOf(gone!.address));
  await bounce(tokenOf(moved!.address));
  await walkAll(first);
  await db.run(`update incident set state = 'closed' where id = $1`, [first]);
  relay.letters.length = 0;

  const second = await campaign();
  expect(relay.letters.map(({ to }) => to).toSorted()).toEqual([fine!.address, "second@example.net"].toSorted());
  expect(await sum(second)).toMatchObject({ scope: 3, handedOver: 2, suppressed: 1 });
  const row = await db.one(`select reply from letter where account_id = $1 and incident_id = $2`, [
    gone!.accountId,
    second,
  ]);
  expect(row).toEqual({ reply: "bounced before" });
  expect(await bounce(tokenOf("second@example.net"))).toBe("bounced");
  await db.run(`update incident set state = 'closed' where id = $1`, [second]);
  clock.advance(181 * dayMs);
  relay.letters.length = 0;
  const third = await campaign();
  expect(await sum(third)).toMatchObject({ handedOver: 3, suppressed: 0 });

  // What came back half a year ago speaks against no second address; what comes back once more speaks for as long again.
  expect(await bounce(tokenOf(moved!.address))).toBe("second address");
  expect(await bounce(tokenOf(gone!.address))).toBe("bounced");
  await walkAll(third);
  await db.run(`update incident set state = 'closed' where id = $1`, [third]);
  relay.letters.length = 0;
  expect(await sum(await campaign())).toMatchObject({ handedOver: 2, suppressed: 1 });
  expect(relay.letters.map(({ to }) => to).toSorted()).toEqual([fine!.address, "second@example.net"].toSorted());
});

test("the next campaign leaves an address out for what was said of the mailbox, and not for what was said of us", async () => {
  const said = ["5.1.1", "5.1.2", "5.1.10", "5.2.1", "5.1.8", "5.2.2", "5.4.4", "5.7.1", "5.7.26", "5.0.0"];
  const everybody = await people(said.length);
  const first = await campaign();
  for (const [at, status] of said.entries())
    expect(await bounce(tokenOf(everybody[at]!.address), status)).toBe("bounced");
  expect(await sum(first)).toMatchObject({ bounced: said.length });
  await db.run(`update incident set state = 'closed' where id = $1`, [first]);
  relay.letters.length = 0;
  expect(await sum(await campaign())).toMatchObject({ suppressed: 4, handedOver: 6 });
  const written = relay.letters.map(({ to }) => to);
  expect(
    everybody.filter(({ address }) => !written.includes(address)).map((one) => said[everybody.indexOf(one)]),
  ).toEqual(said.slice(0, 4));
});

test("a token of one campaign is none of another, and a closed case sends nothing to a second address", async () => {
  const [one] = await people(1);
  await secondAddress(one!.accountId, "second@example.net");
  const first = await campaign();
  const old = tokenOf(one!.address);
  await db.run(`update incident set state = 'closed' where id = $1`, [first]);
  relay.letters.length = 0;
  const second = await campaign();
  expect(tokenOf(one!.address)).not.toBe(old);
  expect(await bounce(old)).toBe("bounced");
  expect(await sum(first)).toMatchObject({ bounced: 1, handedOver: 0, waiting: 0 });
  expect(await sum(second)).toMatchObject({ bounced: 0, handedOver: 1 });
});
