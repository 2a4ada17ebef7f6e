import { isDate } from "node:util/types";
import type { Progress } from "../kernel/progress.ts";
import type { Db, Tx } from "../db/db.ts";
import type { TimelineHead } from "../keyholder/keyholder.ts";
import { originOf, readCheckpoint } from "./checkpoint.ts";
import { emptyFrontier, emptyRoot, grow, hashLeaf, rootOf, storedLevelStep } from "./tree.ts";
import type { Frontier, TreeNode } from "./tree.ts";

/** An entry as it is stored or exported. */
export interface StoredEntry {
  readonly leafIndex: number;
  readonly leafHash: Uint8Array;
  readonly body: Uint8Array;
  /** The row's columns that repeat what the body says, where there are any; they must agree with it. */
  readonly columns?: {
    readonly id: string;
    readonly at: Date;
    readonly kind: string;
    readonly incidentId: string | null;
  };
}

export interface StoredCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  /** The subtrees that the next entries are joined to, where they are stored. */
  readonly frontier?: readonly Uint8Array[];
  /** Null for a checkpoint that waits for its signature; only the newest ones may. */
  readonly note: string | null;
}

/** Why a timeline is not what was signed. */
export type TimelineFlaw =
  | "an entry is missing or out of place"
  | "an entry's bytes do not give its hash"
  | "an entry's row does not agree with its bytes"
  | "a checkpoint's root is not that of the entries"
  | "a checkpoint's signature is missing or wrong"
  | "entries stand behind the last checkpoint"
  | "a stored subtree is not that of the entries"
  | "it is behind what the witness has seen"
  | "it is another timeline than the witness has seen";

export type TimelineVerdict =
  | {
      readonly kind: "intact";
      /** How many entries signed checkpoints cover, and their root. */
      readonly size: number;
      readonly rootHex: string;
      /** How many signed checkpoints were checked. */
      readonly checkpoints: number;
      /** Entries that are in the tree and wait for a signature: normally none, or those of the last second. */
      readonly unsigned: number;
    }
  | { readonly kind: "broken"; readonly firstBadIndex: number; readonly reason: TimelineFlaw };

interface Material {
  /** In order of place. */
  readonly entries: AsyncIterable<StoredEntry>;
  /** In order of size. */
  readonly checkpoints: AsyncIterable<StoredCheckpoint>;
  readonly origin: string;
  /** Raw Ed25519 keys that ever signed checkpoints. */
  readonly publicKeys: readonly Uint8Array[];
  /** What the witness remembers: without it, a timeline cut back to an earlier checkpoint looks whole. */
  readonly witnessed?: TimelineHead;
  /** Sees each complete subtree of more than one leaf. */
  readonly checkNode?: (node: TreeNode) => void;
}

/**
 * Recomputes every hash from the entries' bytes and compares with every stored hash, root and signature. Needs no trust
 * in who stored them, only in the public keys (and the witness, if given). Reads each entry once; memory is flat.
 */
export async function verifyEntries(material: Material): Promise<TimelineVerdict> {
  const { origin, publicKeys, witnessed } = material;
  const broken = (firstBadIndex: number, reason: TimelineFlaw): TimelineVerdict => ({
    kind: "broken",
    firstBadIndex: Math.max(0, firstBadIndex),
    reason,
  });
  const entries = material.entries[Symbol.asyncIterator]();
  let frontier: Frontier = emptyFrontier;
  let signed: TimelineHead = { size: 0, rootHex: emptyRoot.toString("hex") };
  let signedCount = 0;
  let sawUnsigned = false;
  let isForked = false;
  let witnessedIsSeen = witnessed === undefined || witnessed.size === 0;

  for await (const checkpoint of material.checkpoints) {
    if (checkpoint.size <= frontier.size)
      return broken(checkpoint.size - 1, "a checkpoint's root is not that of the entries");
    while (frontier.size < checkpoint.size) {
      const next = await entries.next();
      if (next.done === true || next.value.leafIndex !== frontier.size) {
        return broken(frontier.size, "an entry is missing or out of place");
      }
      const leafHash = hashLeaf(next.value.body);
      if (!leafHash.equals(next.value.leafHash)) {
        return broken(frontier.size, "an entry's bytes do not give its hash");
      }
      if (!agrees(next.value)) return broken(frontier.size, "an entry's row does not agree with its bytes");
      frontier = grow(frontier, [leafHash], material.checkNode);
      if (witnessed !== undefined && frontier.size === witnessed.size) {
        witnessedIsSeen = true;
        isForked = rootOf(frontier).toString("hex") !== witnessed.rootHex;
      }
    }
    const root = rootOf(frontier);
    if (!root.equals(checkpoint.root)) {
      return broken(checkpoint.size - 1, "a checkpoint's root is not that of the entries");
    }
    if (checkpoint.frontier !== undefined && !isSameList(checkpoint.frontier, frontier.roots)) {
      return broken(checkpoint.size - 1, "a stored subtree is not that of the entries");
    }
    if (isForked) return broken((witnessed?.size ?? 0) - 1, "it is another timeline than the witness has seen");
    if (checkpoint.note === null) {
      sawUnsigned = true;
      continue;
    }
    const stated = sawUnsigned ? undefined : readCheckpoint(checkpoint.note, origin, publicKeys);
    if (stated === undefined || stated.size !== checkpoint.size || !stated.root.equals(root)) {
      return broken(checkpoint.size - 1, "a checkpoint's signature is missing or wrong");
    }
    signed = { size: checkpoint.size, rootHex: root.toString("hex") };
    signedCount++;
  }
  if ((await entries.next()).done !== true) return broken(frontier.size, "entries stand behind the last checkpoint");
  if (!witnessedIsSeen) return broken(frontier.size, "it is behind what the witness has seen");
  return { kind: "intact", ...signed, checkpoints: signedCount, unsigned: frontier.size - signed.size };
}

