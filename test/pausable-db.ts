import { openDb, type Db, type DbOptions, type Tx } from "../src/db/db.ts";

/** A database whose statements can be held up: reads pass, the next write waits until it is let go; or one chosen statement. */
export interface Pausing {
  readonly open: (options: DbOptions) => Db;
  /** Holds up every write from now on; or, given a number, the one statement before which so many more are made. */
  hold(before?: number): void;
  /** Resolves when a write is waiting. */
  reached(): Promise<void>;
  /** The statements that have been made since `hold`. */
  made(): readonly string[];
  letGo(): void;
}

const writes = /^\s*(insert|update|delete|with\s+\w+\s+as\s+\(\s*(insert|update|delete))\b/i;
/** Counting a try or a request comes before any proof and gives nothing; authority is made by the writes after it. */
const counting =
  /^\s*(insert into (throttle|passkey_challenge)|update passkey_challenge set used_at|update (sign_up|ticket|address_claim|sign_in_step s) set tries|update totp t\s+set failures|update link l\b)/i;

export function pausing(): Pausing {
  let gate: { readonly open: Promise<void>; readonly release: () => void } | undefined;
  let waiting: { readonly reached: Promise<void>; readonly arrive: () => void } = newWaiting();

  function newWaiting(): { reached: Promise<void>; arrive: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { reached: promise, arrive: resolve };
  }
  let toGo: number | undefined;
  let made: string[] = [];
  async function pass(isHeld: boolean, sql = "begin"): Promise<void> {
    if (gate === undefined) return;
    if (toGo === undefined ? isHeld : toGo-- === 0) {
      waiting.arrive();
      await gate.open;
    }
    made.push(sql);
  }
  const isWrite = (sql: string): boolean => writes.test(sql) && !counting.test(sql);
  const guarded = (tx: Tx): Tx => ({
    one: async (sql, parameters) => {
      await pass(isWrite(sql), sql);
      return tx.one(sql, parameters);
    },
    many: async (sql, parameters) => {
      await pass(isWrite(sql), sql);
      return tx.many(sql, parameters);
    },
    run: async (sql, parameters) => {
      await pass(isWrite(sql), sql);
      return tx.run(sql, parameters);
    },
  });

  return {
    open: (options) => {
      const db = openDb(options);
      return {
        ...db,
        ...guarded(db),
        transaction: async (work) => {
          await pass(true);
          return db.transaction((tx) => work(toGo === undefined ? tx : guarded(tx)));
        },
      };
    },
    hold: (before) => {
      toGo = before;
      made = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = { open: promise, release: resolve };
      waiting = newWaiting();
    },
    reached: () => waiting.reached,
    made: () => made,
    letGo: () => {
      gate?.release();
      gate = undefined;
    },
  };
}
