import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Ground } from "../src/app.ts";
import { findAccount, openAccounts } from "../src/accounts/accounts.ts";
import { withGround } from "../src/commands/ground.ts";
import { parseConfig } from "../src/config/config.ts";
import { browserCookie } from "../src/http/cookies.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { keyPurposes } from "../src/keyholder/keys.ts";
import { socketPathFor } from "../src/keyholder/socket-path.ts";
import { startKeyholder, type SupervisedKeyholder } from "../src/keyholder/supervise.ts";
import { keysStatus } from "../src/rotation/rotate.ts";
import { makeArtifacts, takenOf } from "./key-artifacts.ts";
import { populate, populationPassword, type PersonInPopulation } from "./population.ts";
import { eventually, runningService, type RunningService } from "./running-service.ts";
import { descendantsOf, isRunning } from "./service-processes.ts";

/**
 * P9 on the service as it is installed: every key is changed under load, while each of its processes is killed at
 * random points of a printed seed. Nobody is signed out, nothing becomes unreadable, and the old keys are refused.
 */
const seed = Number(process.env["ROTATION_SEED"] ?? Date.now() % 1_000_000);
const random = mulberry(seed);
const password = "seven lanterns over the harbour";
const people = 1_500;

let folder = "";
let keyholder: SupervisedKeyholder;
let service: RunningService;
let settings: Record<string, string> = {};
let population: PersonInPopulation[] = [];
let cookie = "";
let operator = "";

/** A generator that gives the same row for the same seed. */
function mulberry(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const ground = <Result>(work: (ground: Ground) => Promise<Result>): Promise<Result> =>
  withGround(
    parseConfig({ ...settings, DATA_DIR: service.dataDir, LIBRARY_DIR: service.libraryDir }, service.folder),
    silentLog,
    work,
  );
const textOf = (token: Secret): string => Buffer.from(token.reveal()).toString("base64url");
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(async () => {
  // A keyholder of its own, whose keys on their way out are soon gone; it is restarted like the service's.
  folder = await mkdtemp(join(tmpdir(), "houselights-rotation-"));
  const keysDir = join(folder, "keys");
  const socketPath = await socketPathFor(keysDir);
  keyholder = await startKeyholder({ keysDir, socketPath, graceMs: 1_000, log: silentLog });
  const credentials = Object.entries(keyholder.credentials).map(([role, secret]) => [role, textOf(secret)]);
  const file = join(folder, "credentials.json");
  await writeFile(file, JSON.stringify(Object.fromEntries(credentials)), { mode: 0o600 });
  settings = { KEYHOLDER_URL: `unix:${socketPath}`, KEYHOLDER_CREDENTIALS: file, HASH_THREADS: "1" };
  service = await runningService(settings, async (libraryDir) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  });
  const used = await service.api("POST", "/api/operator-sessions", { body: { secret: service.operatorLink() } });
  operator = String(used.cookie);
  population = await ground(({ db, keyholders }) =>
    populate(db, keyholders.operator, { accounts: people, sessionsEach: 1 }),
  );
  cookie = await signUp("ada@example.org");
}, 180_000);
afterAll(async () => {
  await service?.remove();
  await keyholder?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function codeTo(address: string): Promise<string> {
  return eventually("the code", async () => {
    const { body } = await service.api("GET", "/api/mailbox", { cookie: operator }).catch(() => ({ body: {} }));
    const letters = ((body as Record<string, unknown>)["letters"] ?? []) as { to: string; text: string }[];
    const text = letters.find(({ to }) => to === address)?.text ?? "";
    return /\b([BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5})\b/.exec(text)?.[1];
  });
}

/** Asked again while the answer is "come again" or there is none: a process has just been killed. */
async function until(...request: Parameters<RunningService["api"]>) {
  return eventually(
    `${request[0]} ${request[1]}`,
    async () => {
      const answer = await service.api(...request).catch(() => undefined);
      return answer === undefined || answer.status === 503 ? undefined : answer;
    },
    60_000,
  );
}

async function signUp(address: string): Promise<string> {
  const jar = new Map<string, string>();
  expect((await until("POST", "/api/accounts", { body: { address, password }, jar })).status).toBe(202);
  expect(jar.get(browserCookie)).toBeDefined();
  const confirmed = await until("POST", "/api/accounts/confirm", { body: { code: await codeTo(address) }, jar });
  // A first answer that was lost with its process has made the account.
  if (confirmed.status !== 201) expect(confirmed.status).toBe(400);
  const answer = await until("POST", "/api/sessions", { body: { address, password } });
  expect(answer.status, answer.text).toBe(201);
  return String(answer.cookie);
}

/** Requests one after another until told to stop; every answer that is neither good nor "come again" is kept. */
function load(): { stop: () => Promise<{ good: number; wrong: string[] }> } {
  let stopped = false;
  const seen = { good: 0, wrong: [] as string[] };
  const lane = async (what: string, expected: number, ask: () => ReturnType<RunningService["api"]>): Promise<void> => {
    while (!stopped) {
      const answer = await ask().catch(() => undefined);
      if (answer?.status === expected) seen.good++;
      else if (answer !== undefined && answer.status !== 503)
        seen.wrong.push(`${what}: ${answer.status} ${answer.text}`);
      await pause(20);
    }
  };
  const one = (): PersonInPopulation => population[Math.floor(random() * population.length)]!;
  const lanes = [
    lane("session", 200, () => service.api("GET", "/api/session", { cookie })),
    lane("devices", 200, () => service.api("GET", "/api/sessions", { cookie })),
    lane("sign-in", 201, () =>
      service.api("POST", "/api/sessions", { body: { address: one().address, password: populationPassword } }),
    ),
    lane("wrong", 401, () =>
      service.api("POST", "/api/sessions", { body: { address: one().address, password: "not this one, never" } }),
    ),
  ];
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(lanes);
      return seen;
    },
  };
}

