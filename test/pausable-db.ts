import { openDb, type Db, type DbOptions, type Tx } from "../src/db/db.ts";

/** A database whose writes can be held up: reads pass, the next write waits until it is let go. */
export interface Pausing {
  readonly open: (options: DbOptions) => Db;
  /** Holds up every write from now on. */
  hold(): void;
  /** Resolves when a write is waiting. */
  reached(): Promise<void>;
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
  async function pass(): Promise<void> {
    if (gate === undefined) return;
    waiting.arrive();
    await gate.open;
  }
  const isWrite = (sql: string): boolean => writes.test(sql) && !counting.test(sql);
  const guarded = (tx: Tx): Tx => ({
    one: async (sql, parameters) => {
      if (isWrite(sql)) await pass();
      return tx.one(sql, parameters);
    },
    many: async (sql, parameters) => {
      if (isWrite(sql)) await pass();
      return tx.many(sql, parameters);
    },
    run: async (sql, parameters) => {
      if (isWrite(sql)) await pass();
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
          await pass();
          return db.transaction(work);
        },
      };
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = { open: promise, release: resolve };
      waiting = newWaiting();
    },
    reached: () => waiting.reached,
    letGo: () => {
      gate?.release();
      gate = undefined;
    },
  };
}
