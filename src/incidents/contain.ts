import type { AccountId, Epoch, FloorKind, IncidentId } from "../kernel/brand.ts";
import { fromDate, secondMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Reserve } from "../db/reserve.ts";
import type { Floors, Witness } from "../keyholder/keyholder.ts";
import { append } from "../timeline/append.ts";
import { doubtAddedSince, doubtedFrom } from "../credentials/added-since.ts";
import { highest, holdFloors, raiseFloors, readFloors } from "../credentials/floors.ts";
import { containAlone } from "../credentials/contain-alone.ts";
import { carryOut, isAnnounced } from "../credentials/reconcile.ts";
import { operatorsToCount, operatorStandings, standingOf } from "../credentials/operators.ts";
import { readStanding, type Standing } from "../credentials/standing.ts";
import type { SignalKind } from "../signals/events.ts";
import { queueFanOut } from "../signals/queue-signal.ts";
import { readTokensSince } from "../signals/receivers.ts";
import { endTickets } from "../renewal/renewal.ts";
import { announce } from "../sessions/announce.ts";
import { endOperatorLinks } from "../sessions/operator-link.ts";
import type { StandingOperator } from "../wire/accounts.ts";
import type { ContainmentMode, Counts } from "../wire/incidents.ts";
import { countRefused, countRefusedOf, type Raised } from "./counts.ts";
import {
  copiedSince,
  holdIncidentInHand,
  isCaseInHand,
  keysCallForRefusal,
  readCopiedSince,
  writeIncident,
} from "./open.ts";

interface Needs {
  /** Connections that do not ask the witness first: containment commits even with the keyholder down. */
  readonly db: Db;
  readonly witness: Witness;
  readonly clock: Clock;
  /** Monotonic milliseconds, for the durations that are printed. */
  readonly monotonicMs: () => number;
  readonly random: Random;
  readonly log: Log;
  /** Given up where the witness cannot be told for want of room on the database's disk: see `despiteFullDisk`. */
  readonly reserve?: Pick<Reserve, "isDiskFull" | "giveUp"> | undefined;
}

export interface ContainOrder {
  readonly mode: ContainmentMode;
  readonly keepTools: boolean;
  /**
   * Whether the keys could be read: second factors that are sealed or keyed with them are then refused too. A case that says so
   * has them refused by its first containment in any case.
   */
  readonly keysReachable?: boolean;
  /** What a case opened by this command says; ignored when one is in hand. */
  readonly reason: string;
  readonly operator: string;
}

export interface Containment {
  readonly kind: "contained";
  readonly incidentId: IncidentId;
  readonly reference: string;
  readonly epoch: Epoch;
  readonly at: EpochMs;
  readonly mode: ContainmentMode | "account";
  readonly floors: readonly FloorKind[];
  readonly commitMs: number;
  /** `null` where counting took longer than anybody should wait, or failed: the containment stands all the same. */
  readonly counted: Counts | null;
  readonly countedMs: number;
  /** `owed`: the keyholder did not answer; nothing else starts until it has been told. */
  readonly witness: "told" | "owed";
  /** Whose role as an operator counts from now on; absent for one account, and where it could not be read. */
  readonly operators?: StandingOperator[];
  /** Relying services, and those whose tokens are new; absent likewise. */
  readonly receivers?: { readonly all: number; readonly newOnes: readonly string[] };
}

/**
 * What each way of containing refuses from now on. Never passkeys: a copy does not contain their private halves. TOTP seeds and
 * recovery codes only if the keys could be read, without which a copy does not give them away.
 */
export function kindsOf(mode: ContainmentMode, keepTools: boolean, keysReachable = false): FloorKind[] {
  const sealed: FloorKind[] = keysReachable ? ["totp", "recovery"] : [];
  const entries: FloorKind[] = ["password", "ticket", "code", "link", ...sealed];
  if (mode === "with-renewal") return entries;
  const sessions: FloorKind[] = keepTools ? ["browser", "tv", "app"] : ["browser", "tv", "app", "tool"];
  return [...entries, ...sessions];
}