/** What runs now, by name: one that has just been killed is missing. */
async function pidsNow(): Promise<Partial<Record<"web" | "worker" | "keyholder" | "postmaster", number>>> {
  const children = await descendantsOf(service.pid());
  const child = (pattern: RegExp): number | undefined => children.find(({ command }) => pattern.test(command))?.pid;
  const pidFile = join(service.dataDir, "postgres", "cluster", "postmaster.pid");
  const postmaster = Number((await readFile(pidFile, "utf8").catch(() => "")).split("\n")[0]);
  const [web, worker] = [child(/child\.ts web/), child(/child\.ts worker/)];
  return {
    keyholder: keyholder.pid(),
    ...(web === undefined ? {} : { web }),
    ...(worker === undefined ? {} : { worker }),
    ...(postmaster > 0 ? { postmaster } : {}),
  };
}

/** The whole service ends with `serve`, as by a machine that is switched off, and is started again. */
const processes = ["worker", "keyholder", "web", "postmaster", "serve"] as const;
type Process = (typeof processes)[number];

/** Kills one process after another until told to stop, one that was not killed yet before others. */
function killer(): { killed: readonly Process[]; stop: () => Promise<readonly Process[]> } {
  const killed: Process[] = [];
  let stopped = false;
  const killing = (async () => {
    while (!stopped) {
      await pause(1_500 + random() * 3_500);
      const pids = { ...(await pidsNow()), serve: service.pid() };
      const running = processes.filter((name) => pids[name] !== undefined);
      const left = running.filter((name) => !killed.includes(name));
      const names = left.length > 0 ? left : running.filter((name) => name !== "serve");
      const name = names[Math.floor(random() * names.length)];
      const pid = name === undefined ? undefined : pids[name];
      if (stopped || name === undefined || pid === undefined || !(await isRunning(pid))) continue;
      if (name === "serve") {
        await service.kill();
        await service.start();
      } else process.kill(pid, "SIGKILL");
      killed.push(name);
      // PostgreSQL goes through its log before it takes anybody again.
      if (name === "postmaster") await pause(1_500);
    }
  })();
  return {
    killed,
    stop: async () => {
      stopped = true;
      await killing;
      return killed;
    },
  };
}

