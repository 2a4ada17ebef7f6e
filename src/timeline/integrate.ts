import { sleep, toDate } from "../kernel/clock.ts";
import type { Clock } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder, TimelineHead } from "../keyholder/keyholder.ts";
import { checkpointBody, originOf, signedNote } from "./checkpoint.ts";
import { verifyEd25519 } from "./note.ts";
import { storedRoot } from "./proof.ts";
import { emptyFrontier, emptyRoot, grow, rootOf, storedLevelStep, subtreesOf } from "./tree.ts";
import type { Frontier, TreeNode } from "./tree.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "sign" | "publicKeys"> & {
    readonly witness: Pick<Keyholder["witness"], "advance">;
  };
  readonly clock: Clock;
  /** `instance.id`: names the log, and keys the witness. */
  readonly databaseId: string;
}

/** Entries that one transaction integrates. */
const batchSize = 8_000;
/** Transactions before what they placed is signed: a long queue is signed on the way, not at its end. */
const batchesOfTurn = 4;

/** "HLtl": a number that no other advisory lock uses. */
const integratorLock = 0x484c_746c;

/**
 * Gives waiting entries their places and hashes (32,000 of them at most), signs the new checkpoint and tells the witness. One
 * integrator works at a time in the whole service; another that comes meanwhile leaves the work to it.
 *
 * Killed after any line, the next run goes on from there: place, hash, subtrees and root commit together; a root
 * without its signature is signed by the next run; the witness ignores what it knows already. Entries are taken in order
 * of id among those that are visible, so one whose transaction commits late gets a later place and is never skipped.
 *
 * `known` is a head that this process has seen: if the stored timeline no longer contains it, nothing is integrated and
 * `SEALED_UNREADABLE` is thrown, since a rewritten timeline must not be signed and handed to the witness as if it were ours.
 */
export async function integrate(
  { db, keyholder, clock, databaseId }: Needs,
  known?: TimelineHead,
): Promise<{ readonly integrated: number; readonly head: TimelineHead }> {
  if (known !== undefined && known.size > 0) {
    const kept = await db.one<{ root: Buffer }>(`select root from timeline_checkpoint where size = $1`, [known.size]);
    if (kept?.root.toString("hex") !== known.rootHex) {
      throw new Fault("SEALED_UNREADABLE", `the timeline is not the one that had ${known.size} entries: verify it`);
    }
  }
  let integrated = 0;
  for (let batches = 0; batches < batchesOfTurn; batches++) {
    const taken = await integrateBatch(db, clock);
    integrated += taken;
    if (taken < batchSize) break;
  }
  await signWaiting(db, keyholder, originOf(databaseId));
  const head = await signedHead(db);
  if (head.size > 0) await keyholder.witness.advance(databaseId, head);
  return { integrated, head };
}

async function integrateBatch(db: Db, clock: Clock): Promise<number> {
  const now = clock.now();
  return db.transaction(async (tx) => {
    const lock = await tx.one<{ taken: boolean }>(`select pg_try_advisory_xact_lock($1) as taken`, [integratorLock]);
    if (lock?.taken !== true) return 0;
    const before = await storedFrontier(tx);
    const placed = await tx.one<{ hashes: Buffer | null }>(
      `with waiting as (
         select id, $1 + row_number() over (order by id) - 1 as place
           from timeline_entry where leaf_index is null order by id limit $2
       ), placed as (
         update timeline_entry entry
            set leaf_index = waiting.place, leaf_hash = sha256('\\x00'::bytea || entry.body)
           from waiting where entry.id = waiting.id
         returning entry.leaf_index, entry.leaf_hash
       )
       select string_agg(leaf_hash, ''::bytea order by leaf_index) as hashes from placed`,
      [before.size, batchSize],
    );
    const hashes = placed?.hashes ?? Buffer.alloc(0);
    const leaves = Array.from({ length: hashes.length / 32 }, (_, i) => hashes.subarray(i * 32, i * 32 + 32));
    if (leaves.length === 0) return 0;
    const nodes: TreeNode[] = [];
    const after = grow(before, leaves, (node) => {
      if (node.level % storedLevelStep === 0) nodes.push(node);
    });
    if (nodes.length > 0) {
      await tx.run(
        `insert into timeline_node (level, place, hash) select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])`,
        [nodes.map((node) => node.level), nodes.map((node) => node.place), nodes.map((node) => node.hash)],
      );
    }
    await tx.run(`insert into timeline_checkpoint (size, root, frontier, at) values ($1, $2, $3::bytea[], $4)`, [
      after.size,
      rootOf(after),
      after.roots,
      toDate(now),
    ]);
    return leaves.length;
  });
}

async function storedFrontier(tx: Tx): Promise<Frontier> {
  const row = await tx.one<Frontier & { readonly root: Buffer }>(
    `select size, root, frontier as roots from timeline_checkpoint order by size desc limit 1`,
  );
  if (row === undefined) return emptyFrontier;
  // Grown from others, or from their root alone, the tree would get hashes that no entries have.
  if (row.roots.length !== subtreesOf(0, row.size).length || !rootOf(row).equals(row.root)) {
    throw new Fault(
      "SEALED_UNREADABLE",
      `the subtrees of the first ${row.size} entries are not whole: verify the timeline`,
    );
  }
  await holdAgainstEntries(tx, row);
  return row;
}

/**
 * Throws `SEALED_UNREADABLE` unless the hashes that are stored for the entries give the checkpoint's root. Whoever can write to the
 * database can write a checkpoint of any size and root; what goes on from it, or signs it, would make it ours.
 */
