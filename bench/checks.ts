import { createHmac, randomBytes } from "node:crypto";
import { openDb, type Db } from "../src/db/db.ts";
import { silentLog } from "../src/kernel/log.ts";
import { populate, populateSynthetic } from "../test/population.ts";
import type { Bench, Measured } from "./bench.ts";
import { load, requestBytes, type LoadResult } from "./load.ts";
import { interleaved, median } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess, startPeer, startWeb } from "./surroundings.ts";

const sizes = {
  full: { accounts: 100_000, tokens: 4_000, rounds: 7, warmMs: 6_000, runMs: 4_000 },
  small: { accounts: 2_000, tokens: 300, rounds: 3, warmMs: 2_000, runMs: 2_000 },
} as const;
const connections = 128;
/** Database connections that each server may open. */
const maxConnections = 20;

/**
 * The session check over HTTP beside Better Auth's and beside a route that checks nothing: each server in its own process,
 * one at work at a time, the same PostgreSQL, client and number of connections and of accounts.
 */
export async function measureChecks(bench: Bench): Promise<Measured> {
  const { scale, say } = bench;
  const { accounts, tokens, rounds, warmMs, runMs } = sizes[scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);

  say(`making ${accounts.toLocaleString("en")} signed-in accounts, twice`);
  const db = await openServiceDatabase(bench, postgres, "ours");
  await populateSynthetic(db, { accounts: accounts - tokens, sessionsEach: 1 });
  const people = await populate(db, await keyholder.connect("web"), { accounts: tokens, sessionsEach: 1 });
  await db.pool.query("vacuum (analyze)");
  const ours = await startWeb(bench, { postgres, database: "ours", keyholder });

  await db.pool.query("create database peer");
  const peerConnection = { ...postgres.connection, database: "peer" };
  const secret = randomBytes(32).toString("hex");
  const betterAuth = await startPeer(bench, "better-auth", { connection: peerConnection, secret, maxConnections });
  const peerDb = openDb({ connection: peerConnection, log: silentLog, maxConnections: 1 });
  const peerTokens = await fillBetterAuth(peerDb, accounts, tokens);
  await peerDb.close();
  await db.pool.query("checkpoint");
  const bare = await startPeer(bench, "bare-fastify", {});

  const bearers = people.map(({ sessions }) => `Bearer ${sessions[0]?.token.revealText() ?? ""}`);
  const ourRequests = bearers.map((bearer) => requestBytes("GET", "/api/session", { authorization: bearer }));
  const peerRequests = peerTokens.map((token) =>
    requestBytes("GET", "/api/auth/get-session", { cookie: `better-auth.session_token=${signed(token, secret)}` }),
  );
  // Better Auth answers 200 and `null` to a token it does not know: the length tells the answers apart.
  const isGood = (status: number, bodyBytes: number): boolean => status === 200 && bodyBytes > 150;
  const run = (port: number, requests: readonly Buffer[], durationMs: number = runMs): Promise<LoadResult> =>
    load({ port, connections, durationMs, requests, isGood });

  say(`${rounds} rounds of ${runMs / 1_000} s each, in turn, over ${connections} connections`);
  const contestants = {
    ours: () => run(ours.port, ourRequests),
    betterAuth: () => run(betterAuth.port, peerRequests),
    bare: () => run(bare.port, ourRequests),
  };
  await run(ours.port, ourRequests, warmMs);
  await run(betterAuth.port, peerRequests, warmMs);
  await run(bare.port, ourRequests, warmMs);
  const measured = await interleaved(rounds, contestants);
  const of = (who: keyof typeof contestants, key: keyof LoadResult): number =>
    median(measured[who].map((one) => one[key]));
  const checksPerSecond = of("ours", "perSecond");
  const betterAuthPerSecond = of("betterAuth", "perSecond");
  const barePerSecond = of("bare", "perSecond");
  return {
    figures: {
      checksPerSecond,
      betterAuthPerSecond,
      barePerSecond,
      checksToBetterAuth: checksPerSecond / betterAuthPerSecond,
      checksToBare: checksPerSecond / barePerSecond,
      checkMedianMs: of("ours", "medianMs"),
      checkP99Ms: of("ours", "p99Ms"),
      betterAuthMedianMs: of("betterAuth", "medianMs"),
      betterAuthP99Ms: of("betterAuth", "p99Ms"),
    },
    what: {
      checksPerSecond: "GET /api/session, each a read of the database",
      betterAuthPerSecond: "Better Auth 1.7.25, get-session",
      barePerSecond: "Fastify, the same answer without a check",
      checksToBetterAuth: "times as many",
      checksToBare: "of the bare route",
      checkMedianMs: `with ${connections} under way`,
      checkP99Ms: `with ${connections} under way`,
      betterAuthMedianMs: `with ${connections} under way`,
      betterAuthP99Ms: `with ${connections} under way`,
    },
  };
}

/** Rows as Better Auth makes them. @returns some of the tokens. */
async function fillBetterAuth(db: Db, accounts: number, tokens: number): Promise<string[]> {
  await db.run(
    `insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
     select 'u' || n, 'Person ' || n, 'viewer-' || n || '@example.org', true, now(), now() from generate_series(1, $1::integer) n`,
    [accounts],
  );
  await db.run(
    `insert into session (id, "userId", token, "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent")
     select 's' || n, 'u' || n, encode(sha256(int4send(n)), 'hex'), now() + interval '7 days', now(), now(), '192.0.2.1',
            'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
       from generate_series(1, $1::integer) n`,
    [accounts],
  );
  await db.pool.query("vacuum (analyze)");
  // Those that were made last, as ours are: rows that lie together are read sooner.
  const rows = await db.many<{ token: string }>(
    `select token from session where substr(id, 2)::integer > $1 order by random()`,
    [accounts - tokens],
  );
  return rows.map(({ token }) => token);
}

/** A cookie as Better Auth signs it: the token, a dot, base64 of its HMAC-SHA-256. */
const signed = (token: string, secret: string): string =>
  encodeURIComponent(`${token}.${createHmac("sha256", secret).update(token).digest("base64")}`);
