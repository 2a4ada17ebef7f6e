import { createHash } from "node:crypto";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { every, sleep } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { GrowingPool } from "./growing-pool.ts";
import { LeavingClient } from "./leaving-client.ts";
import { endLostConnections } from "./lost-connections.ts";
import { translate } from "./unavailable.ts";

/** A value that goes into a statement as `$n`. */
export type Parameter = string | number | boolean | Date | Uint8Array | null | readonly unknown[];

/** One literal statement at a time, inside the open transaction or on any free connection. */
export interface Tx {
  /** Its first row, or `undefined`. */
  one<Row extends object>(sql: string, parameters?: readonly Parameter[]): Promise<Row | undefined>;
  many<Row extends object>(sql: string, parameters?: readonly Parameter[]): Promise<Row[]>;
  /** @returns how many rows it touched. */
  run(sql: string, parameters?: readonly Parameter[]): Promise<number>;
}

export interface Db extends Tx {
  /**
   * Runs `work` in one transaction (read committed) and commits, or rolls back and throws what it threw. `work` does not catch what a
   * statement throws: the transaction is over with it, and IMPOSSIBLE is thrown where `work` returns all the same. When two wait for
   * each other's rows, the one that PostgreSQL ends is begun again: `work` leaves nothing outside of the database. No password hash, no
   * keyholder call and no network inside: a transaction holds a connection. Statements that do not need each other's rows go out in
   * one write when asked in one moment (`Promise.all`), and run in the order asked.
   */
  transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>;

  /** Runs `work`, which only reads, so that everything it reads stands at one instant (repeatable read). */
  snapshot<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>;

  /**
   * The same, for what may take long and is not worth waiting for: PostgreSQL ends a statement that takes longer than
   * `withinMs`, and the answer is then `undefined`. One of `null` takes as long as it takes.
   */
  snapshotWithin<Result>(withinMs: number | null, work: (tx: Tx) => Promise<Result>): Promise<Result | undefined>;

  /**
   * Runs `work` while no other connection to this database, of any process, holds the turn named `key`. After `waitMs` in
   * vain it runs all the same: whoever holds the turn may have been stopped in it. The turn is an advisory lock of one of the pool's
   * connections, and ends with it. If the pool can get no second connection for `work`, it gives the turn up for that one.
   */
  takingTurns<Result>(key: number, waitMs: number, work: () => Promise<Result>): Promise<Result>;

  /**
   * The same statements, given up as DB_UNAVAILABLE when the database has not answered in three seconds, and their
   * connection with them: a connection can be stalled without being closed, and whoever asks whether a session is good
   * must be answered, and not with yes.
   */
  readonly prompt: Tx;

  /**
   * The same statements, for one piece of work: what it asks in one moment (`Promise.all`) leaves on one connection, in one
   * write, and is answered in that order. For reads that do not need each other's rows.
   */
  together(): Tx;

  /** The query builder, for everyday queries. Statements an auditor must read are literal SQL. */
  builder<Tables>(): Kysely<Tables>;

  /**
   * Calls `notified` for each NOTIFY on the channel, on a connection of its own that reconnects by itself;
   * `reconnected` runs after each gap, since what was sent meanwhile is lost (correctness never depends on it).
   */
  listen(
    channel: string,
    notified: (payload: string) => void,
    reconnected: () => void,
  ): Promise<{ close(): Promise<void> }>;

  /** The pool itself, for graphile-worker and the query builder. Its connections take no COPY. */
  readonly pool: pg.Pool;

  /** A connection outside of the pool, for COPY; whoever takes it ends it. */
  connectForCopy(): Promise<pg.Client>;

  /** How many statements ran so far; tests compare the work of different refusals by it. */
  statements(): number;

  /** Ends when what is under way has ended, and whoever waits for a connection has had theirs (5 s at most). */
  close(): Promise<void>;
}

export interface DbOptions {
  /** A connection string, or a socket directory's settings. */
  readonly connection: pg.PoolConfig;
  readonly log: Log;
  readonly maxConnections?: number;
  /**
   * How many connections stay open though nobody uses them: one that was closed cannot be had again while others have used up all
   * that PostgreSQL takes. None, unless given.
   */
  readonly keptConnections?: number;
  /** How long the others stay open unused. */
  readonly idleMs?: number;
  /**
   * Runs on each new connection before anything else does; the connection is refused if it throws. The witness is
   * asked here, so that a database swapped under a running process is noticed with its first connection.
   */
  readonly onConnect?: (tx: Tx) => Promise<void>;
  /**
   * How long a statement waits for what another transaction has locked before it fails as DB_UNAVAILABLE; for ever, unless given. A
   * host that was cut off in the middle of a transaction keeps its locks for ten seconds.
   */
  readonly lockWaitMs?: number;
  /** How often connections that went silent are looked for. */
  readonly lookEveryMs?: number;
}

