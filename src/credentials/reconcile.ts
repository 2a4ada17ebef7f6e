import { floorKinds, parseId, type AccountId, type Epoch, type FloorKind } from "../kernel/brand.ts";
import { sleep, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Floors, TimelineHead, Witness, WitnessState } from "../keyholder/keyholder.ts";
import { currentHead } from "../timeline/integrate.ts";
import { rootAt } from "../timeline/proof.ts";
import { doubtedFrom } from "./added-since.ts";
import { containAlone } from "./contain-alone.ts";
import { highest, readFloors, type SeenFloors } from "./floors.ts";
import { refusedOfCopy, refuseKinds, type Detail } from "./refuse-copy.ts";
import { readStanding, type Standing } from "./standing.ts";

interface Needs {
  readonly witness: Witness;
  readonly seen: SeenFloors;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Rings in the transaction that refuses what a copy could revive; alarms stand after this room. */
  readonly copyFound: (tx: Tx, now: EpochMs, facts: Detail) => Promise<void>;
}

export type Reconciled =
  | { readonly kind: "in order" }
  /** The database was behind the witness: a restored copy. Everything it could revive has been raised away. */
  | { readonly kind: "copy"; readonly epoch: Epoch; readonly passwordsToo: boolean }
  /** A containment had been announced and nobody settled it: it has been carried out. */
  | { readonly kind: "completed"; readonly epoch: Epoch };

/** How long a containment under way in another process is given to settle by itself. */
const settleMs = 3_000;
const settleStepMs = 100;
/** The turn of whoever repairs. */
export const turnKey = 0x484c_5749; // "HLWI"
/** A process that was cut off while it repaired keeps its turn for as long as PostgreSQL takes it to be there, which may be hours. */
const turnWaitMs = 10_000;

/**
 * Compares the database behind a new connection with what the witness remembers, before the connection serves anything.
 *
 * A database that is behind (a lower floor, a shorter timeline, or another root at the same size) is a copy: every
 * session, ticket, code and link floor is raised above both, the password floor too if a containment lies between, be it of a single account, and
 * an alarm is recorded; only then does the witness follow the copy's timeline. An announced containment that nobody
 * settles is carried out, since a crash between its commit and a restore cannot be told from a crash before it, and
 * raising once too often only costs a sign-in. A witness that is behind (owed) is paid. A database that the witness has
 * never seen, while it has seen another, may be a copy under a changed identity: DATABASE_UNKNOWN is thrown, and it
 * serves nothing until an operator says that it may (`adoptDatabase`).
 *
 * `connection` is one connection, not a pool: it takes an advisory lock, so that one process repairs and others wait, though
 * none for ever: repaired twice, a database asks people for one sign-in more.
 */
export async function reconcile(needs: Needs, connection: Tx): Promise<Reconciled> {
  const { witness, seen } = needs;
  const { databaseId, ...first } = await readStanding(connection);
  const state = await witness.read(databaseId, first);
  seen.see(state.floors);
  seen.see(first.floors);
  if (await inOrder(connection, first, state)) {
    if (floorKinds.some((kind) => first.floors[kind] > state.floors[kind])) {
      await witness.confirm(databaseId, first.floors);
    }
    return { kind: "in order" };
  }

  const hasTurn = await takeTurn(connection);
  try {
    const settled = await waitForIntent(needs, connection, databaseId);
    let carried: readonly FloorKind[] = [];
    if (isAnnounced(settled)) {
      const raised = await carryOut(needs, inTransactionOn(connection), databaseId, settled);
      carried = raised.kinds;
      seen.see(raised.floors);
      if (
        await inOrder(connection, await readStanding(connection), { ...settled, floors: raised.floors, intent: null })
      ) {
        return { kind: "completed", epoch: raised.epoch };
      }
    }
    return await repair(needs, connection, databaseId, carried);
  } finally {
    if (hasTurn) await connection.run(`select pg_advisory_unlock($1)`, [turnKey]);
  }
}

async function takeTurn(connection: Tx): Promise<boolean> {
  for (let waitedMs = 0; ; waitedMs += settleStepMs) {
    const turn = await connection.one<{ taken: boolean }>(`select pg_try_advisory_lock($1) as taken`, [turnKey]);
    if (turn?.taken === true) return true;
    if (waitedMs >= turnWaitMs) return false;
    await sleep(settleStepMs);
  }
}

/** Whether the database is at least where the witness remembers it, on the same line. */
async function inOrder(connection: Tx, { floors }: Pick<Standing, "floors">, state: WitnessState): Promise<boolean> {
  if (state.intent !== null) return false;
  if (floorKinds.some((kind) => floors[kind] < state.floors[kind])) return false;
  return hasHead(connection, state.head);
}

/** Not one that is shorter, nor one that has another root at that size. */
const hasHead = async (tx: Tx, head: TimelineHead): Promise<boolean> =>
  (await rootAt(tx, head.size))?.rootHex === head.rootHex;

