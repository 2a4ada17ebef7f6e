import { contain } from "../src/incidents/contain.ts";
import { readStanding } from "../src/credentials/standing.ts";
import { sleep, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { populate, populationPassword } from "../test/population.ts";
import type { Bench, Measured } from "./bench.ts";
import { newTypedCode } from "../src/kernel/random.ts";
import { userCodeLength } from "../src/links/links.ts";
import { median, quantile } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess, startWeb } from "./surroundings.ts";

const sizes = { full: { accounts: 400, rounds: 400 }, small: { accounts: 40, rounds: 30 } } as const;

const renewals = "/api/renewals";

/** One question, and the answer it gets whether or not there is anything behind it. */
interface Way {
  readonly what: string;
  readonly path: string;
  readonly body: (round: number) => Readonly<Record<string, string>>;
  /** Whether who asks is signed in: each time as somebody else, since tries are counted for each account. */
  readonly isSignedIn?: true;
}

interface Heard {
  readonly ms: number;
  readonly status: number;
  /** What stands in it, with the names of its headers: sizes and words must not differ either. */
  readonly said: string;
  readonly text: string;
}

/**
 * What answers tell that must not tell anything: sign-in for an address that nobody has, a wrong password, and the right
 * one that a containment ended; sign-up and renewal for an address that has an account and for one that has none; linking with
 * a device code that nobody was given, and with one whose link is over; and with a short code, typed by somebody who is signed in, that
 * nobody was shown, or whose link is over (one that waits answers with its device: that is what it is for). Words, status, size, calls to the keyholder and
 * hashes are compared, and the time each takes. Taken in turn, one at a time, each from a network of its own.
 */
