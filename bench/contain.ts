import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Db } from "../src/db/db.ts";
import { contain } from "../src/incidents/contain.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { readStanding } from "../src/credentials/standing.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import type { Witness } from "../src/keyholder/keyholder.ts";
import { populateSynthetic } from "../test/population.ts";
import type { Bench, Measured } from "./bench.ts";
import { interleaved, median } from "./report.ts";
import {
  fsyncMs,
  openServiceDatabase,
  startDurablePostgres,
  startKeyProcess,
  temporaryFolder,
} from "./surroundings.ts";

const sizes = {
  full: { large: 3_000_000, middle: 100_000, small: 10_000, rounds: 15 },
  small: { large: 4_000, middle: 1_000, small: 400, rounds: 3 },
} as const;
const sessionsEach = 4;
/** Accounts per statement: the statement's foreign key checks wait in the server's memory. */
const chunk = 100_000;

interface Containing {
  /** From the call to the commit's answer: telling the witness the intent, and the transaction. */
  readonly untilCommitMs: number;
  readonly transactionMs: number;
  /** From the call until the witness has confirmed, without the count that follows. */
  readonly untilConfirmedMs: number;
  readonly countMs: number;
}

/** Containment of everybody, with a durable commit and a real keyholder, at three sizes in turn. */
export async function measureContain(bench: Bench): Promise<Measured> {
  const { scale, say } = bench;
  const { rounds, ...accounts } = sizes[scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const operator = await keyholder.connect("operator");
  const databases = {
    large: await openServiceDatabase(bench, postgres, "large"),
    middle: await openServiceDatabase(bench, postgres, "middle"),
    small: await openServiceDatabase(bench, postgres, "small"),
  };
  const { witness } = operator;
  for (const which of ["large", "middle", "small"] as const) {
    const { databaseId, ...first } = await readStanding(databases[which]);
    await witness.enrol(databaseId, first);
    say(`making ${accounts[which].toLocaleString("en")} accounts with ${sessionsEach} sessions each`);
    await fill(databases[which], accounts[which], say);
  }

  say(`containing ${rounds} times each, in turn`);
  // Once each before: prepared statements, catalogue caches, the case.
  for (const db of Object.values(databases)) await containOnce(db, witness);
  const folder = await temporaryFolder(bench);
  const measured = await interleaved(rounds, {
    large: () => containOnce(databases.large, witness),
    middle: () => containOnce(databases.middle, witness),
    small: () => containOnce(databases.small, witness),
    fsync: () => fsyncMs(folder),
  });

  say("the other way: updating and deleting the rows");
  const { updateMs, deleteMs } = await touchEveryRow(databases.middle, accounts.middle * sessionsEach);
  const of = (which: keyof typeof accounts, key: keyof Containing): number =>
    median(measured[which].map((run) => run[key]));
  const containLargeMs = of("large", "untilCommitMs");
  const containMiddleMs = of("middle", "untilCommitMs");
  const containSmallMs = of("small", "untilCommitMs");
  return {
    figures: {
      largeAccounts: accounts.large,
      middleAccounts: accounts.middle,
      smallAccounts: accounts.small,
      containLargeMs,
      containMiddleMs,
      containSmallMs,
      containLargeToMiddle: containLargeMs / containMiddleMs,
      containLargeToSmall: containLargeMs / containSmallMs,
      transactionLargeMs: of("large", "transactionMs"),
      transactionSmallMs: of("small", "transactionMs"),
      confirmedLargeMs: of("large", "untilConfirmedMs"),
      confirmedSmallMs: of("small", "untilConfirmedMs"),
      countLargeMs: of("large", "countMs"),
      fsyncMs: median(measured.fsync),
      updateMiddleMs: updateMs,
      deleteMiddleMs: deleteMs,
    },
    what: {
      largeAccounts: `accounts, ${sessionsEach} sessions each`,
      middleAccounts: `accounts, ${sessionsEach} sessions each`,
      smallAccounts: `accounts, ${sessionsEach} sessions each`,
      containLargeMs: "from the call to the commit, the witness's intent included",
      containMiddleMs: "the same in the middle",
      containSmallMs: "the same at the smallest",
      containLargeToMiddle: "times as long at the largest as in the middle",
      containLargeToSmall: "times as long at the largest as at the smallest",
      transactionLargeMs: "the transaction alone",
      transactionSmallMs: "the same at the smallest",
      confirmedLargeMs: "until seen by another connection and confirmed to the witness",
      confirmedSmallMs: "the same at the smallest",
      countLargeMs: "the count that is printed afterwards",
      fsyncMs: "one durable write of 8 KiB on this disk",
      updateMiddleMs: "ending every session row instead, in the middle",
      deleteMiddleMs: "deleting every session row instead, in the middle",
    },
  };
}

async function fill(db: Db, accounts: number, say: (line: string) => void): Promise<void> {
  // Only the filling does without the disk: both are reloaded, and nothing dirty is left when it is measured.
  await db.pool.query("alter system set fsync = off");
  await db.pool.query("alter system set full_page_writes = off");
  await db.pool.query("select pg_reload_conf()");
  for (let made = 0; made < accounts; made += chunk) {
    await populateSynthetic(db, { accounts: Math.min(chunk, accounts - made), sessionsEach });
    if (accounts > chunk) say(`  ${Math.min(made + chunk, accounts).toLocaleString("en")} accounts`);
  }
  await db.pool.query("vacuum (analyze)");
  await db.pool.query("alter system reset all");
  await db.pool.query("select pg_reload_conf()");
  await db.pool.query("checkpoint");
  await promisify(execFile)("sync");
  const { rows } = await db.pool.query<{ fsync: string }>("show fsync");
  if (rows[0]?.fsync !== "on") throw new Error("the cluster does not wait for the disk");
}

async function containOnce(db: Db, witness: Witness): Promise<Containing> {
  let committedAt = NaN;
  const noted: Db = {
    ...db,
    transaction: async (work) => {
      const result = await db.transaction(work);
      committedAt = performance.now();
      return result;
    },
  };
  const needs = {
    db: noted,
    witness,
    clock: systemClock,
    monotonicMs: () => performance.now(),
    random: systemRandom,
    log: silentLog,
  };
  const order = { mode: "everyone-out", keepTools: false, reason: "bench", operator: "bench" } as const;
  const started = performance.now();
  const contained = await contain(needs, order);
  const ended = performance.now();
  if (contained.witness !== "told") throw new Error("the witness was not told");
  return {
    untilCommitMs: committedAt - started,
    transactionMs: contained.commitMs,
    untilConfirmedMs: ended - started - contained.countedMs,
    countMs: contained.countedMs,
  };
}

/** What services without epochs do: each row is written. Both commit; the database is thrown away afterwards. */
async function touchEveryRow(db: Db, rows: number): Promise<{ readonly updateMs: number; readonly deleteMs: number }> {
  const timed = async (sql: string): Promise<number> => {
    const started = performance.now();
    const touched = await db.run(sql);
    if (touched !== rows) throw new Error(`${touched} rows instead of ${rows}`);
    return performance.now() - started;
  };
  return {
    updateMs: await timed(`update session set ended_at = now()`),
    deleteMs: await timed(`delete from session`),
  };
}