async function waitForIntent({ witness }: Needs, connection: Tx, databaseId: string): Promise<WitnessState> {
  for (let waitedMs = 0; ; waitedMs += settleStepMs) {
    const state = await witness.read(databaseId, await readStanding(connection));
    if (state.intent === null) return state;
    const floors = await readFloors(connection);
    if (highest(floors) >= state.intent.epoch) {
      // Committed, not confirmed: the database itself is the answer.
      await witness.confirm(databaseId, floors);
      continue;
    }
    if (waitedMs >= settleMs) return state;
    await sleep(settleStepMs);
  }
}

type Transaction = Db["transaction"];

/** On one connection, not a pool. */
const inTransactionOn =
  (connection: Tx): Transaction =>
  async (work) => {
    await connection.run("begin");
    try {
      const result = await work(connection);
      await connection.run("commit");
      return result;
    } catch (thrown) {
      await connection.run("rollback");
      throw thrown;
    }
  };

interface Raised {
  readonly epoch: Epoch;
  readonly floors: Floors;
  readonly kinds: readonly FloorKind[];
}

type Announced = Pick<WitnessState, "head"> & { readonly intent: NonNullable<WitnessState["intent"]> };

/** Whether a containment is announced that nobody has settled. */
export const isAnnounced = (state: WitnessState): state is WitnessState & Announced => state.intent !== null;

/**
 * Raises the floors that somebody announced and did not raise, and tells the witness. Doing so while they are still
 * about it raises them twice; taking the announcement back would leave theirs unannounced.
 *
 * The one account that was to be contained is, as its containment would have done it: a backup from a moment before has its
 * password as it was, and the same timeline. Of a copy that lies further back, all passwords are refused at once, since the
 * floor raised here hides it from whoever compares.
 */
export async function carryOut(
  needs: Pick<Needs, "witness" | "clock" | "random" | "log">,
  transaction: Transaction,
  databaseId: string,
  { head, intent }: Announced,
): Promise<Raised> {
  const isCopy = await transaction(async (tx) => !(await hasHead(tx, head)) || !(await hasHead(tx, intent.head)));
  const passwordsToo = isCopy && intent.kinds.includes("account") && !intent.kinds.includes("password");
  const kinds: readonly FloorKind[] = passwordsToo ? [...intent.kinds, "password"] : intent.kinds;
  const { epoch } = intent;
  const account = parseId<AccountId>(intent.account);
  const detail = {
    "completed after": "a crash",
    ...(account === undefined ? {} : { account, mode: "account" }),
  };
  const refusal = { kinds, atLeast: epoch, entry: "contained", detail } as const;
  const raised = await raise(needs, transaction, refusal, async (tx, now) => {
    if (account !== undefined) await containAlone(tx, needs.random, account, doubtedFrom(now, null), now);
  });
  await needs.witness.confirm(databaseId, raised.floors);
  needs.log.error({ epoch: raised.epoch }, "an announced containment was not settled; it has been carried out");
  return raised;
}

/** `carried` are kinds in which the database was behind until a moment ago. */
async function repair(
  needs: Needs,
  connection: Tx,
  databaseId: string,
  carried: readonly FloorKind[],
): Promise<Reconciled> {
  const { witness, seen, log, copyFound } = needs;
  // The witness first, the database after it: whatever a living process told the witness is committed by then.
  const state = await witness.read(databaseId, await readStanding(connection));
  const now = await readStanding(connection);
  if (await inOrder(connection, now, state)) return { kind: "in order" };

  const behind = floorKinds.filter((kind) => now.floors[kind] < state.floors[kind] || carried.includes(kind));
  const kinds = refusedOfCopy(behind);
  const passwordsToo = kinds.includes("password");
  const detail = {
    "size here": now.head.size,
    "size remembered": state.head.size,
    "passwords too": passwordsToo,
  };
  const refusal = { kinds, atLeast: highest(state.floors) + 1, entry: "copy detected", detail } as const;
  const raised = await raise(needs, inTransactionOn(connection), refusal, copyFound);
  seen.see(raised.floors);
  await witness.confirm(databaseId, raised.floors);
  await witness.adopt(databaseId, { floors: raised.floors, head: await currentHead(connection) });
  log.error(
    { epoch: raised.epoch, passwordsToo },
    "this database is an older copy: everything it could revive is refused",
  );
  return { kind: "copy", epoch: raised.epoch, passwordsToo };
}

async function raise(
  { clock, random }: Pick<Needs, "clock" | "random">,
  transaction: Transaction,
  refusal: Parameters<typeof refuseKinds>[3],
  found?: Needs["copyFound"],
): Promise<Raised> {
  const now = clock.now();
  return transaction(async (tx) => {
    const epoch = await refuseKinds(tx, random, now, refusal);
    await found?.(tx, now, { ...refusal.detail, epoch });
    return { epoch, floors: await readFloors(tx), kinds: refusal.kinds };
  });
}
