import { availableParallelism } from "node:os";
import { threadsThatHash } from "../src/config/config.ts";
import { startHashPool, type HashPool } from "../src/credentials/hash-pool.ts";
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
 * with nothing but hashes: with as many threads as the service has by itself here, and with one for each processor, which
 * makes a few more and leaves nothing to whoever watches.
 */
export async function measureSignIn(bench: Bench): Promise<Measured> {
  const { scale, say, onEnd } = bench;
  const { accounts, rounds, runMs } = sizes[scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "ours");
  say(`making ${accounts.toLocaleString("en")} accounts`);
  const people = await populate(db, await keyholder.connect("web"), { accounts });

  const processors = availableParallelism();
  const withThreads = async (threads: number) => {
    const settings = { HASH_THREADS: String(threads), TRUST_PROXY: "1" };
    const { port } = await startWeb(bench, { postgres, database: "ours", keyholder }, settings);
    const pool = startHashPool({ threads, log: silentLog });
    onEnd(() => pool.close());
    return { threads, port, pool };
  };
  const usual = await withThreads(threadsThatHash(processors));
  const everyProcessor = await withThreads(processors);

  const requests = Array.from({ length: Math.max(networks, people.length) }, (_, number) => {
    const person = people[number % people.length];
    const network = `10.0.${Math.trunc((number % networks) / 250)}.${1 + (number % 250)}`;
    const body = JSON.stringify({ address: person?.address, password: populationPassword, token: true });
    return requestBytes("POST", "/api/sessions", { "x-forwarded-for": network }, body);
  });
  const signIns = ({ port }: { readonly port: number }, durationMs: number) =>
    load({ port, connections: concurrency, durationMs, requests, isGood: (status) => status === 201 });
  const raw = async ({ pool }: { readonly pool: HashPool }) => ({
    perSecond: await hashesPerSecond(pool, runMs),
    medianMs: 0,
  });

  say(`${rounds} rounds of four times ${runMs / 1_000} s, in turn, ${concurrency} under way`);
  for (const { pool } of [usual, everyProcessor]) await hashesPerSecond(pool, runMs / 3);
  // Each person once, as on any day but the first: their networks are known then, and the plans are made for the tables as
  // they are. What was vacuumed empty is read from end to end until the statistics are renewed.
  await signIns(everyProcessor, (networks * 1_000) / 100);
  await db.pool.query("vacuum (analyze)");
  for (const service of [usual, everyProcessor]) await signIns(service, runMs / 3);
  const measured = await interleaved(rounds, {
    raw: () => raw(usual),
    signIn: () => signIns(usual, runMs),
    rawOnEvery: () => raw(everyProcessor),
    signInOnEvery: () => signIns(everyProcessor, runMs),
  });
  const rate = (runs: readonly { readonly perSecond: number }[]) => median(runs.map(({ perSecond }) => perSecond));
  const rawHashesPerSecond = rate(measured.raw);
  const signInsPerSecond = rate(measured.signIn);
  const rawOnEvery = rate(measured.rawOnEvery);
  const signInsOnEvery = rate(measured.signInOnEvery);
  return {
    figures: {
      hashThreads: usual.threads,
      rawHashesPerSecond,
      signInsPerSecond,
      signInsToRawHashes: signInsPerSecond / rawHashesPerSecond,
      signInMedianMs: median(measured.signIn.map(({ medianMs }) => medianMs)),
      processors,
      rawHashesPerSecondOnEveryProcessor: rawOnEvery,
      signInsPerSecondOnEveryProcessor: signInsOnEvery,
      signInsToRawHashesOnEveryProcessor: signInsOnEvery / rawOnEvery,
    },
    what: {
      hashThreads: "threads, in both; three quarters of the processors",
      rawHashesPerSecond: "hashes made by the threads with nothing else to do",
      signInsPerSecond: "sign-ins, each with one hash",
      signInsToRawHashes: "of the raw rate",
      signInMedianMs: `with ${concurrency} under way`,
      processors: "and as many threads, from here on",
      rawHashesPerSecondOnEveryProcessor: "hashes, with nothing else to do",
      signInsPerSecondOnEveryProcessor: "sign-ins",
      signInsToRawHashesOnEveryProcessor: "of the raw rate",
    },
  };
}
