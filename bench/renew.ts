import { availableParallelism } from "node:os";
import { randomBytes } from "node:crypto";
import { threadsThatHash } from "../src/config/config.ts";
import { openDb, type Db } from "../src/db/db.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { ordinaryCost, startHashPool, type HashPool } from "../src/credentials/hash-pool.ts";
import { Secret } from "../src/kernel/secret.ts";
import { populate } from "../test/population.ts";
import { prepareRenewals } from "../test/prepared-renewals.ts";
import type { Bench, Measured } from "./bench.ts";
import { load, requestBytes } from "./load.ts";
import { interleaved, median } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess, startPeer, startWeb } from "./surroundings.ts";

const sizes = {
  full: { rounds: 5, runMs: 5_000, perSecond: 140 },
  small: { rounds: 3, runMs: 1_000, perSecond: 140 },
} as const;
const concurrency = 16;
/** Two hashes each: the stolen password's, which is refused, and the new one's. */
const hashesEach = 2;

/**
 * Renewals over HTTP, from a code that has arrived to the new password set, every device signed out and the letter queued,
 * beside the same number of hashing threads fed with nothing but hashes, and beside Better Auth's reset of a password.
 */
export async function measureRenew(bench: Bench): Promise<Measured> {
  const { scale, say, onEnd } = bench;
  const { rounds, runMs, perSecond } = sizes[scale];
  const threads = threadsThatHash(availableParallelism());
  // More than can be renewed: each account renews once.
  const accounts = Math.ceil((perSecond * (rounds + 1) * runMs) / 1_000);
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "ours");
  say(`making ${accounts.toLocaleString("en")} accounts with a code each`);
  const web = await keyholder.connect("web");
  const people = await populate(db, web, { accounts });
  const needs = { db, keyholder: web, random: systemRandom, now: systemClock.now() };
  const renewals = await prepareRenewals(needs, people);
  await db.pool.query("vacuum (analyze)");
  const ours = await startWeb(bench, { postgres, database: "ours", keyholder }, { HASH_THREADS: String(threads) });

  await db.pool.query("create database peer");
  const peerConnection = { ...postgres.connection, database: "peer" };
  const secret = randomBytes(32).toString("hex");
  const betterAuth = await startPeer(bench, "better-auth", { connection: peerConnection, secret, maxConnections: 20 });
  const peerDb = openDb({ connection: peerConnection, log: silentLog, maxConnections: 1 });
  const tokens = await fillBetterAuth(peerDb, Math.ceil(accounts / 4));
  await peerDb.close();
  await db.pool.query("checkpoint");

  const pool = startHashPool({ threads, log: silentLog });
  onEnd(() => pool.close());
  const ourRequests = renewals
    .map(({ body }) => requestBytes("POST", "/api/renewals/complete", {}, JSON.stringify(body)))
    .values();
  const peerRequests = tokens
    .map((token) =>
      requestBytes("POST", "/api/auth/reset-password", {}, JSON.stringify({ token, newPassword: `harbour ${token}` })),
    )
    .values();
  const once = (requests: IterableIterator<Buffer>) => (): Buffer => {
    const next = requests.next();
    if (next.done === true) throw new Error("more was done than was made");
    return next.value;
  };
  const run = (port: number, requests: () => Buffer, durationMs: number = runMs) =>
    load({ port, connections: concurrency, durationMs, requests, isGood: (status) => status === 200 });
  const renew = once(ourRequests);
  const reset = once(peerRequests);

  say(`${rounds} rounds of ${runMs / 1_000} s each, in turn, ${concurrency} under way, ${threads} hashing threads`);
  await hashesPerSecond(pool, runMs / 3);
  await run(ours.port, renew, runMs / 3);
  await run(betterAuth.port, reset, runMs / 3);
  const measured = await interleaved(rounds, {
    raw: () => hashesPerSecond(pool, runMs),
    renew: () => run(ours.port, renew),
    betterAuth: () => run(betterAuth.port, reset),
  });
  const rawHashesPerSecond = median(measured.raw);
  const renewalsPerSecond = median(measured.renew.map((one) => one.perSecond));
  const betterAuthPerSecond = median(measured.betterAuth.map((one) => one.perSecond));
  return {
    figures: {
      hashThreads: threads,
      rawHashesPerSecond,
      renewalsPerSecond,
      betterAuthPerSecond,
      renewHashesToRaw: (renewalsPerSecond * hashesEach) / rawHashesPerSecond,
      renewToBetterAuth: renewalsPerSecond / betterAuthPerSecond,
      renewMedianMs: median(measured.renew.map((one) => one.medianMs)),
      betterAuthMedianMs: median(measured.betterAuth.map((one) => one.medianMs)),
    },
    what: {
      hashThreads: "threads, in both",
      rawHashesPerSecond: "hashes made by the threads with nothing else to do",
      renewalsPerSecond: "renewals, each with two hashes",
      betterAuthPerSecond: "Better Auth 1.7.25, reset-password, one scrypt each",
      renewHashesToRaw: "of the raw rate, counted in hashes",
      renewToBetterAuth: "times as many",
      renewMedianMs: `with ${concurrency} under way`,
      betterAuthMedianMs: `with ${concurrency} under way`,
    },
  };
}

/** Accounts with a password and a token to reset it, as Better Auth makes them. @returns the tokens. */
async function fillBetterAuth(db: Db, accounts: number): Promise<string[]> {
  await db.run(
    `insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
     select 'u' || n, 'Person ' || n, 'viewer-' || n || '@example.org', true, now(), now() from generate_series(1, $1::integer) n`,
    [accounts],
  );
  await db.run(
    `insert into account (id, "accountId", "providerId", "userId", password, "createdAt", "updatedAt")
     select 'a' || n, 'u' || n, 'credential', 'u' || n, 'unknown', now(), now() from generate_series(1, $1::integer) n`,
    [accounts],
  );
  await db.run(
    `insert into verification (id, identifier, value, "expiresAt", "createdAt", "updatedAt")
     select 'v' || n, 'reset-password:' || encode(sha256(int4send(n)), 'hex'), 'u' || n, now() + interval '1 day', now(), now()
       from generate_series(1, $1::integer) n`,
    [accounts],
  );
  await db.pool.query("vacuum (analyze)");
  const rows = await db.many<{ identifier: string }>(`select identifier from verification`);
  return rows.map(({ identifier }) => identifier.slice("reset-password:".length));
}

/** The rate of a pool that has nothing else to do. */
export async function hashesPerSecond(pool: HashPool, durationMs: number): Promise<number> {
  const password = Secret.fromText("correct horse battery staple");
  const salt = systemRandom.bytes(16);
  const started = performance.now();
  const deadline = started + durationMs;
  let made = 0;
  let endedAt = started;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() < deadline) {
        await pool.hash("sign-in", password, salt, ordinaryCost);
        const now = performance.now();
        if (now >= deadline) return;
        made++;
        endedAt = now;
      }
    }),
  );
  return (made * 1_000) / (endedAt - started);
}