/** What other services are told of every account. Sessions that live until their account renews are not revoked. */
const signalledBy = (mode: ContainmentMode): SignalKind[] =>
  mode === "everyone-out" ? ["password compromised", "session revoked"] : ["password compromised"];

/**
 * Refuses everything of the given kinds that was made, or proved by something made, before now.
 *
 * A fixed number of rows changes, whatever the number of accounts: sessions and credentials carry the epoch of what
 * proved them and are refused below the floor of their kind; what was added since the copy was taken is doubted by one
 * row more, which also says whose role as an operator counts from now on. The floors, the case, the timeline entry, the queued
 * signals and the push commit together or not at all. The witness is told the intent before and the result after; if
 * the keyholder is down, this commits all the same and says that the witness is owed. Running it twice raises the
 * floors twice; there is no undo. Several at once take turns, from the announcement to the confirmation.
 */
export async function contain(needs: Needs, order: ContainOrder): Promise<Containment> {
  const { db, monotonicMs, log } = needs;
  // As they were before the first try, whose commit may have been made though its answer was lost.
  let before: Floors | undefined;
  const inForce = await whileReserveLasts(needs, () =>
    inTurn(needs, () => containInTurn(needs, order, (now) => (before ??= now))),
  );
  const { raised, doubtedSince, ...contained } = inForce;
  const countStarted = monotonicMs();
  const counted = await db
    .snapshotWithin(countWithinMs, (tx) => countRefused(tx, raised, contained.at, doubtedSince))
    .catch((thrown: unknown) => {
      log.warn({ reason: messageOf(thrown) }, "what was refused could not be counted; the containment is in force");
      return undefined;
    });
  const countedMs = monotonicMs() - countStarted;
  const outlasting = await readOutlasting(db, doubtedSince).catch((thrown: unknown) => {
    log.warn({ reason: messageOf(thrown) }, "what outlasts this could not be read; the containment is in force");
    return undefined;
  });
  return {
    kind: "contained",
    ...contained,
    mode: order.mode,
    floors: inForce.kinds,
    counted: counted ?? null,
    countedMs,
    ...outlasting,
  };
}

/** What a containment does not end and somebody has to look at: operators, and the tokens of relying services. */
export const readOutlasting = async (
  tx: Tx,
  since: EpochMs,
): Promise<Required<Pick<Containment, "operators" | "receivers">>> => ({
  operators: (await operatorStandings(tx)).map((one) => standingOf(one, since)),
  receivers: await readTokensSince(tx, since),
});

/** With millions of accounts a count takes minutes, and whoever contains has other things to do. */
export const countWithinMs = 3 * secondMs;

/** Whoever was stopped in the middle of its turn does not keep another operator from containing. */
const turnWaitMs = 3_000;
const turnKey = 0x484c_5743; // "HLWC"

type InForce = Pick<Containment, "incidentId" | "reference" | "epoch" | "at" | "commitMs" | "witness"> & {
  readonly kinds: readonly FloorKind[];
  readonly raised: Raised;
  readonly doubtedSince: EpochMs;
};

/**
 * Contains when it is this one's turn. Once more from the beginning if somebody opened a case at the moment at which this was opening
 * one: that case is in hand then, and may say that more is to be refused.
 */
const inTurn = <Done>({ db }: Needs, containing: () => Promise<Done>): Promise<Done> =>
  db.takingTurns(turnKey, turnWaitMs, () =>
    containing().catch((thrown: unknown) => {
      if (!isCaseInHand(thrown)) throw thrown;
      return containing();
    }),
  );

