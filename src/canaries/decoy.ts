import { pbkdf2Sync } from "node:crypto";
import { dayMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import { sqlState, type Db, type Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { lookUpForm } from "../mail/address.ts";
import { canaryAddress } from "./canary-address.ts";
import { markAddress, mostAtOnce, writeMark } from "./plant.ts";

/** A table's name that the operator chooses, so that no two services have the same bait. */
export const tablePattern = /^[a-z][a-z0-9_]{2,40}$/;

/** Words that every cracking list has: found within minutes, which is what they are for. */
const crackable = [
  "sunshine1",
  "letmein123",
  "football22",
  "iloveyou2",
  "princess7",
  "dragon88",
  "monkey2019",
  "summer2020",
  "qwerty12345",
  "baseball1",
];
/** Few, as an old system would have had. */
const rounds = 1_000;

const columnsOfDecoy = "id email password_hash created_at";

/**
 * Whether a table is a decoy of ours: every address in it is a canary that was planted for one. No row says so, or a thief
 * would read it too; only with the keyholder can a table be told from one that holds somebody. Reads at most 101 rows of a
 * table that has a decoy's columns, and nothing of any other.
 */
export async function isDecoy(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "index"> },
  table: { readonly name: string; readonly columns: readonly string[] },
): Promise<boolean> {
  if (!tablePattern.test(table.name) || table.columns.join(" ") !== columnsOfDecoy) return false;
  const rows = await db.many<{ email: string }>(`select email from "${table.name}" limit ${mostAtOnce + 1}`);
  if (rows.length === 0 || rows.length > mostAtOnce) return false;
  const lists = await Promise.all(rows.map(({ email }) => keyholder.index("canary", lookUpForm(email))));
  const marks = lists.map(splitMacs);
  const found = await db.many<{ mark: Buffer }>(`select mark from canary where mark = any($1) and kind = 'decoy'`, [
    marks.flat(),
  ]);
  const known = new Set(found.map(({ mark }) => mark.toString("hex")));
  return marks.every((asked) => asked.some((mark) => known.has(mark.toString("hex"))));
}

export type DecoyOutcome = { readonly kind: "planted"; readonly count: number } | { readonly kind: "table-exists" };

/**
 * Makes a decoy: a table like one that somebody forgot, with addresses in clear and hashes of passwords that are cracked
 * in minutes. Every address is a canary; nothing in it belongs to anybody. It is the one thing in the database that is
 * readable on purpose, so that a thief without keys has something to try.
 */
export async function plantDecoy(
  {
    db,
    keyholder,
    clock,
    random,
  }: { readonly db: Db; readonly keyholder: Keyholder; readonly clock: Clock; readonly random: Random },
  order: {
    readonly place: string;
    readonly table: string;
    readonly count: number;
    readonly domain: string;
    readonly by: string;
  },
): Promise<DecoyOutcome> {
  if (!tablePattern.test(order.table)) return { kind: "table-exists" };
  const now = clock.now();
  const rows = await Promise.all(
    Array.from({ length: order.count }, async (_, n) => {
      const address = canaryAddress(random, order.domain);
      const word = crackable[random.below(crackable.length)] ?? "sunshine1";
      const salt = random.bytes(9).toString("base64url");
      const hash = pbkdf2Sync(word, salt, rounds, 32, "sha256").toString("base64");
      // Older than the service's accounts, one after another, as sign-ups are.
      const createdAt: EpochMs = plus(now, -(900 - n) * dayMs - random.below(dayMs));
      const marked = await markAddress({ keyholder, random }, address, now);
      return { address, hash: `pbkdf2_sha256$${rounds}$${salt}$${hash}`, createdAt, marked };
    }),
  );
  try {
    await db.transaction(async (tx) => {
      // The name has passed `tablePattern`: nothing in it needs quoting but a reserved word.
      await tx.run(
        `create table "${order.table}" (id bigint primary key, email text not null, password_hash text not null, created_at timestamptz not null)`,
      );
      await tx.run(
        `insert into "${order.table}" (id, email, password_hash, created_at)
         select row_number() over (), email, hash, at from unnest($1::text[], $2::text[], $3::timestamptz[]) as row (email, hash, at)`,
        [
          rows.map(({ address }) => address),
          rows.map(({ hash }) => hash),
          rows.map(({ createdAt }) => toDate(createdAt)),
        ],
      );
      for (const { marked } of rows) await writeMark(tx, marked, order.place, "decoy", now);
    });
  } catch (thrown) {
    if (sqlState(thrown) === "42P07") return { kind: "table-exists" };
    throw thrown;
  }
  return { kind: "planted", count: rows.length };
}
