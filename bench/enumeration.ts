import { contain } from "../src/incidents/contain.ts";
import { readStanding } from "../src/credentials/standing.ts";
import { sleep, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { populate, populationPassword } from "../test/population.ts";
import type { Bench, Measured } from "./bench.ts";
import { median, quantile } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess, startWeb } from "./surroundings.ts";

const sizes = { full: { accounts: 500, rounds: 500 }, small: { accounts: 40, rounds: 30 } } as const;

/**
 * How long answers take that must not tell anything: sign-in for an address that nobody has, a wrong password, and the
 * right one that a containment ended; sign-up and renewal for an address that has an account and for one that has none.
 * Taken in turn, one at a time, each from a network of its own.
 */
export async function measureEnumeration(bench: Bench): Promise<Measured> {
  const { accounts, rounds } = sizes[bench.scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "ours");
  const { witness } = await keyholder.connect("operator");
  const { databaseId, ...first } = await readStanding(db);
  await witness.enrol(databaseId, first);
  bench.say(`making ${accounts} accounts, and containing them`);
  const people = await populate(db, await keyholder.connect("web"), { accounts });
  const needs = { db, witness, clock: systemClock, random: systemRandom, log: silentLog };
  await contain(
    { ...needs, monotonicMs: () => performance.now() },
    { mode: "everyone-out", keepTools: false, reason: "bench", operator: "bench" },
  );
  await db.pool.query("vacuum (analyze)");
  const web = await startWeb(bench, { postgres, database: "ours", keyholder }, { HASH_THREADS: "1", TRUST_PROXY: "1" });

  let asked = 0;
  const timed = async (path: string, body: Readonly<Record<string, string>>, status: number): Promise<number> => {
    const network = `10.${Math.trunc(asked / 62_500) % 250}.${Math.trunc(asked / 250) % 250}.${1 + (asked++ % 250)}`;
    // The lobby lets in as many as two hashes each can be made for; a place in line would be another answer.
    if (path === "/api/renewals") await sleep(40);
    const begun = performance.now();
    const answer = await fetch(`http://127.0.0.1:${web.port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": network },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    const ms = performance.now() - begun;
    if (answer.status !== status || text.includes("in-line")) throw new Error(`${path} answered ${answer.status}`);
    return ms;
  };
  const somebody = (round: number): string => people[round % people.length]?.address ?? "";
  // As long as one of theirs: only whether there is an account may differ.
  const nobody = (round: number): string => somebody(round).replace(/^./, "~");
  const wrong = "correct horse battery stapla";
  const fresh = "seven lanterns over the harbour";
  const ways = {
    unknown: (round: number) => timed("/api/sessions", { address: nobody(round), password: wrong }, 401),
    wrong: (round: number) => timed("/api/sessions", { address: somebody(round), password: wrong }, 401),
    refused: (round: number) => timed("/api/sessions", { address: somebody(round), password: populationPassword }, 401),
    signUpNew: (round: number) => timed("/api/accounts", { address: nobody(round), password: fresh }, 202),
    signUpKnown: (round: number) => timed("/api/accounts", { address: somebody(round), password: fresh }, 202),
    renewNobody: (round: number) => timed("/api/renewals", { address: nobody(round) }, 202),
    renewSomebody: (round: number) => timed("/api/renewals", { address: somebody(round) }, 202),
  };
  const names = Object.keys(ways) as (keyof typeof ways)[];
  const times: Record<keyof typeof ways, number[]> = {
    unknown: [],
    wrong: [],
    refused: [],
    signUpNew: [],
    signUpKnown: [],
    renewNobody: [],
    renewSomebody: [],
  };
  bench.say(`${rounds} rounds of ${names.length} requests`);
  for (let round = -10; round < rounds; round++) {
    // In another order each time, so that none always follows the same one.
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + Math.abs(round)) % names.length] ?? "wrong";
      const ms = await ways[name](Math.abs(round));
      if (round >= 0) times[name].push(ms);
    }
  }
  const apart = {
    unknownFromWrong: chanceToTell(times.unknown, times.wrong),
    refusedFromWrong: chanceToTell(times.refused, times.wrong),
    signUp: chanceToTell(times.signUpKnown, times.signUpNew),
    renewal: chanceToTell(times.renewSomebody, times.renewNobody),
  };
  const figures = Object.fromEntries(
    names.flatMap((name) => [
      [`${name}Ms`, median(times[name])],
      [`${name}P95Ms`, quantile(times[name], 0.95)],
    ]),
  );
  return {
    figures: {
      ...figures,
      ...apart,
      largestApart: Math.max(...Object.values(apart).map((auc) => Math.abs(auc - 0.5))),
    },
    what: {
      unknownMs: "sign-in, an address that nobody has",
      wrongMs: "sign-in, a wrong password",
      refusedMs: "sign-in, the right password that a containment ended",
      signUpNewMs: "sign-up, a new address",
      signUpKnownMs: "sign-up, an address that has an account",
      renewNobodyMs: "renewal, an address that nobody has",
      renewSomebodyMs: "renewal, an address that has an account",
      unknownFromWrong: "chance that the first of a pair took longer; 0.5 tells nothing",
      refusedFromWrong: "the same",
      signUp: "the same, known against new",
      renewal: "the same, somebody against nobody",
      largestApart: `farthest from 0.5; chance alone gives up to ${(1.96 * Math.sqrt(1 / (6 * rounds))).toFixed(3)}`,
    },
  };
}

/**
 * The area under the curve of somebody who tells two kinds apart by time alone: how often a value of the first kind is
 * above one of the second, ties counting half (Mann and Whitney).
 */
export function chanceToTell(first: readonly number[], second: readonly number[]): number {
  const sorted = second.toSorted((one, other) => one - other);
  const below = (value: number, orEqual: boolean): number => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = sorted[middle] ?? 0;
      if (at < value || (orEqual && at === value)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const won = first.reduce((sum, value) => sum + (below(value, false) + below(value, true)) / 2, 0);
  return won / (first.length * second.length);
}