/** `asBefore` is given the floors as they are, and says from which ones what is refused is to be counted. */
async function containInTurn(
  needs: Needs,
  order: ContainOrder,
  asBefore: (floors: Floors) => Floors,
): Promise<InForce> {
  const { db, clock, monotonicMs, random } = needs;
  const keysReachable = order.keysReachable === true || (await keysCallForRefusal(db));
  const kinds = kindsOf(order.mode, order.keepTools, keysReachable);
  // Before anything is settled: what an attempt that was killed is found to have refused counts as refused by this one.
  const standing = await readStanding(db);
  const before = asBefore(standing.floors);
  const intent = await announceIntent(needs, standing, kinds);
  const at = clock.now();
  const started = monotonicMs();
  const committed = await carryOutIntent(needs, intent, () =>
    db.transaction(async (tx): Promise<Pick<InForce, "incidentId" | "reference" | "epoch" | "doubtedSince">> => {
      const epoch = await raiseFloors(tx, kinds, at, intent?.epoch ?? 0);
      const inHand = await holdIncidentInHand(tx);
      const incident =
        inHand === undefined
          ? await writeIncident(tx, at, random, { reason: order.reason }, order.operator)
          : { incidentId: inHand, reference: "" };
      const { reference, since } = await noteContained(tx, incident.incidentId, order, epoch, at);
      const doubtedSince = doubtedFrom(at, since);
      await doubtAddedSince(tx, epoch, doubtedSince, await operatorsToCount(tx, doubtedSince, order.operator));
      const detail = {
        epoch,
        mode: order.mode,
        kinds,
        "kept tools": order.keepTools,
        operator: order.operator,
        ...(order.keysReachable === true ? { "keys reachable": "yes" } : {}),
      };
      await append(tx, at, { kind: "contained", incidentId: incident.incidentId, detail }, random);
      if (intent === undefined) {
        await append(tx, at, { kind: "witness owed", incidentId: incident.incidentId, detail: { epoch } }, random);
      }
      await queueFanOut(tx, random, incident.incidentId, signalledBy(order.mode), at);
      await announce(tx, { accountId: null, reason: "contained" });
      return { incidentId: incident.incidentId, reference, epoch, doubtedSince };
    }),
  );
  const commitMs = monotonicMs() - started;

  // A read of its own on another connection: what it sees, every node sees.
  const floors = await readFloors(db);
  if (highest(floors) < committed.epoch)
    throw new Fault("IMPOSSIBLE", "the commit is not visible to another connection");
  const witness = await confirm(needs, intent, floors);
  return { ...committed, at, kinds, raised: { before, after: floors }, commitMs, witness };
}

/** Faults with which the witness cannot be told, besides those of an absent keyholder. The full disk may be the keyholder's own. */
const notTold: ReadonlySet<string> = new Set(["DATABASE_UNKNOWN", "DISK_FULL"]);

interface Intent {
  readonly databaseId: string;
  readonly epoch: Epoch;
}

/**
 * Tells the witness what is about to happen. `undefined` if the keyholder does not answer, or has no room to write it down: the
 * witness is owed.
 */
async function announceIntent(
  needs: Needs,
  standing: Standing,
  kinds: readonly FloorKind[],
  account?: AccountId,
): Promise<Intent | undefined> {
  const { db, witness, log } = needs;
  const { databaseId, head } = standing;
  let { floors } = standing;
  try {
    const state = await witness.read(databaseId, { floors, head });
    if (isAnnounced(state)) {
      // Somebody was killed, or stopped, in an earlier one. What the database does not have of it is carried out: it may
      // refuse more than this one does, and may have been in force before an older copy was put back.
      if (highest(floors) >= state.intent.epoch) await witness.confirm(databaseId, floors);
      else ({ floors } = await carryOut(needs, (work) => db.transaction(work), databaseId, state));
    } else if (highest(floors) > highest(state.floors)) {
      await witness.confirm(databaseId, floors);
    }
    // Above both, whichever of them the settling above has moved.
    const epoch = (Math.max(highest(floors), highest(state.floors)) + 1) as Epoch;
    await witness.intend(databaseId, { epoch, kinds, head, ...(account === undefined ? {} : { account }) });
    return { databaseId, epoch };
  } catch (thrown) {
    if (!(thrown instanceof Fault) || !(thrown.code.startsWith("KEYHOLDER") || notTold.has(thrown.code))) throw thrown;
    if (await hasMadeRoom(needs, thrown)) return announceIntent(needs, await readStanding(db), kinds, account);
    log.error(
      { fault: thrown.code, reason: thrown.message },
      "the witness cannot be told now; containing all the same",
    );
    return undefined;
  }
}