export async function measureEnumeration(bench: Bench): Promise<Measured> {
  const { accounts, rounds } = sizes[bench.scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "ours");
  const operator = await keyholder.connect("operator");
  const { databaseId, ...first } = await readStanding(db);
  await operator.witness.enrol(databaseId, first);
  bench.say(`making ${accounts} accounts, and containing them`);
  const people = await populate(db, await keyholder.connect("web"), { accounts, sessionsEach: 1 });
  const needs = { db, witness: operator.witness, clock: systemClock, random: systemRandom, log: silentLog };
  await contain(
    { ...needs, monotonicMs: () => performance.now() },
    { mode: "everyone-out", keepTools: false, reason: "bench", operator: "bench" },
  );
  // As if everybody had come back: who types a code is signed in.
  await db.pool.query("update session set epoch = (select max(epoch) from floor)");
  await db.pool.query("vacuum (analyze)");
  const web = await startWeb(bench, { postgres, database: "ours", keyholder }, { HASH_THREADS: "1", TRUST_PROXY: "1" });

  let asked = 0;
  const ask = async (path: string, body: Readonly<Record<string, string>>, isSignedIn = false): Promise<Heard> => {
    const network = `10.${Math.trunc(asked / 62_500) % 250}.${Math.trunc(asked / 250) % 250}.${1 + (asked++ % 250)}`;
    // The lobby lets in as many as two hashes each can be made for; a place in line would be another answer.
    if (path === renewals) await sleep(40);
    const token = isSignedIn ? people[asked % people.length]?.sessions[0]?.token.revealText() : undefined;
    const begun = performance.now();
    const answer = await fetch(`http://127.0.0.1:${web.port}${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-forwarded-for": network,
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    const ms = performance.now() - begun;
    if (text.includes("in-line")) throw new Error(`${path} answered with a place in line`);
    // When a code is over is counted from the asking.
    const words = text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "an instant");
    return { ms, status: answer.status, said: `${[...answer.headers.keys()].join(" ")} ${words}`, text };
  };

  const somebody = (round: number): string => people[round % people.length]?.address ?? "";
  // As long as one of theirs: only whether there is an account may differ.
  const nobody = (round: number): string => somebody(round).replace(/^./, "~");
  const over: { readonly device: string; readonly typed: string }[] = [];
  for (let link = 0; link < 40; link++) {
    const { text } = await ask("/oauth/device_authorization", { client_id: "houselights-tv", device_name: "Attic" });
    over.push({
      device: /"device_code":"([^"]+)"/.exec(text)?.[1] ?? "",
      typed: /"user_code":"([^"]+)"/.exec(text)?.[1] ?? "",
    });
  }
  await db.pool.query("update link set expires_at = now() - interval '1 second'");
  const link = (deviceCode: string): Readonly<Record<string, string>> => ({
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    client_id: "houselights-tv",
    device_code: deviceCode,
  });
  const wrong = "correct horse battery stapla";
  const fresh = "seven lanterns over the harbour";
  const sessions = "/api/sessions";
  const ways = {
    unknown: {
      what: "sign-in, an address that nobody has",
      path: sessions,
      body: (round) => ({ address: nobody(round), password: wrong }),
    },
    wrong: {
      what: "sign-in, a wrong password",
      path: sessions,
      body: (round) => ({ address: somebody(round), password: wrong }),
    },
    refused: {
      what: "sign-in, the right password that a containment ended",
      path: sessions,
      body: (round) => ({ address: somebody(round), password: populationPassword }),
    },
    signUpNew: {
      what: "sign-up, a new address",
      path: "/api/accounts",
      body: (round) => ({ address: nobody(round), password: fresh }),
    },
    signUpKnown: {
      what: "sign-up, an address that has an account",
      path: "/api/accounts",
      body: (round) => ({ address: somebody(round), password: fresh }),
    },
    renewNobody: {
      what: "renewal, an address that nobody has",
      path: renewals,
      body: (round) => ({ address: nobody(round) }),
    },
    renewSomebody: {
      what: "renewal, an address that has an account",
      path: renewals,
      body: (round) => ({ address: somebody(round) }),
    },
    linkUnknown: {
      what: "linking, a device code that nobody was given",
      path: "/oauth/token",
      body: () => link(systemRandom.bytes(32).toString("base64url")),
    },
    linkOver: {
      what: "linking, a device code whose link is over",
      path: "/oauth/token",
      body: (round) => link(over[round % over.length]?.device ?? ""),
    },
    codeUnknown: {
      what: "linking, a short code that no screen has shown",
      path: "/api/links/lookup",
      body: () => ({ userCode: newTypedCode(systemRandom, userCodeLength).revealText() }),
      isSignedIn: true,
    },
    codeOver: {
      what: "linking, a short code whose link is over",
      path: "/api/links/lookup",
      body: (round) => ({ userCode: over[round % over.length]?.typed ?? "" }),
      isSignedIn: true,
    },
  } satisfies Readonly<Record<string, Way>>;
  type Name = keyof typeof ways;
  const names = Object.keys(ways) as Name[];
  const forEach = <Value>(make: (name: Name) => Value) =>
    Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Value>;
  const heard = forEach((): Heard[] => []);

  bench.say(`${rounds} rounds of ${names.length} requests`);
  for (let round = -10; round < rounds; round++) {
    // Shuffled: what an answer leaves to be done after it falls on whoever comes next, and on nobody more often.
    const order = names.map((name) => ({ name, at: Math.random() })).toSorted((one, other) => one.at - other.at);
    for (const { name } of order) {
      const { path, body, isSignedIn }: Way = ways[name];
      const answer = await ask(path, body(Math.abs(round)), isSignedIn);
      if (round >= 0) heard[name].push(answer);
    }
  }

  // What is looked at a second later (canaries, counts of sign-ins) falls between two kinds, and on none.
  bench.say("counting calls to the keyholder, kind by kind");
  const calls = forEach(() => 0);
  const counted = 10;
  const counters = async (): Promise<Readonly<Record<string, number>>> => (await operator.counters()).served;
  for (const name of names) {
    await sleep(1_500);
    const before = await counters();
    const { path, body, isSignedIn }: Way = ways[name];
    for (let round = 0; round < counted; round++) await ask(path, body(rounds + round), isSignedIn);
    const after = await counters();
    const differing = Object.keys(after).filter((operation) => !["counters", "index"].includes(operation));
    const made = differing.reduce((sum, operation) => sum + (after[operation] ?? 0) - (before[operation] ?? 0), 0);
    calls[name] = made / counted;
  }

  const times = forEach((name) => heard[name].map(({ ms }) => ms));
  const pairs = {
    unknownFromWrong: ["unknown", "wrong"],
    refusedFromWrong: ["refused", "wrong"],
    signUp: ["signUpKnown", "signUpNew"],
    renewal: ["renewSomebody", "renewNobody"],
    linking: ["linkOver", "linkUnknown"],
    shortCode: ["codeOver", "codeUnknown"],
  } as const satisfies Readonly<Record<string, readonly [Name, Name]>>;
  const apart = Object.entries(pairs).map(
    ([pair, [one, other]]) => [pair, chanceToTell(times[one], times[other])] as const,
  );
  const answersOf = (name: Name): string =>
    [...new Set(heard[name].map(({ status, said }) => `${status} ${said}`))].join();
  const answersApart = Object.values(pairs).filter(([one, other]) => answersOf(one) !== answersOf(other)).length;
  const callsApart = Object.values(pairs).filter(([one, other]) => calls[one] !== calls[other]).length;
  const chance = (1.96 * Math.sqrt(1 / (6 * rounds))).toFixed(3);
  return {
    figures: {
      ...Object.fromEntries(
        names.flatMap((name) => [
          [`${name}Ms`, median(times[name])],
          [`${name}P05Ms`, quantile(times[name], 0.05)],
          [`${name}P95Ms`, quantile(times[name], 0.95)],
          [`${name}Status`, heard[name][0]?.status ?? 0],
          [`${name}Bytes`, median(heard[name].map(({ text }) => Buffer.byteLength(text)))],
          [`${name}KeyCalls`, calls[name]],
        ]),
      ),
      ...Object.fromEntries(apart),
      largestApart: Math.max(...apart.map(([, auc]) => Math.abs(auc - 0.5))),
      answersApart,
      callsApart,
    },
    what: {
      ...Object.fromEntries(names.map((name) => [`${name}Ms`, ways[name].what])),
      ...Object.fromEntries(
        apart.map(([pair]) => [
          pair,
          `chance that ${pairs[pair as keyof typeof pairs][0]} took longer; 0.5 tells nothing`,
        ]),
      ),
      largestApart: `farthest from 0.5; chance alone gives up to ${chance}`,
      answersApart: "pairs whose status, headers or words differ",
      callsApart: "pairs that ask the keyholder for something else (but for looking up)",
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
