import type { ChildProcess } from "node:child_process";
import { afterAll, expect, test } from "vitest";
import type { IncidentId } from "../src/kernel/brand.ts";
import { sleep } from "../src/kernel/clock.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { addsUp, letterSum } from "../src/incidents/letter-sum.ts";
import { seeded } from "../src/incidents/drill/seeded.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import type { WalkerOrder } from "./campaign-walker.ts";
import { startCountingRelay } from "./counting-relay.ts";
import { startedCampaign } from "./started-campaign.ts";
import { startWalker } from "./walker-process.ts";

const accounts = 3_000;
const kills = 5;
const pace = { concurrency: 10, batch: 50, leaseMs: 2_000, firstRetryMs: 100 };

const db = await testDatabase();
const keyholder = await testKeyholder();
const relay = await startCountingRelay();
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await relay.stop();
  await keyholder.stop();
});

async function lookAt(incidentId: IncidentId) {
  const said = await db.one<{ finishedAt: Date | null }>(
    `select letters_finished_at as "finishedAt" from incident where id = $1`,
    [incidentId],
  );
  return { said, sum: await letterSum(db, incidentId) };
}

test("P5: workers, relay, keyholder and database connections killed at any instant lose no letter, and every account is accounted for at every look", async () => {
  const seed = Number(process.env["CAMPAIGN_SEED"] ?? systemRandom.below(2 ** 31));
  console.log(`CAMPAIGN_SEED=${seed}`);
  const random = seeded(seed);

  const { incidentId, people } = await startedCampaign({ db, keyholder }, accounts);
  // Kills are to meet deferred letters too.
  for (const { address } of people.filter((_, index) => index % 50 === 0)) relay.later.add(address);

  let looks = 0;
  const wrong: unknown[] = [];
  let isOver = false;
  const looking = (async () => {
    for (; !isOver; await sleep(25)) {
      // Read before the sum: what was said to be finished then must still be so.
      const look = await lookAt(incidentId).catch(() => undefined);
      // Its own connection was among those that were ended.
      if (look === undefined) continue;
      const { said, sum } = look;
      const isSaidEarly = said?.finishedAt !== null && (sum?.waiting ?? 1) > 0;
      if (sum === undefined || !addsUp(sum) || sum.scope !== accounts || isSaidEarly) wrong.push({ sum, said });
      looks++;
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
  let dropped = 0;
  const victims = [
    undefined,
    async () => {
      dropped++;
      relay.drop();
    },
    async () => void process.kill(keyholder.pid(), "SIGKILL"),
    // As if PostgreSQL were killed: every connection to the database is gone in the middle of what it did.
    async () => {
      await db.run(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
    },
  ];
  let killed = 0;
  let killedMidway = 0;
  for (let kill = 0; kill < kills; kill++) {
    // Every other time two workers share the campaign and one of them is killed; the other is killed right after.
    const walkers =
      kill % 2 === 0 ? [startWalker(order, children)] : [startWalker(order, children), startWalker(order, children)];
    for (const { child, walking, ended } of walkers) {
      await walking;
      // So many letters further, and so many milliseconds.
      const upTo = relay.letters.length + random.below(200);
      while (relay.letters.length < upTo && child.exitCode === null) await sleep(2);
      await sleep(random.below(30));
      // Before the worker, something that it depends on.
      const victim = victims[killed % victims.length];
      if (victim !== undefined) {
        await victim();
        while (relay.letters.length < upTo + 60 && child.exitCode === null) await sleep(2);
      }
      child.kill("SIGKILL");
      killed++;
      await ended;
      const sum = await letterSum(db, incidentId).catch(() => undefined);
      if (sum !== undefined && sum.waiting > 0 && sum.handedOver > 0) killedMidway++;
    }
  }
  expect(killedMidway).toBeGreaterThan(2);

  const last = startWalker(order, children);
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
  const onTheirWay = (killed + dropped) * pace.concurrency;
  expect(duplicates).toBeLessThanOrEqual(onTheirWay);
  // And nothing else: what was read and not given to a connection is no letter that may have gone.
  expect(sum!.possiblyTwice).toBeLessThanOrEqual(onTheirWay);
  console.log(
    `${killedMidway} kills midway, ${duplicates} went twice, ${sum!.possiblyTwice} counted as possibly twice`,
  );

  // And each of them stands in the record once.
  expect(
    await db.one(`select count(*) as count from timeline_entry where kind = 'letter' and incident_id = $1`, [
      incidentId,
    ]),
  ).toEqual({ count: accounts });
}, 180_000);
