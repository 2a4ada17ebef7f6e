import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PoolConfig } from "pg";
import { layGround, type Ground, type GroundOptions } from "../src/app.ts";
import { buildWeb, type Web } from "../src/app-web.ts";
import { compareKeyUse } from "../src/key-use/compare.ts";
import { readDatabaseId } from "../src/credentials/standing.ts";
import type { UseCounts } from "../src/keyholder/key-uses.ts";
import { parseConfig } from "../src/config/config.ts";
import { browserCookie, secretText, sessionCookie } from "../src/http/cookies.ts";
import { dayMs, manualClock, type ManualClock } from "../src/kernel/clock.ts";
import { silentLog, type Log } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import type { HashCost } from "../src/credentials/hash-pool.ts";
import { testKeyholder, type TestKeyholder } from "../src/keyholder/test-keyholder.ts";
import { openLetter, type OpenedLetter } from "../src/mail/sealed-letter.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly text: string;
  readonly headers: Record<string, unknown>;
  readonly cookies: Readonly<Record<string, string>>;
}

export interface CallOptions {
  readonly body?: unknown;
  /** A session's token stands for the browser that was given it: if the service has replaced it since, the newest is sent. */
  readonly cookies?: Readonly<Record<string, string>>;
  /** Sent as they are, by somebody who has a copy. */
  readonly exactCookies?: Readonly<Record<string, string>>;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The network address the request comes from; 127.0.0.1 unless given. */
  readonly from?: string;
}

export interface TestService {
  readonly ground: Ground;
  readonly web: Web;
  readonly clock: ManualClock;
  readonly keyholder: TestKeyholder;
  readonly folder: string;
  call(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string, options?: CallOptions): Promise<Answer>;
  /** The token that the browser which was given this one holds by now. */
  newestOf(token: string): string;
  /** Letters that wait in the queue, the newest first, opened by the mailer's key. */
  letters(): Promise<OpenedLetter[]>;
  /** Signs up and confirms. @returns the account's id. */
  account(address: string, password: string, name?: string): Promise<string>;
  /** @returns the session cookie's value. */
  signIn(address: string, password: string): Promise<string>;
  /** @returns an operator's session cookie, by a single-use link. */
  operator(): Promise<string>;
}

/**
 * A hash at this cost is a thousandth of a true one: what is proved over it does not depend on it, and there are thousands. What the
 * true one is and that it is kept to is the part of test/crypto-vectors.
 */
export const testHashCost: HashCost = { memoryKib: 8, passes: 1, parallelism: 1 };

export interface OpenServiceOptions {
  /** A migrated database. */
  readonly connection: PoolConfig;
  readonly startAt?: number;
  readonly open?: GroundOptions["open"];
  readonly hashCost?: HashCost;
  readonly hashThreads?: number;
  readonly log?: Log;
  /** How often the lobby moves by itself, and what it may give out. */
  readonly lobby?: { readonly everyMs?: number; readonly hashesPerSecond?: () => number };
  readonly settings?: Readonly<Record<string, string>>;
  /** Why keys are used that nobody announced, or why that cannot be seen at the end. */
  readonly surplusIsMeant?: string;
}

/**
 * The whole web side over a database, a real key process and a clock that stands still; nothing of ours is replaced. The
 * caller closes it, and the database afterwards.
 */
