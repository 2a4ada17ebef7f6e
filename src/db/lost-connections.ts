import pg from "pg";
import { after, secondMs, sleep } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { LeavingClient, streamOf } from "./leaving-client.ts";

interface Watching {
  readonly pool: pg.Pool;
  /** The pool's own settings, for a connection beside it. */
  readonly connection: pg.PoolConfig;
  readonly log: Log;
  readonly everyMs: number;
}

export interface LostConnections {
  /** Looks after a connection from now on, until it ends. */
  watch(client: pg.ClientBase): void;
  /** What PostgreSQL calls the process of a connection. One that has not said so is lost as soon as it is silent. */
  isProcess(client: pg.ClientBase, process: number): void;
  stop(): void;
}

/** What the driver knows of a connection and its types do not say: whether an answer is owed. */
const isWaiting = (client: pg.ClientBase): boolean =>
  (client as unknown as { readonly readyForQuery?: boolean }).readyForQuery === false;

interface Silence {
  readonly bytesRead: number;
  /** Looks at which PostgreSQL was not at work for a connection that waits for it. */
  readonly strikes: number;
}

/** The answer may be on its way in the moment in which PostgreSQL says that it is done: it has to say so at two looks. */
const strikesNeeded = 2;
const askWithinMs = 5_000;
const askAgainMs = secondMs / 4;
/**
 * A process that was itself stopped or busy finds its time run out before it has read what came meanwhile: it is given this to read it.
 */
const readAgainMs = secondMs / 5;

/** The processes that are at work for us; or that PostgreSQL does not answer at all. */
type Answer = ReadonlySet<number> | "away";

/**
 * Ends connections whose answer will not come. This is the one rule for how long a statement is waited for: for as long as PostgreSQL
 * is at work on it, be it minutes, and for some seconds once PostgreSQL says that it is not, or says nothing at all.
 *
 * A firewall that forgets its connections, or an address that moves, leaves them open and silent, and the system notices after a
 * quarter of an hour; a server that is stopped, or whose host stands still, leaves all of them so. Meanwhile they fill the pool, and
 * whoever waits for them waits. So when a connection waits and hears nothing, PostgreSQL is asked over a new connection whether it is
 * at work for the old one. If it is not, that one is ended, and its statement fails like any whose connection was lost. If nobody
 * answers the question, every connection is ended that stayed silent while it was asked.
 */
export function endLostConnections({ pool, connection, log, everyMs }: Watching): LostConnections {
  const made = new Set<pg.ClientBase>();
  const processes = new WeakMap<pg.ClientBase, number>();
  const readBefore = new WeakMap<pg.ClientBase, number>();
  let silences = new Map<pg.ClientBase, Silence>();
  let isAway = false;
  let isStopped = false;
  let callOff = (): void => undefined;

  const isSilent = (client: pg.ClientBase, since: Silence | undefined): since is Silence =>
    isWaiting(client) && streamOf(client).bytesRead === since?.bytesRead;

  /** Said once, and once more when it is over. */
  function note(isAwayNow: boolean, statements: number): void {
    if (isAwayNow === isAway) return;
    isAway = isAwayNow;
    if (isAway) log.warn({ statements }, "the database does not answer: what waits for it is given up, until it does");
    else log.info("the database answers again");
  }

  function hasHeard(): boolean {
    let heard = false;
    for (const client of made) {
      const { bytesRead } = streamOf(client);
      heard ||= bytesRead > (readBefore.get(client) ?? 0);
      readBefore.set(client, bytesRead);
    }
    return heard;
  }

  async function look(): Promise<void> {
    if (hasHeard()) note(false, 0);
    const silent = new Set([...made].filter((client) => isSilent(client, silences.get(client))));
    const asked = [...silent].flatMap((client) => processes.get(client) ?? []);
    const answer: Answer = silent.size === 0 ? new Set<number>() : await ask(asked);
    const next = new Map<pg.ClientBase, Silence>();
    const lost: pg.ClientBase[] = [];
    for (const client of made) {
      if (!isWaiting(client)) continue;
      const { bytesRead } = streamOf(client);
      const before = silences.get(client);
      const isStillSilent = silent.has(client) && isSilent(client, before);
      const process = processes.get(client);
      const isAtWork = answer !== "away" && process !== undefined && answer.has(process);
      const strike = answer === "away" ? strikesNeeded : 1;
      const strikes = isStillSilent && !isAtWork ? before.strikes + strike : 0;
      if (strikes < strikesNeeded) next.set(client, { bytesRead, strikes });
      else lost.push(client);
    }
    silences = next;
    if (answer === "away") note(true, lost.length);
    for (const client of lost) {
      if (answer !== "away")
        log.warn({ process: processes.get(client) }, "a database connection went silent and is ended");
      streamOf(client).destroy(new Error("Connection terminated: it went silent"));
    }
  }

  async function ask(asked: readonly number[]): Promise<Answer> {
    const gaveUp = new AbortController();
    const late = sleep(askWithinMs, gaveUp.signal).then(() => sleep(readAgainMs, gaveUp.signal));
    try {
      return await Promise.race([askUntil(gaveUp.signal, asked), late.then((): Answer => "away")]);
    } finally {
      gaveUp.abort();
    }
  }

  /** Asked again as often as it fails: a refusal takes no time, and says little of a server that is being asked by many. */
  async function askUntil(signal: AbortSignal, asked: readonly number[]): Promise<Answer> {
    while (!signal.aborted) {
      try {
        return await askBeside(connection, signal, (client) => processesAtWork(client, asked)).catch(
          (thrown: unknown) => {
            // It lives, and takes no further connection: it is asked over one of the pool.
            if (thrown instanceof pg.DatabaseError) return processesAtWork(pool, asked);
            throw thrown;
          },
        );
      } catch (thrown) {
        log.debug({ reason: messageOf(thrown) }, "silent connections could not be asked for");
        await sleep(askAgainMs, signal);
      }
    }
    return "away";
  }

  const again = (): void => {
    if (isStopped) return;
    callOff = after(everyMs, () => {
      look()
        .catch((thrown: unknown) => log.error({ reason: messageOf(thrown) }, "silent connections were not looked at"))
        .finally(again);
    });
  };
  again();
  return {
    watch: (client) => {
      made.add(client);
      client.once("end", () => made.delete(client));
    },
    isProcess: (client, process) => processes.set(client, process),
    stop: () => {
      isStopped = true;
      callOff();
    },
  };
}

/** Over a connection of its own, which is closed when `signal` aborts. */
async function askBeside<Result>(
  connection: pg.PoolConfig,
  signal: AbortSignal,
  ask: (client: pg.ClientBase) => Promise<Result>,
): Promise<Result> {
  const client = new LeavingClient(connection);
  client.on("error", () => undefined);
  const close = (): void => void streamOf(client).destroy();
  signal.addEventListener("abort", close, { once: true });
  try {
    await client.connect();
    return await ask(client);
  } finally {
    signal.removeEventListener("abort", close);
    await client.end().catch(() => undefined);
  }
}

/** Those of the processes that are at work on a statement, or wait for a lock in one. */
async function processesAtWork(
  over: Pick<pg.ClientBase, "query"> | pg.Pool,
  processes: readonly number[],
): Promise<ReadonlySet<number>> {
  const { rows } = await over.query<{ pid: number }>(
    `select pid from pg_stat_activity where pid = any($1::integer[]) and coalesce(state, '') not like 'idle%'`,
    [processes],
  );
  return new Set(rows.map(({ pid }) => pid));
}
