import { Fault } from "../kernel/fault.ts";
import type { Tx } from "../db/db.ts";
import type { TimelineHead } from "../keyholder/keyholder.ts";
import { consistencyRanges, emptyRoot, hashNode, proofRanges, rootOfRow, storedLevelStep, subtreesOf } from "./tree.ts";
import type { InclusionProof } from "./tree.ts";

/** The tree's root at an earlier size, for telling a fork from a log that is merely behind; `undefined` beyond the present. */
export async function rootAt(tx: Tx, size: number): Promise<TimelineHead | undefined> {
  if (size === 0) return { size, rootHex: emptyRoot.toString("hex") };
  if (!Number.isSafeInteger(size) || size < 0 || size > (await integratedSize(tx))) return undefined;
  return { size, rootHex: (await storedRoot(tx, size)).toString("hex") };
}

/**
 * The root that the stored hashes give for the first `size` entries, in one statement. Throws `SEALED_UNREADABLE` where there are fewer
 * entries, or hashes of them are missing.
 */
export async function storedRoot(tx: Tx, size: number): Promise<Buffer> {
  if (size === 0) return emptyRoot;
  return (await rangeRoots(tx, [{ start: 0, end: size }]))[0] ?? emptyRoot;
}

export interface EntryProof extends InclusionProof {
  readonly leafHash: Buffer;
  /** The bytes that hash to `leafHash`. */
  readonly body: Buffer;
  /** The signed checkpoint whose root the proof leads to. */
  readonly note: string;
}

/**
 * Proves that an entry is in the timeline, against the newest signed checkpoint, or, of those that witnesses have cosigned
 * since the entry came in, the one that most of them did. Two statements, and fifteen hashes for each four levels of the tree.
 * `undefined` for a place that no signed checkpoint covers yet.
 */
export async function prove(tx: Tx, index: number): Promise<EntryProof | undefined> {
  if (!Number.isSafeInteger(index) || index < 0) return undefined;
  const found = await tx.one<{ size: number; note: string; leafHash: Buffer | null; body: Buffer | null }>(
    `select size, note || coalesce((select string_agg(line || E'\\n', '' order by key)
                                      from timeline_cosignature c where c.size = h.size), '') as note,
            e.leaf_hash as "leafHash", e.body
       from timeline_checkpoint h
       left join timeline_entry e on e.leaf_index = $1
      where size > $1
        and size = coalesce(
          (select size from timeline_cosignature where size > $1 group by size order by count(*) desc, size desc limit 1),
          (select size from timeline_checkpoint where note is not null order by size desc limit 1))`,
    [index],
  );
  if (found === undefined) return undefined;
  const { size, note, leafHash, body } = found;
  if (leafHash === null || body === null) throw new Fault("IMPOSSIBLE", `the timeline has no entry at ${index}`);
  return { size, note, leafHash, body, index, hashes: await rangeRoots(tx, proofRanges(index, size)) };
}

/** The hashes that show that the tree of `size` begins with that of `before` (RFC 9162 section 2.1.4.1). */
export const proveConsistency = (tx: Tx, before: number, size: number): Promise<Buffer[]> =>
  rangeRoots(tx, consistencyRanges(before, size));

async function integratedSize(tx: Tx): Promise<number> {
  const row = await tx.one<{ size: number }>(`select size from timeline_checkpoint order by size desc limit 1`);
  return row?.size ?? 0;
}

/** Hashes of one stored level that stand side by side. */
interface Run {
  readonly level: number;
  readonly first: number;
  width: number;
}

/** The hash of each range, by one statement: the nearest stored hashes below each of its subtrees, at most eight for each. */
async function rangeRoots(tx: Tx, ranges: ReturnType<typeof proofRanges>): Promise<Buffer[]> {
  const subtrees = ranges.map(({ start, end }) =>
    subtreesOf(start, end).map(({ level: own, place }): Run => {
      const level = own - (own % storedLevelStep);
      const width = 2 ** (own - level);
      return { level, first: place * width, width };
    }),
  );
  const runs = joined(subtrees.flat());
  const found = await tx.one<{ hashes: Buffer | null }>(
    `select string_agg(hashes, ''::bytea order by number) as hashes
       from (select number, case when level = 0
               then (select string_agg(leaf_hash, ''::bytea order by leaf_index) from timeline_entry
                      where leaf_index >= first and leaf_index < first + width)
               else (select string_agg(hash, ''::bytea order by place) from timeline_node n
                      where n.level = wanted.level and place >= first and place < first + width)
             end as hashes
               from unnest($1::smallint[], $2::bigint[], $3::bigint[])
                      with ordinality as wanted (level, first, width, number)) found`,
    [runs.map(({ level }) => level), runs.map(({ first }) => first), runs.map(({ width }) => width)],
  );
  const stored = found?.hashes ?? Buffer.alloc(0);
  if (stored.length !== runs.reduce((sum, { width }) => sum + width * 32, 0)) {
    throw new Fault("SEALED_UNREADABLE", "the timeline has a gap: verify it");
  }
  const hashesOf = ({ level, first, width }: Run): Buffer => {
    let at = 0;
    for (const run of runs) {
      if (run.level === level && run.first <= first && first < run.first + run.width) {
        const from = at + (first - run.first) * 32;
        return stored.subarray(from, from + width * 32);
      }
      at += run.width * 32;
    }
    throw new Fault("IMPOSSIBLE", "a hash was not asked for");
  };
  return subtrees.map((parts) =>
    parts.map((part) => rootOfRow(hashesOf(part))).reduceRight((right, left) => hashNode(left, right)),
  );
}

/** Runs that touch become one: the hashes beside a leaf in its tile are two of them, and not eight. */
function joined(runs: readonly Run[]): Run[] {
  const whole: Run[] = [];
  for (const run of runs.toSorted((one, other) => one.level - other.level || one.first - other.first)) {
    const last = whole.at(-1);
    if (last?.level === run.level && last.first + last.width === run.first) last.width += run.width;
    else whole.push({ ...run });
  }
  return whole;
}