export async function openService({
  connection,
  startAt = Date.UTC(2026, 10, 22, 20, 0, 0),
  open,
  hashCost = testHashCost,
  hashThreads = 1,
  log = silentLog,
  // It moves only when a test moves it, so that statements can be counted, and there is room for everybody.
  lobby = { everyMs: dayMs, hashesPerSecond: () => 1_000_000 },
  settings = {},
  surplusIsMeant,
}: OpenServiceOptions): Promise<TestService & { readonly close: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-service-"));
  const libraryDir = join(folder, "library");
  const keyholder = await testKeyholder();
  const clock = manualClock(startAt);
  const config = parseConfig(
    {
      DATA_DIR: folder,
      LIBRARY_DIR: libraryDir,
      PORT: "8400",
      HASH_THREADS: `${hashThreads}`,
      LOG_LEVEL: "silent",
      ...settings,
    },
    folder,
  );
  const { credentials, socketPath } = keyholder;
  const ground = await layGround({
    config,
    surroundings: { connection, keyholder: { socketPath, credentials } },
    log,
    clock,
    random: systemRandom,
    ...(open === undefined ? {} : { open }),
  });
  const web = await buildWeb(ground, {
    everyMs: dayMs,
    hashCost,
    lobby,
  });
  await web.app.ready();
  const close = async (): Promise<void> => {
    await web.close();
    try {
      if (surplusIsMeant === undefined) await everyUseWasAnnounced(ground, keyholder);
    } finally {
      await ground.close();
      await keyholder.stop();
      await rm(folder, { recursive: true, force: true });
    }
  };

  /** What a browser sends now that was once given a token: a proof puts another in its place. */
  const inJar = new Map<string, string>();
  const newestOf: TestService["newestOf"] = (token) => {
    let newest = token;
    for (let next = inJar.get(newest); next !== undefined; next = inJar.get(newest)) newest = next;
    return newest;
  };
  const jarOf = (cookies: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
    const token = cookies[sessionCookie];
    return token === undefined ? cookies : { ...cookies, [sessionCookie]: newestOf(token) };
  };

  const call: TestService["call"] = async (
    method,
    path,
    { body, cookies: kept, exactCookies, bearer, headers, from } = {},
  ) => {
    const cookies = kept === undefined ? exactCookies : jarOf(kept);
    const response = await web.app.inject({
      method,
      url: path,
      ...(body === undefined ? {} : { payload: body as object }),
      ...(cookies === undefined ? {} : { cookies: { ...cookies } }),
      ...(from === undefined ? {} : { remoteAddress: from }),
      headers: { ...headers, ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) },
    });
    const text = response.body;
    const set = Object.fromEntries(response.cookies.map(({ name, value }) => [name, value]));
    const [sent, next] = [cookies?.[sessionCookie], set[sessionCookie]];
    if (kept !== undefined && sent && next) inJar.set(sent, next);
    return { status: response.statusCode, text, body: readJson(text), headers: response.headers, cookies: set };
  };

  const letters = async (): Promise<OpenedLetter[]> => {
    const jobs = await ground.db.many<{ payload: { id: string; sealed: string } }>(
      `select payload from graphile_worker._private_jobs j
         join graphile_worker._private_tasks t on t.id = j.task_id
        where t.identifier in ('send-code', 'send-letter') order by j.id desc`,
    );
    const mailer = ground.keyholders.mailer;
    return Promise.all(jobs.map(({ payload }) => openLetter({ keyholder: mailer }, payload)));
  };

  const account: TestService["account"] = async (address, password, name) => {
    const asked = await call("POST", "/api/accounts", {
      body: { address, password, ...(name === undefined ? {} : { name }) },
    });
    if (asked.status !== 202) throw new Error(`sign-up: ${asked.status} ${asked.text}`);
    const letter = (await letters()).find(({ to }) => to === address);
    const confirmed = await call("POST", "/api/accounts/confirm", {
      body: { code: letter?.code },
      cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
    });
    if (confirmed.status !== 201) throw new Error(`confirm: ${confirmed.status} ${confirmed.text}`);
    return String(confirmed.body["accountId"]);
  };

  const signIn: TestService["signIn"] = async (address, password) => {
    const answer = await call("POST", "/api/sessions", { body: { address, password } });
    if (answer.status !== 201) throw new Error(`sign-in: ${answer.status} ${answer.text}`);
    return answer.cookies[sessionCookie] ?? "";
  };

  const operator = async (): Promise<string> => {
    const { secret } = await makeOperatorLink(ground);
    const answer = await call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } });
    if (answer.status !== 201) throw new Error(`operator: ${answer.status} ${answer.text}`);
    return answer.cookies[sessionCookie] ?? "";
  };

  return { ground, web, clock, keyholder, folder, call, newestOf, letters, account, signIn, operator, close };
}

/** P10, over every test that opens a service: the account of its keys' uses ends at zero, by the product's own comparison. */
async function everyUseWasAnnounced({ plainDb, keyholders, clock }: Ground, { hands }: TestKeyholder): Promise<void> {
  const { uses } = keyholders.keeper;
  let surplus: UseCounts = {};
  await compareKeyUse({
    db: plainDb,
    uses: {
      ...uses,
      callers: async (database) => {
        const all = await uses.callers(database);
        return { ...all, callers: all.callers.filter(({ id }) => !hands.has(id)) };
      },
    },
    databaseId: await readDatabaseId(plainDb),
    clock,
    ring: async (_tx, _now, { byPurpose }) => {
      surplus = byPurpose;
    },
  });
  if (Object.keys(surplus).length > 0) {
    throw new Error(`keys were used that nobody had announced: ${JSON.stringify(surplus)}`);
  }
}

function readJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