/** What takes a statement: a connection, or the pool. */
interface Asked {
  query<Row extends object>(asked: pg.QueryConfig): Promise<pg.QueryResult<Row>>;
}

interface StatementOptions {
  /** A statement that takes longer is given up, and its connection with it. */
  readonly withinMs?: number;
  readonly beforeEach?: () => void;
}

// `bigint` columns hold epochs, sizes and counters, all far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const anyInstant = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ, "text") as (text: string) => Date;
const utcInstant = /^[1-9]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?\+00$/;
const twoDigits = (text: string, at: number): number => 10 * text.charCodeAt(at) + text.charCodeAt(at + 1) - 528;
// Connections speak UTC, so nearly every instant has this shape, and its digits are read many times faster than by the
// driver's own parser, which was a twentieth of a session check.
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text: string): Date => {
  if (!utcInstant.test(text)) return anyInstant(text);
  const year = 100 * twoDigits(text, 0) + twoDigits(text, 2);
  const ms = text.length > 22 ? Number(text.slice(20, Math.min(23, text.length - 3)).padEnd(3, "0")) : 0;
  // oxlint-disable-next-line no-restricted-globals -- it reads what is written, and asks no clock
  const instant = Date.UTC(
    year,
    twoDigits(text, 5) - 1,
    twoDigits(text, 8),
    twoDigits(text, 11),
    twoDigits(text, 14),
    twoDigits(text, 17),
    ms,
  );
  // oxlint-disable-next-line no-restricted-globals -- as above
  return new Date(instant);
});

/** The SQLSTATE of an error thrown by a statement, for the few callers that turn a unique violation into an outcome. */
export function sqlState(thrown: unknown): string | undefined {
  return thrown instanceof pg.DatabaseError ? thrown.code : undefined;
}

const turnStepMs = 25;
const closeStepMs = 10;
const connectMs = 5_000;
const deadlockDetected = "40P01";
const queryCanceled = "57014";
const deadlockTries = 3;
const promptMs = 3_000;
const usualLookMs = 2_000;
const usualIdleMs = 60_000;
/**
 * How long PostgreSQL waits for the next statement of a transaction. A node whose network is cut in the middle of one would keep
 * its locks for hours, the floors' among them, and nobody could contain; a node that lives asks its next within milliseconds.
 */
const silentMs = 10_000;
/**
 * How soon PostgreSQL notices that whoever asked for a statement has gone, and ends it: one that waits for a lock would get it after
 * an hour, and write what somebody was told had failed.
 */
const goneMs = 5_000;
/** A connection that listens is asked for a sign of life after this. */
const quietMs = 10_000;