test(`every key is changed under kills (ROTATION_SEED=${seed})`, async () => {
  const [first] = population;
  const accountId = first!.accountId;
  const old = await ground(({ keyholders }) => makeArtifacts(keyholders, accountId));
  expect(await ground(({ keyholders }) => takenOf(keyholders, old))).toEqual(keyPurposes);

  const underLoad = load();
  const killing = killer();
  // Repeated until it has been answered whole: a second time it makes only what is missing.
  const before = await ground(({ keyholders }) => keyholders.keeper.keys.states());
  expect(before.states.every(({ newest }) => newest <= 1)).toBe(true);
  await eventually(
    "every key to have a second version",
    async () => {
      await service.command("keys", "rotate", "--purpose", "wrap", "--yes").catch(() => undefined);
      const states = await ground(async ({ keyholders }) => {
        const { states: now } = await keyholders.keeper.keys.states();
        for (const { purpose, versions } of now) {
          const highest = Math.max(0, ...versions.map(({ version }) => version));
          if (highest < 2) await keyholders.keeper.keys.rotate(purpose, highest);
        }
        return (await keyholders.keeper.keys.states()).states;
      }).catch(() => undefined);
      return states?.every(({ versions }) => versions.some(({ version }) => version >= 2)) ? true : undefined;
    },
    120_000,
  );
  const duringKills = await signUp("bob@example.org");
  await pause(12_000);
  // Counted and not timed: on a slow machine the killer finds most names missing when it looks.
  const isEachKilled = (): boolean => processes.every((name) => killing.killed.includes(name));
  await eventually("each process to be killed", () => Promise.resolve(isEachKilled() ? true : undefined), 120_000);
  const killed = await killing.stop();

  // Nobody does anything: the worker comes back and goes on.
  let lastSeen = "";
  const sealedAgain = await eventually(
    `everything to be sealed again after ${killed.join(", ")}`,
    async () => {
      await ground(async ({ db }) => {
        // A job whose worker was killed is another's after half a minute; what is due every five is asked for now.
        await db.run(`select graphile_worker.add_job('keep-keys', '{}'::json, job_key => 'keep-keys')`);
      }).catch(() => undefined);
      await pause(1_000);
      const status = await ground(({ db, keyholders, clock }) =>
        keysStatus({ db, keys: keyholders.keeper.keys, clock }),
      ).catch((thrown: unknown) => {
        lastSeen = String(thrown);
        return undefined;
      });
      const rest = status?.named.filter(
        ({ purpose, version, table, column }) =>
          !purpose.startsWith("code.") &&
          !(table === "address" || column === "former_index") &&
          version < (status.states.find((state) => state.purpose === purpose)?.newest ?? 0),
      );
      lastSeen = JSON.stringify({ rest, walks: status?.walks }).slice(0, 3000);
      return rest?.every(({ rows }) => rows === 0) ? status : undefined;
    },
    100_000,
  ).catch((thrown: unknown) => {
    const lines = service
      .output()
      .split("\n")
      .filter((line) => /keep-keys|cannot|error|reason/.test(line));
    throw new Error(`${String(thrown)}\n${lastSeen}\n${lines.slice(-25).join("\n")}`);
  });
  expect(sealedAgain.walks.map(({ unreadable }) => unreadable)).toEqual(sealedAgain.walks.map(() => 0));
  const { good, wrong } = await underLoad.stop();
  expect(wrong).toEqual([]);
  expect(good).toBeGreaterThan(20);

  // What the old keys made was still taken a moment before they go; counts of tries have the newest key alone.
  expect(await ground(({ keyholders }) => takenOf(keyholders, old))).toEqual(
    keyPurposes.filter((purpose) => purpose !== "index.throttle"),
  );
  const used = await service.command("keys", "use", "--purpose", "dkim");
  expect(used.code, used.err).toBe(0);
  const asked = await service.command("keys", "retire", "--yes");
  // Grants are good for six hours, whoever made them.
  expect([asked.code, asked.err]).toEqual([1, expect.stringContaining("sign.grant 1: still needed by grants")]);
  await eventually(
    "the old keys to be gone",
    async () => {
      await service.command("keys", "retire", "--yes");
      const { states } = await ground(({ keyholders }) => keyholders.keeper.keys.states());
      const gone = keyPurposes.filter((purpose) => states.find((state) => state.purpose === purpose)?.retiredUpTo);
      await pause(1_000);
      // DKIM stays until its record is out, and no signal was ever signed.
      return gone.length === keyPurposes.length - 2 ? gone : undefined;
    },
    90_000,
  );

  await ground(async ({ db, keyholders }) => {
    // What a checkpoint's key signed can be checked for ever; of the others all but those that are still needed refuse.
    const { states } = await keyholders.keeper.keys.states();
    const kept = states.filter(({ retiredUpTo }) => retiredUpTo === 0).map(({ purpose }) => purpose);
    expect(await takenOf(keyholders, old)).toEqual(
      keyPurposes.filter((purpose) => purpose === "sign.checkpoint" || kept.includes(purpose)),
    );
    // Everything of everybody opens, and everybody is found.
    const ids = population.map((person) => person.accountId);
    for (let from = 0; from < ids.length; from += 400) {
      const opened = await openAccounts({ db, keyholder: keyholders.operator }, ids.slice(from, from + 400));
      expect(
        opened.filter(({ name, addresses }) => name === "" || addresses.some(({ address }) => address === "")),
      ).toEqual([]);
    }
    const found: (AccountId | null)[] = [];
    for (const { address } of population) {
      found.push((await findAccount(db, await keyholders.operator.index("address", address))).accountId);
    }
    expect(found).toEqual(ids);
  });
  for (const token of [
    cookie,
    duringKills,
    ...population.slice(0, 50).map(({ sessions }) => sessions[0]!.token.revealText()),
  ]) {
    expect((await until("GET", "/api/session", { cookie: token })).status).toBe(200);
  }
  for (const address of ["ada@example.org", "bob@example.org"]) {
    expect((await until("POST", "/api/sessions", { body: { address, password } })).status).toBe(201);
  }
  const last = population.at(-1)!;
  const signedIn = await until("POST", "/api/sessions", {
    body: { address: last.address, password: populationPassword },
  });
  expect(signedIn.status, signedIn.text).toBe(201);
}, 600_000);