/** Runs the transaction that was announced; an announcement whose transaction has failed is taken back. */
async function carryOutIntent<Result>(
  needs: Needs,
  intent: Intent | undefined,
  transaction: () => Promise<Result>,
): Promise<Result> {
  try {
    return await transaction();
  } catch (thrown) {
    // Only if it has certainly rolled back; an unknown outcome stays announced, and the next start settles it.
    if (!(thrown instanceof Fault && thrown.code === "DB_UNAVAILABLE")) await takeBackIntent(needs, intent);
    throw thrown;
  }
}

async function takeBackIntent({ witness, log }: Needs, intent: Intent | undefined): Promise<void> {
  if (intent === undefined) return;
  await witness.abandon(intent.databaseId, intent.epoch).catch((error: unknown) => {
    log.error({ reason: messageOf(error) }, "the witness keeps an intent that was rolled back");
  });
}

/**
 * Runs `work`, and again whenever the database had no room for it and the reserve gives up a step. At once, since whatever filled
 * the disk may still be writing, and would take that room as well. What else a full disk does, `despiteFullDisk` handles.
 */
async function whileReserveLasts<Result>({ reserve }: Needs, work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      const isFull = thrown instanceof Fault && thrown.code === "DISK_FULL";
      if (!isFull || reserve === undefined || (await reserve.giveUp()) === 0) throw thrown;
    }
  }
}

/** Gives up a step of the reserve for a keyholder whose disk is full, if that is the database's. @returns whether to try again. */
async function hasMadeRoom({ reserve }: Needs, thrown: unknown): Promise<boolean> {
  if (reserve === undefined || !(thrown instanceof Fault) || thrown.code !== "DISK_FULL") return false;
  return (await reserve.isDiskFull()) && (await reserve.giveUp()) > 0;
}

async function confirm(needs: Needs, intent: Intent | undefined, floors: Floors): Promise<Containment["witness"]> {
  const { witness, log } = needs;
  if (intent === undefined) return "owed";
  try {
    await witness.confirm(intent.databaseId, floors);
    return "told";
  } catch (thrown) {
    if (await hasMadeRoom(needs, thrown)) return confirm(needs, intent, floors);
    log.error({ reason: messageOf(thrown) }, "contained; the witness could not be told and is owed");
    return "owed";
  }
}

/**
 * SQL: what is set in a case that is contained again. If it is then about more accounts than its letters were for (`isWider`),
 * it is `contained` as it was before them, and counts as not told until an operator starts the letters once more. What is known
 * of letters that have gone stays.
 */
const untoldIf = (isWider: string): string =>
  `state = case when state = 'open' or (${isWider}) then 'contained' else state end,
   notified_at = case when ${isWider} then null else notified_at end,
   letters_finished_at = case when ${isWider} then null else letters_finished_at end,
   scope_count = case when ${isWider} then null else scope_count end`;

/**
 * A case that was notifying or readmitting stays so: letters and returns go on. One that was about single accounts is
 * everybody's from now on, and everybody is still to be told.
 *
 * @returns the case's reference, and from when on the copy may have been taken, if the case knows.
 */
async function noteContained(
  tx: Tx,
  incidentId: IncidentId,
  order: ContainOrder,
  epoch: Epoch,
  at: EpochMs,
): Promise<{ readonly reference: string; readonly since: EpochMs | null }> {
  const row = await tx.one<{ reference: string; since: Date | null }>(
    `update incident
        set ${untoldIf(`containment = 'account' and notified_at is not null`)}, containment = $2,
            contained_at = case when containment = 'account' then $3 else coalesce(contained_at, $3) end,
            scope_accounts = case when containment = 'account' then null else scope_accounts end,
            epoch = $4, keys_reachable = case when $5 then 'yes' else keys_reachable end
      where id = $1 returning reference, ${copiedSince} as since`,
    [incidentId, order.mode, toDate(at), epoch, order.keysReachable === true],
  );
  if (row === undefined) throw new Fault("IMPOSSIBLE", "the case vanished under its containment");
  return { reference: row.reference, since: row.since === null ? null : fromDate(row.since) };
}