/** Opens a pool. Connections are made when first needed; a lost one is replaced. */
export function openDb(options: DbOptions): Db {
  const { connection, log, maxConnections = 10, keptConnections = 0, idleMs = usualIdleMs } = options;
  const { onConnect, lockWaitMs = 0, lookEveryMs = usualLookMs } = options;
  const applicationName = connection.application_name ?? "houselights";
  const pool = new GrowingPool({
    ...connection,
    max: maxConnections,
    min: keptConnections,
    Client: LeavingClient,
    connectionTimeoutMillis: connectMs,
    idleTimeoutMillis: idleMs,
    application_name: applicationName,
    // A statement is sent without waiting for the answer to the one before.
    pipeline: true,
    // oxlint-disable-next-line typescript/no-misused-promises -- pg-pool waits for it; its types do not say so
    onConnect: async (client: pg.ClientBase) => {
      // From its first statement on: one that goes silent here would keep its place in the pool for good.
      lost.watch(client);
      // By statements: a proxy in front of the database refuses such options at the start, and has process ids of its own.
      const introduced = client.query<{ process: number }>(
        `select pg_backend_pid() as process, set_config('idle_in_transaction_session_timeout', $1, false),
                set_config('lock_timeout', $2, false)`,
        [String(silentMs), String(lockWaitMs)],
      );
      const noticesGone = client.query(`select set_config('client_connection_check_interval', $1, false)`, [
        String(goneMs),
      ]);
      // PostgreSQL refuses this setting on systems that cannot tell it.
      noticesGone.catch(() => undefined);
      const [row] = (await introduced).rows;
      if (row !== undefined) lost.isProcess(client, row.process);
      await onConnect?.(statementsOn(client));
    },
  });
  pool.on("error", (error) => log.warn({ reason: messageOf(error) }, "an idle database connection was lost"));
  // A connection lost while it is lent out fails the statement under way; without a listener it would end the process.
  const noteLost = (error: Error): void => log.debug({ reason: messageOf(error) }, "connection lost");
  pool.on("connect", (client) => client.on("error", noteLost));

  const lost = endLostConnections({
    pool,
    connection: { ...connection, application_name: applicationName },
    log,
    everyMs: lookEveryMs,
  });

  let statementCount = 0;
  const names = new Map<string, string>();
  const nameOf = (sql: string): string => {
    let name = names.get(sql);
    if (name === undefined) {
      name = createHash("sha256").update(sql).digest("base64url").slice(0, 32);
      names.set(sql, name);
    }
    return name;
  };

  // Literal statements are prepared once per connection: the check and the claims run thousands of times a second.
  function statementsOn(client: Asked, { withinMs, beforeEach }: StatementOptions = {}): Tx {
    const query = async <Row extends object>(sql: string, parameters: readonly Parameter[] = []) => {
      statementCount++;
      beforeEach?.();
      try {
        // The driver takes a limit for one statement; its types do not say so.
        const asked: pg.QueryConfig & { query_timeout?: number } = {
          name: nameOf(sql),
          text: sql,
          values: parameters.map(toParameter) as unknown[],
          ...(withinMs === undefined ? {} : { query_timeout: withinMs }),
        };
        return await client.query<Row>(asked);
      } catch (thrown) {
        throw translate(thrown);
      }
    };
    return {
      one: async <Row extends object>(sql: string, parameters?: readonly Parameter[]) =>
        (await query<Row>(sql, parameters)).rows[0],
      many: async <Row extends object>(sql: string, parameters?: readonly Parameter[]) =>
        (await query<Row>(sql, parameters)).rows,
      run: async (sql, parameters) => (await query(sql, parameters)).rowCount ?? 0,
    };
  }

  const take = (): Promise<pg.PoolClient> =>
    pool.connect().catch((thrown: unknown) => {
      throw translate(thrown);
    });

  /** Joins the writes of one moment: each wakes PostgreSQL, which on a busy machine takes the processor from whoever wrote. */
  const corkForNow = ({ connection: { stream } }: pg.PoolClient): void => {
    if (stream.writableCorked > 0) return;
    stream.cork();
    process.nextTick(() => stream.uncork());
  };

  const together = (): Tx => {
    let shared: Promise<pg.PoolClient> | undefined;
    let unanswered = 0;
    return statementsOn({
      query: async <Row extends object>(asked: pg.QueryConfig): Promise<pg.QueryResult<Row>> => {
        unanswered++;
        const lent = (shared ??= take());
        try {
          const client = await lent;
          corkForNow(client);
          return await client.query<Row>(asked);
        } finally {
          if (--unanswered === 0) {
            shared = undefined;
            lent.then(
              (client) => client.release(),
              () => undefined,
            );
          }
        }
      },
    });
  };

  async function transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
    for (let tries = 1; ; tries++) {
      try {
        return await tryTransaction("begin", work);
      } catch (thrown) {
        // PostgreSQL ended it so that another could go on, and nothing of it is left.
        if (sqlState(thrown) !== deadlockDetected || tries === deadlockTries) throw thrown;
      }
    }
  }

  async function tryTransaction<Result>(begin: string, work: (tx: Tx) => Promise<Result>): Promise<Result> {
    const client = await take();
    let broken: Error | undefined;
    let isOver = false;
    const beforeEach = (): void => {
      // Part of a `Promise.all` that has failed in another part: on this connection it would be committed by itself.
      if (isOver) throw new Fault("IMPOSSIBLE", "a statement after the end of its transaction");
      corkForNow(client);
    };
    try {
      // Waited for before anything else is sent: without it, each statement would be committed by itself.
      await client.query(begin);
      const result = await work(statementsOn(client, { beforeEach }));
      isOver = true;
      const { command } = await client.query("commit");
      // What an error has ended PostgreSQL rolls back when it is told to commit, and says so by this word alone.
      if (command !== "COMMIT")
        throw new Fault("IMPOSSIBLE", "a transaction went on after one of its statements failed");
      return result;
    } catch (thrown) {
      isOver = true;
      await client.query("rollback").catch((error: unknown) => {
        broken = error instanceof Error ? error : new Error(String(error));
      });
      throw translate(thrown);
    } finally {
      // A connection that could not even roll back is destroyed, which rolls back on the server.
      client.release(broken);
    }
  }

  const snapshot = <Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> =>
    tryTransaction("begin isolation level repeatable read read only", work);

  async function takeTurn(key: number, waitMs: number): Promise<pg.PoolClient | undefined> {
    for (let waitedMs = 0; ; waitedMs += turnStepMs) {
      const client = await pool.connect();
      let isTaken: boolean | undefined;
      try {
        const { rows } = await client.query<{ taken: boolean }>(`select pg_try_advisory_lock($1) as taken`, [key]);
        isTaken = rows[0]?.taken === true;
        if (isTaken) return client;
      } finally {
        // Given back while waiting: whoever has the turn needs connections of the same pool. One that did not answer may
        // have taken the turn, which ends with it.
        if (isTaken !== true) client.release(isTaken === undefined);
      }
      if (waitedMs >= waitMs) return undefined;
      await sleep(turnStepMs);
    }
  }

  async function takingTurns<Result>(key: number, waitMs: number, work: () => Promise<Result>): Promise<Result> {
    const turn = await takeTurn(key, waitMs).catch((thrown: unknown) => {
      throw translate(thrown);
    });
    let isGiven = turn === undefined;
    const giveBack = async (): Promise<void> => {
      if (isGiven) return;
      isGiven = true;
      const kept = await turn?.query(`select pg_advisory_unlock($1)`, [key]).then(
        () => true,
        () => false,
      );
      turn?.release(kept === false);
    };
    try {
      if (!(await pool.hasAnother())) await giveBack();
      return await work();
    } finally {
      await giveBack();
    }
  }

  return {
    ...statementsOn(pool),
    prompt: statementsOn(pool, { withinMs: promptMs }),
    transaction,
    snapshot,
    snapshotWithin: async (withinMs, work) => {
      if (withinMs === null) return snapshot(work);
      try {
        return await snapshot(async (tx) => {
          await tx.one(`select set_config('statement_timeout', $1, true)`, [String(withinMs)]);
          return work(tx);
        });
      } catch (thrown) {
        if (sqlState(thrown) === queryCanceled) return undefined;
        throw thrown;
      }
    },
    together,
    takingTurns,
    builder: <Tables>() => new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }),
    listen: (channel, notified, reconnected) =>
      listen({ connection, log, applicationName }, channel, notified, reconnected),
    pool,
    connectForCopy: async () => {
      if (pool.ending) throw new Error("the database is closed");
      const client = new LeavingClient({
        ...connection,
        application_name: applicationName,
        connectionTimeoutMillis: connectMs,
      });
      client.on("error", noteLost);
      try {
        await client.connect();
        lost.watch(client);
        const { rows } = await client.query<{ process: number }>(`select pg_backend_pid() as process`);
        if (rows[0] !== undefined) lost.isProcess(client, rows[0].process);
        await onConnect?.(statementsOn(client));
      } catch (thrown) {
        await client.end();
        throw translate(thrown);
      }
      return client;
    },
    statements: () => statementCount,
    close: async () => {
      // A pool that ends leaves those who wait for a connection waiting until their time is over, when nobody may listen any more.
      for (let waitedMs = 0; pool.waitingCount > 0 && waitedMs < connectMs; waitedMs += closeStepMs)
        await sleep(closeStepMs);
      await pool.end().finally(() => lost.stop());
    },
  };
}

