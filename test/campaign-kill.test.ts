import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { SMTPServer } from "smtp-server";
import { afterAll, expect, test } from "vitest";
import { plus, sleep, systemClock } from "../src/kernel/clock.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { startCampaign } from "../src/incidents/campaign.ts";
import { addsUp, letterSum } from "../src/incidents/letter-sum.ts";
import { seeded } from "../src/incidents/drill/seeded.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { containedCase } from "./contained-case.ts";
import type { WalkerOrder } from "./campaign-walker.ts";
import { populate } from "./population.ts";

const accounts = 5_000;
const kills = 5;
const pace = { concurrency: 10, batch: 50, leaseMs: 3_000, firstRetryMs: 100 };

const db = await testDatabase();
const keyholder = await testKeyholder();
const relay = await startCountingRelay();
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await relay.stop();
  await keyholder.stop();
});

/** A relay that keeps recipient and Message-ID only: five thousand letters need no parser. Some it asks to come again. */
async function startCountingRelay() {
  const letters: { readonly to: string; readonly messageId: string }[] = [];
  const later = new Set<string>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    closeTimeout: 100,
    onRcptTo: ({ address }, _session, callback) => {
      if (!later.delete(address)) return callback();
      callback(Object.assign(new Error("4.7.1 later"), { responseCode: 451 }));
    },
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", () => undefined);
      stream.on("end", () => {
        const messageId = /^message-id: (\S+)/im.exec(Buffer.concat(chunks).toString("latin1"))?.[1] ?? "";
        letters.push({ to: session.envelope.rcptTo.map(({ address }) => address).join(), messageId });
        callback(null, `OK: queued as Q${String(letters.length).padStart(6, "0")}`);
      });
    },
  });
  server.on("error", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const address = server.server.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  return {
    url: `smtp://127.0.0.1:${address.port}`,
    letters,
    later,
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** A worker process; `walking` resolves when it has begun. */
function startWalker(order: WalkerOrder) {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./campaign-walker.ts", import.meta.url))], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.add(child);
  const said: string[] = [];
  const walking = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    said.push(line);
    walking.resolve();
  });
  const ended = once(child, "close").then(() => {
    children.delete(child);
    walking.resolve();
  });
  child.stdin.end(JSON.stringify(order));
  return { child, said, walking: walking.promise, ended };
}

test("P5: workers killed at any instant lose no letter, and every account is accounted for at every look", async () => {
  const seed = Number(process.env["CAMPAIGN_SEED"] ?? systemRandom.below(2 ** 31));
  console.log(`CAMPAIGN_SEED=${seed}`);
  const random = seeded(seed);

  const web = await keyholder.connect("web");
  const people = await populate(db, web, { accounts });
  // Kills are to meet deferred letters too.
  for (const { address } of people.filter((_, index) => index % 50 === 0)) relay.later.add(address);
  const needs = {
    db,
    clock: systemClock,
    random: systemRandom,
    service: { name: "House of Films", origin: "https://films.example", contact: null },
  };
  const incidentId = await containedCase(needs, { at: plus(systemClock.now(), 1) });
  expect(await startCampaign(needs, incidentId, "operator")).toMatchObject({ kind: "started", isFrozen: true });

  let looks = 0;
  const wrong: unknown[] = [];
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      // Read before the sum: what was said to be finished then must still be so.
      const said = await db.one<{ finishedAt: Date | null }>(
        `select letters_finished_at as "finishedAt" from incident where id = $1`,
        [incidentId],
      );
      const sum = await letterSum(db, incidentId);
      const isSaidEarly = said?.finishedAt !== null && (sum?.waiting ?? 1) > 0;
      if (sum === undefined || !addsUp(sum) || sum.scope !== accounts || isSaidEarly) wrong.push({ sum, said });
      looks++;
      await sleep(25);
    }
  })();

  const order: WalkerOrder = {
    database: {
      host: String(testConnection("").host),
      port: 5432,
      user: "houselights",
      database: String(db.pool.options.database),
    },
    socketPath: keyholder.socketPath,
    credential: Buffer.from(keyholder.credentials.mailer.reveal()).toString("base64"),
    relayUrl: relay.url,
    incidentId,
    pace,
  };
  let killed = 0;
  let killedMidway = 0;
  for (let kill = 0; kill < kills; kill++) {
    // Every other time two workers share the campaign and one of them is killed; the other is killed right after.
    const walkers = kill % 2 === 0 ? [startWalker(order)] : [startWalker(order), startWalker(order)];
    for (const { child, walking, ended } of walkers) {
      await walking;
      // So many letters further, and so many milliseconds.
      const upTo = relay.letters.length + random.below(400);
      while (relay.letters.length < upTo && child.exitCode === null) await sleep(2);
      await sleep(random.below(30));
      child.kill("SIGKILL");
      killed++;
      await ended;
      const sum = await letterSum(db, incidentId);
      if (sum !== undefined && sum.waiting > 0 && sum.handedOver > 0) killedMidway++;
    }
  }
  expect(killedMidway).toBeGreaterThan(2);

  const last = startWalker(order);
  await last.ended;
  expect(last.said).toEqual(["walking", "finished"]);
  isOver = true;
  await looking;

  const sum = await letterSum(db, incidentId);
  expect(sum).toMatchObject({ scope: accounts, handedOver: accounts, waiting: 0, refused: 0 });
  expect(wrong).toEqual([]);
  expect(looks).toBeGreaterThan(20);
  const reached = new Set(relay.letters.map(({ to }) => to));
  expect(people.filter(({ address }) => !reached.has(address))).toEqual([]);
  expect(new Set(relay.letters.map(({ messageId }) => messageId)).size).toBe(accounts);
  // At most what was in flight at a kill went twice, and all of it is counted as such.
  const duplicates = relay.letters.length - accounts;
  expect(duplicates).toBeLessThanOrEqual(sum!.possiblyTwice);
  expect(duplicates).toBeLessThanOrEqual(killed * pace.concurrency);
  console.log(
    `${killedMidway} kills midway, ${duplicates} went twice, ${sum!.possiblyTwice} counted as possibly twice`,
  );

  // And each of them stands in the record once.
  expect(
    await db.one(`select count(*) as count from timeline_entry where kind = 'letter' and incident_id = $1`, [
      incidentId,
    ]),
  ).toEqual({ count: accounts });
}, 120_000);