export type ContainAccountOutcome =
  | (Omit<Containment, "floors" | "mode"> & { readonly floors: readonly FloorKind[]; readonly mode: "account" })
  | { readonly kind: "no-such-account" };

/**
 * Contains one account: its sessions and links end by its generation, its password is refused from now on, and its
 * codes with it, and a deletion that was asked for is called off. Its owner comes back by renewal, as everybody does after a theft. The
 * witness is told as it is of every containment, so that a copy from before it does not bring the password back.
 */
export const containAccount = (
  needs: Needs,
  accountId: AccountId,
  order: Pick<ContainOrder, "reason" | "operator">,
): Promise<ContainAccountOutcome> =>
  whileReserveLasts(needs, () => inTurn(needs, () => containAccountInTurn(needs, accountId, order)));

async function containAccountInTurn(
  needs: Needs,
  accountId: AccountId,
  order: Pick<ContainOrder, "reason" | "operator">,
): Promise<ContainAccountOutcome> {
  const { db, clock, monotonicMs, random } = needs;
  const intent = await announceIntent(needs, await readStanding(db), ["account"], accountId);
  const at = clock.now();
  const started = monotonicMs();
  const work = async (tx: Tx) => {
    // Two first containments at once would each open a case.
    await holdFloors(tx);
    const inHand = await holdIncidentInHand(tx);
    const doubtedSince = doubtedFrom(at, inHand === undefined ? null : await readCopiedSince(tx, inHand));
    const counted = await countRefusedOf(tx, accountId, at, doubtedSince);
    if (counted === undefined) return undefined;
    // In the order in which a renewal and a change of password lock the same rows, so that they cannot deadlock.
    await endTickets(tx, accountId, at);
    await endOperatorLinks(tx, accountId, at);
    if (!(await containAlone(tx, random, accountId, doubtedSince, at))) return undefined;
    const epoch = await raiseFloors(tx, ["account"], at, intent?.epoch ?? 0);
    const incidentId =
      inHand ?? (await writeIncident(tx, at, random, { reason: order.reason }, order.operator)).incidentId;
    const row = await tx.one<{ reference: string }>(
      `update incident
          set ${untoldIf(`containment = 'account' and notified_at is not null and $2 <> all(scope_accounts)`)},
              scope_accounts = case when $2 = any(scope_accounts) then scope_accounts
                                    when containment is null or containment = 'account'
                                    then array_append(coalesce(scope_accounts, '{}'), $2) end,
              containment = coalesce(containment, 'account'), contained_at = coalesce(contained_at, $3)
        where id = $1 returning reference`,
      [incidentId, accountId, toDate(at)],
    );
    if (row === undefined) throw new Fault("IMPOSSIBLE", "the case vanished under its containment");
    const detail = { account: accountId, mode: "account", operator: order.operator };
    await append(tx, at, { kind: "contained", incidentId, detail }, random);
    await announce(tx, { accountId, reason: "contained" });
    if (intent === undefined) await append(tx, at, { kind: "witness owed", incidentId, detail: { epoch } }, random);
    return { incidentId, reference: row.reference, epoch, counted };
  };
  const contained = await carryOutIntent(needs, intent, () => db.transaction(work));
  if (contained === undefined) {
    await takeBackIntent(needs, intent);
    return { kind: "no-such-account" };
  }
  const commitMs = monotonicMs() - started;
  const witness = await confirm(needs, intent, await readFloors(db));
  return { kind: "contained", ...contained, at, mode: "account", floors: [], commitMs, countedMs: 0, witness };
}