/** node-postgres takes Buffers for bytea; a bare Uint8Array would be sent as JSON. */
function toParameter(value: Parameter): unknown {
  if (value instanceof Uint8Array && !Buffer.isBuffer(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return value;
}

async function listen(
  { connection, log, applicationName }: Pick<DbOptions, "connection" | "log"> & { readonly applicationName: string },
  channel: string,
  notified: (payload: string) => void,
  reconnected: () => void,
): Promise<{ close(): Promise<void> }> {
  let client: LeavingClient | undefined;
  let closed = false;

  async function connect(): Promise<void> {
    const next = new LeavingClient({
      ...connection,
      application_name: `${applicationName} listen ${channel}`,
      connectionTimeoutMillis: connectMs,
      query_timeout: connectMs,
      // It says nothing for hours: without this, one that a switch has forgotten would never be noticed.
      keepAlive: true,
      keepAliveInitialDelayMillis: quietMs,
    });
    next.on("notification", (message) => {
      if (message.channel === channel) notified(message.payload ?? "");
    });
    next.on("error", (error) => {
      log.warn({ reason: messageOf(error), channel }, "the listening connection was lost");
      client = undefined;
    });
    next.on("end", () => {
      if (client === next) client = undefined;
    });
    try {
      await next.connect();
      await next.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (thrown) {
      // A standby lets itself be connected to and refuses to listen: tried twice a second, it would be full in a minute.
      await next.end().catch(() => undefined);
      throw thrown;
    }
    client = next;
  }

  await connect().catch((thrown: unknown) => {
    throw translate(thrown);
  });
  const keeper = every(500, async () => {
    if (client !== undefined || closed) return;
    try {
      await connect();
      reconnected();
    } catch (thrown) {
      log.debug({ reason: messageOf(thrown), channel }, "the listening connection is not back yet");
    }
  });
  return {
    close: async () => {
      closed = true;
      await keeper.stop();
      await client?.end();
    },
  };
}