const isSameList = (some: readonly Uint8Array[], others: readonly Buffer[]): boolean =>
  some.length === others.length && others.every((other, place) => other.equals(some[place]!));

/** The columns repeat the body for searching; a changed column would mislead every report, so it counts as a flaw. */
function agrees({ body, columns }: StoredEntry): boolean {
  if (columns === undefined) return true;
  const said = parsed(body);
  return (
    typeof said === "object" &&
    said !== null &&
    "id" in said &&
    said.id === columns.id &&
    "at" in said &&
    said.at === instantOf(columns.at) &&
    "kind" in said &&
    said.kind === columns.kind &&
    ("incidentId" in said ? said.incidentId : null) === columns.incidentId
  );
}

/** Whoever changes an entry may leave bytes that are no JSON: that is a flaw to be named, and no fault of ours. */
function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** PostgreSQL has instants that are none here: `infinity`, and years that no calendar of JavaScript has. */
const instantOf = (at: unknown): string | undefined =>
  isDate(at) && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined;

interface Needs {
  readonly db: Db;
  readonly databaseId: string;
  /** Every key that ever signed checkpoints, as the keyholder (or a printed copy of its list) has them. */
  readonly publicKeys: readonly Uint8Array[];
  readonly witnessed?: TimelineHead;
  /** In entries. */
  readonly progress?: Progress;
}

const pageSize = 1_000;

/**
 * Verifies the stored timeline: `verifyEntries` over the tables, and the stored subtrees too. Runs beside a working
 * integrator: what is integrated after the start is left for the next time.
 */
export async function verifyTimeline({
  db,
  databaseId,
  publicKeys,
  witnessed,
  progress,
}: Needs): Promise<TimelineVerdict> {
  const [extent] = await db.many<{ size: number; entries: number; signed: number; unsigned: number | null }>(
    `select coalesce((select max(size) from timeline_checkpoint), 0) as size,
            coalesce((select max(size) from timeline_checkpoint where note is not null), 0) as signed,
            (select min(size) from timeline_checkpoint where note is null) as unsigned,
            coalesce((select max(leaf_index) + 1 from timeline_entry), 0) as entries`,
  );
  const size = extent?.size ?? 0;
  const entries = extent?.entries ?? 0;
  const { signed = 0, unsigned = null } = extent ?? {};
  /** They are signed oldest first. What waited at the start may be signed between two pages, and would look as if one had been left out. */
  const waitedAtStart = (of: number): boolean => unsigned !== null && unsigned > signed && of >= unsigned;
  const nodes: TreeNode[] = [];
  let wrongNode: TreeNode | undefined;

  async function checkNodes(): Promise<void> {
    const expected = nodes.splice(0);
    const stored = await db.many<{ hash: Buffer | null }>(
      `select hash from unnest($1::smallint[], $2::bigint[]) with ordinality as wanted (level, place, number)
         left join timeline_node using (level, place) order by number`,
      [expected.map(({ level }) => level), expected.map(({ place }) => place)],
    );
    wrongNode ??= expected.find(({ hash }, index) => stored[index]?.hash?.equals(hash) !== true);
  }

  async function* pagesOfEntries(): AsyncGenerator<StoredEntry> {
    for (let from = 0; from < entries; from += pageSize) {
      yield* await readEntries(db, from, Math.min(from + pageSize, entries));
      await checkNodes();
      progress?.(Math.min(from + pageSize, entries), entries);
    }
  }

  async function* pagesOfCheckpoints(): AsyncGenerator<StoredCheckpoint> {
    for (let after = -1; ;) {
      const page = await db.many<StoredCheckpoint>(
        `select size, root, frontier, note from timeline_checkpoint where size > $1 and size <= $2 order by size limit $3`,
        [after, size, pageSize],
      );
      yield* page.map((one) => (waitedAtStart(one.size) ? { ...one, note: null } : one));
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.size;
    }
  }

  const verdict = await verifyEntries({
    entries: pagesOfEntries(),
    checkpoints: pagesOfCheckpoints(),
    origin: originOf(databaseId),
    publicKeys,
    ...(witnessed === undefined ? {} : { witnessed }),
    checkNode: (node) => {
      if (node.level % storedLevelStep === 0) nodes.push(node);
    },
  });
  await checkNodes();
  if (verdict.kind === "intact" && wrongNode !== undefined) {
    const firstBadIndex = wrongNode.place * 2 ** wrongNode.level;
    return { kind: "broken", firstBadIndex, reason: "a stored subtree is not that of the entries" };
  }
  return verdict;
}

async function readEntries(tx: Tx, from: number, to: number): Promise<StoredEntry[]> {
  const rows = await tx.many<{
    leafIndex: number;
    leafHash: Buffer;
    body: Buffer;
    id: string;
    at: Date;
    kind: string;
    incidentId: string | null;
  }>(
    `select leaf_index as "leafIndex", leaf_hash as "leafHash", body, id, at, kind, incident_id as "incidentId"
       from timeline_entry where leaf_index >= $1 and leaf_index < $2 order by leaf_index`,
    [from, to],
  );
  return rows.map(({ leafIndex, leafHash, body, ...columns }) => ({ leafIndex, leafHash, body, columns }));
}
