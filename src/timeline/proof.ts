import { Fault } from "../kernel/fault.ts";
import type { Tx } from "../db/db.ts";
import type { TimelineHead } from "../keyholder/keyholder.ts";
import { storedLevelStep } from "./integrate.ts";
import { consistencyRanges, emptyRoot, hashNode, proofRanges, subtreesOf } from "./tree.ts";
import type { InclusionProof } from "./tree.ts";

/** The tree's root at an earlier size, for telling a fork from a log that is merely behind; `undefined` beyond the present. */
export async function rootAt(tx: Tx, size: number): Promise<TimelineHead | undefined> {
  if (size === 0) return { size, rootHex: emptyRoot.toString("hex") };
  if (!Number.isSafeInteger(size) || size < 0 || size > (await integratedSize(tx))) return undefined;
  return { size, rootHex: ((await rangeRoots(tx, [{ start: 0, end: size }]))[0] ?? emptyRoot).toString("hex") };
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
 * since the entry came in, the one that most of them did. Three statements and a few hundred hashes, whatever the size of the tree.
 * `undefined` for a place that no signed checkpoint covers yet.
 */
export async function prove(tx: Tx, index: number): Promise<EntryProof | undefined> {
  if (!Number.isSafeInteger(index) || index < 0) return undefined;
  const checkpoint = await tx.one<{ size: number; note: string }>(
    `select checkpoint.size, note || coalesce((select string_agg(line || E'\\n', '' order by key)
                                                 from timeline_cosignature c where c.size = checkpoint.size), '') as note
       from timeline_checkpoint checkpoint
       left join (select size, count(*) as witnesses from timeline_cosignature where size > $1 group by size) cosigned
         using (size)
      where note is not null and size > $1
      order by witnesses desc nulls last, size desc limit 1`,
    [index],
  );
  if (checkpoint === undefined) return undefined;
  const leaf = await tx.one<{ leafHash: Buffer; body: Buffer }>(
    `select leaf_hash as "leafHash", body from timeline_entry where leaf_index = $1`,
    [index],
  );
  if (leaf === undefined) throw new Fault("IMPOSSIBLE", `the timeline has no entry at ${index}`);
  return { ...checkpoint, ...leaf, index, hashes: await rangeRoots(tx, proofRanges(index, checkpoint.size)) };
}

/** The hashes that show that the tree of `size` begins with that of `before` (RFC 9162 section 2.1.4.1). */
export const proveConsistency = (tx: Tx, before: number, size: number): Promise<Buffer[]> =>
  rangeRoots(tx, consistencyRanges(before, size));

/** Where an entry stands; `undefined` until it is integrated. */
export async function placeOf(tx: Tx, entryId: string): Promise<number | undefined> {
  const row = await tx.one<{ index: number | null }>(`select leaf_index as index from timeline_entry where id = $1`, [
    entryId,
  ]);
  return row?.index ?? undefined;
}

async function integratedSize(tx: Tx): Promise<number> {
  const row = await tx.one<{ size: number }>(`select size from timeline_checkpoint order by size desc limit 1`);
  return row?.size ?? 0;
}

/** The hash of each range, by one statement: the nearest stored hashes below each of its subtrees, at most 128 for each. */
async function rangeRoots(tx: Tx, ranges: ReturnType<typeof proofRanges>): Promise<Buffer[]> {
  const subtrees = ranges.map(({ start, end }) =>
    subtreesOf(start, end).map(({ level, place }) => {
      const storedLevel = level - (level % storedLevelStep);
      const width = 2 ** (level - storedLevel);
      return { storedLevel, first: place * width, width };
    }),
  );
  const wanted = subtrees.flat();
  const rows = await tx.many<{ hashes: Buffer | null }>(
    `select case when level = 0
              then (select string_agg(leaf_hash, ''::bytea order by leaf_index) from timeline_entry
                     where leaf_index >= first and leaf_index < first + width)
              else (select string_agg(hash, ''::bytea order by place) from timeline_node n
                     where n.level = wanted.level and place >= first and place < first + width)
            end as hashes
       from unnest($1::smallint[], $2::bigint[], $3::bigint[]) with ordinality as wanted (level, first, width, number)
      order by number`,
    [wanted.map(({ storedLevel }) => storedLevel), wanted.map(({ first }) => first), wanted.map(({ width }) => width)],
  );
  let next = 0;
  return subtrees.map((parts) =>
    parts
      .map(({ width }) => rootOfRow(rows[next++]?.hashes, width))
      .reduceRight((right, left) => hashNode(left, right)),
  );
}

/** The root over hashes that stand side by side in one buffer. */
function rootOfRow(row: Buffer | null | undefined, width: number): Buffer {
  if (row?.length !== width * 32) throw new Fault("IMPOSSIBLE", "the timeline has a gap: verify it");
  let hashes = Array.from({ length: width }, (_, i) => row.subarray(i * 32, i * 32 + 32));
  while (hashes.length > 1) {
    const pairs: Buffer[] = [];
    for (let i = 0; i < hashes.length; i += 2) pairs.push(hashNode(hashes[i]!, hashes[i + 1]!));
    hashes = pairs;
  }
  return hashes[0]!;
}
