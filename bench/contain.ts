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
  full: { large: 1_000_000, small: 10_000, rounds: 15 },
  small: { large: 4_000, small: 400, rounds: 3 },
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

/** Containment of everybody, with a durable commit and a real keyholder, at two sizes in turn. */
export async function measureContain(bench: Bench): Promise<Measured> {
  const { scale, say } = bench;
  const { large, small, rounds } = sizes[scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const operator = await keyholder.connect("operator");
  const largeDb = await openServiceDatabase(bench, postgres, "large");
  const smallDb = await openServiceDatabase(bench, postgres, "small");

  for (const db of [largeDb, smallDb]) {
    const { databaseId, ...first } = await readStanding(db);
    await operator.witness.enrol(databaseId, first);
  }

  say(
    `making ${large.toLocaleString("en")} and ${small.toLocaleString("en")} accounts with ${sessionsEach} sessions each`,
  );
  await fill(largeDb, large, say);
  await fill(smallDb, small, say);

  say(`containing ${rounds} times each, in turn`);
  // Once each before: prepared statements, catalogue caches, the case.
  await containOnce(largeDb, operator.witness);
  await containOnce(smallDb, operator.witness);
  const folder = await temporaryFolder(bench);
  const measured = await interleaved(rounds, {
    large: () => containOnce(largeDb, operator.witness),
    small: () => containOnce(smallDb, operator.witness),
    fsync: () => fsyncMs(folder),
  });

  say("the other way: updating and deleting the rows");
  const { updateMs, deleteMs } = await touchEveryRow(smallDb, small * sessionsEach);
  const of = (which: "large" | "small", key: keyof Containing): number =>
    median(measured[which].map((run) => run[key]));
  const containLargeMs = of("large", "untilCommitMs");
  const containSmallMs = of("small", "untilCommitMs");
  return {
    figures: {
      largeAccounts: large,
      smallAccounts: small,
      containLargeMs,
      containSmallMs,
      containLargeToSmall: containLargeMs / containSmallMs,
      transactionLargeMs: of("large", "transactionMs"),
      transactionSmallMs: of("small", "transactionMs"),
      confirmedLargeMs: of("large", "untilConfirmedMs"),
      confirmedSmallMs: of("small", "untilConfirmedMs"),
      countLargeMs: of("large", "countMs"),
      fsyncMs: median(measured.fsync),
      updateSmallMs: updateMs,
      deleteSmallMs: deleteMs,
    },
    what: {
      largeAccounts: `accounts, ${sessionsEach} sessions each`,
      smallAccounts: `accounts, ${sessionsEach} sessions each`,
      containLargeMs: "from the call to the commit, the witness's intent included",
      containSmallMs: "the same at the smaller size",
      containLargeToSmall: "times as long at the larger size",
      transactionLargeMs: "the transaction alone",
      transactionSmallMs: "the same at the smaller size",
      confirmedLargeMs: "until seen by another connection and confirmed to the witness",
      confirmedSmallMs: "the same at the smaller size",
      countLargeMs: "the count that is printed afterwards",
      fsyncMs: "one durable write of 8 KiB on this disk",
      updateSmallMs: "ending every session row instead, at the smaller size",
      deleteSmallMs: "deleting every session row instead, at the smaller size",
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
