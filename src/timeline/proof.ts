import { Fault } from "../kernel/fault.ts";
import type { Tx } from "../db/db.ts";
import type { TimelineHead } from "../keyholder/keyholder.ts";
import { storedLevelStep } from "./integrate.ts";
import { emptyRoot, hashNode, proofRanges, subtreesOf } from "./tree.ts";
import type { InclusionProof } from "./tree.ts";

/** The tree's root at an earlier size, for telling a fork from a log that is merely behind; `undefined` beyond the present. */
export async function rootAt(tx: Tx, size: number): Promise<TimelineHead | undefined> {
  if (size === 0) return { size, rootHex: emptyRoot.toString("hex") };
  if (!Number.isSafeInteger(size) || size < 0 || size > (await integratedSize(tx))) return undefined;
  return { size, rootHex: (await rangeRoot(tx, 0, size)).toString("hex") };
}

export interface EntryProof extends InclusionProof {
  readonly leafHash: Buffer;
  /** The bytes that hash to `leafHash`. */
  readonly body: Buffer;
  /** The signed checkpoint whose root the proof leads to. */
  readonly note: string;
}

/**
 * Proves that an entry is in the timeline, against the newest signed checkpoint. Reads a few hundred hashes whatever
 * the size of the tree. `undefined` for a place that no signed checkpoint covers yet.
 */
export async function prove(tx: Tx, index: number): Promise<EntryProof | undefined> {
  const checkpoint = await tx.one<{ size: number; note: string }>(
    `select size, note from timeline_checkpoint where note is not null order by size desc limit 1`,
  );
  if (checkpoint === undefined || !Number.isSafeInteger(index) || index < 0 || index >= checkpoint.size)
    return undefined;
  const leaf = await tx.one<{ leafHash: Buffer; body: Buffer }>(
    `select leaf_hash as "leafHash", body from timeline_entry where leaf_index = $1`,
    [index],
  );
  if (leaf === undefined) throw new Fault("IMPOSSIBLE", `the timeline has no entry at ${index}`);
  const hashes: Buffer[] = [];
  for (const { start, end } of proofRanges(index, checkpoint.size)) hashes.push(await rangeRoot(tx, start, end));
  return { ...checkpoint, ...leaf, index, hashes };
}

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

async function rangeRoot(tx: Tx, start: number, end: number): Promise<Buffer> {
  const roots: Buffer[] = [];
  for (const { level, place } of subtreesOf(start, end)) roots.push(await subtreeRoot(tx, level, place));
  return roots.reduceRight((right, left) => hashNode(left, right));
}

/** From the nearest stored level below: at most 128 hashes are read. */
async function subtreeRoot(tx: Tx, level: number, place: number): Promise<Buffer> {
  const storedLevel = level - (level % storedLevelStep);
  const width = 2 ** (level - storedLevel);
  const rows =
    storedLevel === 0
      ? await tx.many<{ hash: Buffer }>(
          `select leaf_hash as hash from timeline_entry where leaf_index >= $1 and leaf_index < $2 order by leaf_index`,
          [place * width, (place + 1) * width],
        )
      : await tx.many<{ hash: Buffer }>(
          `select hash from timeline_node where level = $1 and place >= $2 and place < $3 order by place`,
          [storedLevel, place * width, (place + 1) * width],
        );
  if (rows.length !== width) throw new Fault("IMPOSSIBLE", "the timeline has a gap: verify it");
  let hashes = rows.map(({ hash }) => hash);
  while (hashes.length > 1) {
    const pairs: Buffer[] = [];
    for (let i = 0; i < hashes.length; i += 2) pairs.push(hashNode(hashes[i]!, hashes[i + 1]!));
    hashes = pairs;
  }
  return hashes[0]!;
}
