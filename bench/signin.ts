import { availableParallelism } from "node:os";
import { startHashPool } from "../src/credentials/hash-pool.ts";
import { silentLog } from "../src/kernel/log.ts";
import { populate, populationPassword } from "../test/population.ts";
import type { Bench, Measured } from "./bench.ts";
import { load, requestBytes } from "./load.ts";
import { hashesPerSecond } from "./renew.ts";
import { interleaved, median } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess, startWeb } from "./surroundings.ts";

const sizes = {
  full: { accounts: 2_000, rounds: 7, runMs: 6_000 },
  small: { accounts: 100, rounds: 3, runMs: 1_500 },
} as const;
const concurrency = 16;
/** A network may try a thousand sign-ins in ten minutes; these come from as many as a crowd would. */
const networks = 2_000;

/**
 * Sign-ins over HTTP, each with its hash, keyholder calls and durable commit, beside the same number of hashing threads fed
 * with nothing but hashes.
 */
export async function measureSignIn(bench: Bench): Promise<Measured> {
  const { scale, say, onEnd } = bench;
  const { accounts, rounds, runMs } = sizes[scale];
  const threads = availableParallelism();
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "ours");
  say(`making ${accounts.toLocaleString("en")} accounts`);
  const people = await populate(db, await keyholder.connect("web"), { accounts });

  const settings = { HASH_THREADS: String(threads), TRUST_PROXY: "1" };
  const web = await startWeb(bench, { postgres, database: "ours", keyholder }, settings);
  const pool = startHashPool({ threads, log: silentLog });
  onEnd(() => pool.close());

  const requests = Array.from({ length: Math.max(networks, people.length) }, (_, number) => {
    const person = people[number % people.length];
    const network = `10.0.${Math.trunc((number % networks) / 250)}.${1 + (number % 250)}`;
    const body = JSON.stringify({ address: person?.address, password: populationPassword, token: true });
    return requestBytes("POST", "/api/sessions", { "x-forwarded-for": network }, body);
  });
  const signIns = (durationMs: number) =>
    load({ port: web.port, connections: concurrency, durationMs, requests, isGood: (status) => status === 201 });

  say(`${rounds} rounds of ${runMs / 1_000} s each, in turn, ${concurrency} under way, ${threads} hashing threads`);
  await hashesPerSecond(pool, runMs / 3);
  // Each person once, as on any day but the first: their networks are known then, and the plans are made for the tables as
  // they are. What was vacuumed empty is read from end to end until the statistics are renewed.
  await signIns((networks * 1_000) / 100);
  await db.pool.query("vacuum (analyze)");
  await signIns(runMs / 3);
  const measured = await interleaved(rounds, {
    raw: async () => ({ perSecond: await hashesPerSecond(pool, runMs), medianMs: 0 }),
    signIn: () => signIns(runMs),
  });
  const rawHashesPerSecond = median(measured.raw.map(({ perSecond }) => perSecond));
  const signInsPerSecond = median(measured.signIn.map(({ perSecond }) => perSecond));
  return {
    figures: {
      hashThreads: threads,
      rawHashesPerSecond,
      signInsPerSecond,
      signInsToRawHashes: signInsPerSecond / rawHashesPerSecond,
      signInMedianMs: median(measured.signIn.map(({ medianMs }) => medianMs)),
    },
    what: {
      hashThreads: "threads, in both",
      rawHashesPerSecond: "hashes made by the threads with nothing else to do",
      signInsPerSecond: "sign-ins, each with one hash",
      signInsToRawHashes: "of the raw rate",
      signInMedianMs: `with ${concurrency} under way`,
    },
  };
}