async function holdAgainstEntries(
  tx: Tx,
  { size, root }: { readonly size: number; readonly root: Buffer },
): Promise<void> {
  if ((await storedRoot(tx, size)).equals(root)) return;
  throw new Fault(
    "SEALED_UNREADABLE",
    `the checkpoint of ${size} entries is not that of the entries: verify the timeline`,
  );
}

/**
 * Signs every checkpoint that waits for it, oldest first, and none that the entries do not give. Two signers write the same note:
 * Ed25519 is deterministic.
 */
async function signWaiting(db: Db, keyholder: Needs["keyholder"], origin: string): Promise<void> {
  const unsigned = await db.many<{ size: number; root: Buffer }>(
    `select size, root from timeline_checkpoint where note is null order by size`,
  );
  for (const { size, root } of unsigned) {
    await holdAgainstEntries(db, { size, root });
    const body = checkpointBody(origin, size, root);
    const message = Buffer.from(body);
    const signature = await keyholder.sign("checkpoint", message);
    // Asked after signing: a key that is rotated in between would otherwise be named for the other's signature.
    const keys = await keyholder.publicKeys("checkpoint");
    const signer = keys.find(({ publicKey }) => verifyEd25519(publicKey, message, signature));
    if (signer === undefined) throw new Fault("IMPOSSIBLE", "the keyholder signed with a key that it does not publish");
    await db.run(`update timeline_checkpoint set note = $2 where size = $1 and note is null`, [
      size,
      signedNote(body, origin, signer.publicKey, signature),
    ]);
  }
}

async function signedHead(tx: Tx): Promise<TimelineHead> {
  const row = await tx.one<{ size: number; root: Buffer }>(
    `select size, root from timeline_checkpoint where note is not null order by size desc limit 1`,
  );
  return headOf(row);
}

/** Size and root of what is integrated, signed or not; size 0 and the empty tree's root at the beginning. */
export async function currentHead(tx: Tx): Promise<TimelineHead> {
  return headOf(
    await tx.one<{ size: number; root: Buffer }>(
      `select size, root from timeline_checkpoint order by size desc limit 1`,
    ),
  );
}

const headOf = (row: { readonly size: number; readonly root: Buffer } | undefined): TimelineHead => ({
  size: row?.size ?? 0,
  rootHex: (row?.root ?? emptyRoot).toString("hex"),
});

/** Whether the witness has left the line that had `known`: it remembers a shorter timeline, or another of that size. */
async function hasMovedOn(known: TimelineHead, witnessed?: () => Promise<TimelineHead>): Promise<boolean> {
  const now = await witnessed?.().catch(() => undefined);
  return now !== undefined && (now.size < known.size || (now.size === known.size && now.rootHex !== known.rootHex));
}

export interface Integrator {
  /** Integrates now instead of at the next turn. */
  kick(): void;
  /** Waits for the run under way, then stops. Entries appended later wait for the next start. */
  stop(): Promise<void>;
}

/**
 * Integrates at most `intervalMs` (default 1 s) behind, until stopped. A run that fails (the keyholder is being
 * restarted, the database is gone for a moment) is logged and tried again at the next turn.
 */
export function startIntegrator(
  {
    log,
    witnessed,
    publish = async () => undefined,
    ...needs
  }: Needs & {
    readonly log: Log;
    /**
     * What the witness remembers now. A database that was restored under us is followed once the witness follows it,
     * which only an operator's adoption makes it do; without this, or before it, a rewritten timeline stops us.
     */
    readonly witnessed?: () => Promise<TimelineHead>;
    /** Runs after each turn that ended well: brings the files up to what is signed. Its failure is logged, and stops nothing. */
    readonly publish?: () => Promise<unknown>;
  },
  intervalMs = 1_000,
): Integrator {
  let stopped = false;
  let kicked = false;
  let waiting: AbortController | undefined;
  let known: TimelineHead | undefined;
  let publishing: Promise<void> | undefined;
  const troubled = recurring(log, {
    says: "the timeline could not be integrated",
    ends: "the timeline is integrated again",
  });
  const broken = recurring(log, {
    level: "error",
    says: "the timeline is damaged, or was rewritten: nothing more of it is signed",
    ends: "the timeline is whole again, and is signed",
  });
  const unwritten = recurring(log, {
    says: "the timeline's files could not be written",
    ends: "the timeline's files are written again",
  });
  const loop = (async () => {
    while (!stopped) {
      kicked = false;
      try {
        const turn = await integrate(needs, known);
        known = turn.head;
        for (const one of [troubled, broken]) one.over();
        // There is more: the next turn begins at once.
        if (turn.integrated === batchSize * batchesOfTurn) kicked = true;
        // Beside the next turn: one that is under way is not waited for, and the next one writes what it left.
        publishing ??= publish()
          .then(
            () => unwritten.over(),
            (thrown: unknown) => unwritten.found({ reason: messageOf(thrown) }),
          )
          .finally(() => (publishing = undefined));
      } catch (thrown) {
        const isRewritten = thrown instanceof Fault && thrown.code === "SEALED_UNREADABLE";
        if (isRewritten && known !== undefined && (await hasMovedOn(known, witnessed))) {
          known = undefined;
          continue;
        }
        (isRewritten ? broken : troubled).found({ reason: messageOf(thrown) });
      }
      if (stopped || kicked) continue;
      waiting = new AbortController();
      await sleep(intervalMs, waiting.signal);
    }
  })();
  return {
    kick: () => {
      kicked = true;
      waiting?.abort();
    },
    stop: async () => {
      stopped = true;
      waiting?.abort();
      await loop;
      await publishing;
    },
  };
}
