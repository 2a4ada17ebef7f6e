import type { AccountId, Epoch } from "../kernel/brand.ts";
import { toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { StandingOperator } from "../wire/accounts.ts";
import type { Viewer } from "../http/viewer.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { lookUpForm } from "../mail/address.ts";
import { append } from "../timeline/append.ts";
import { readPlaced, type PlacedEntry } from "../timeline/read-placed.ts";
import {
  demote,
  findAccount,
  holdAccount,
  openAccounts,
  operatorIds,
  promote,
  type OpenedAccount,
} from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import { countNoMore, doubtedNow, letCount, operatorsThatCount } from "./added-since.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

/** What the record says of an operator, and whether the role counts. */
export interface OperatorStanding {
  readonly accountId: AccountId;
  /**
   * When they were named, and by whom (an account's id, or "host"); `null`: the record knows nothing of it. `at` is what the entry
   * says of itself, `notBefore` the earliest instant that its place in the record allows; `null` until it has one.
   */
  readonly named: { readonly at: EpochMs; readonly notBefore: EpochMs | null; readonly by: string } | null;
  /** The service began with them: nobody was one before. */
  readonly isFirst: boolean;
  /** False: a containment has set the role aside, and nobody who may has said since that they are one. */
  readonly counts: boolean;
}

/** Everybody who has the role, whether it counts or not, and what the record says of them. */
export async function operatorStandings(tx: Tx): Promise<OperatorStanding[]> {
  const ids = await operatorIds(tx);
  const acts = await readPlaced(tx, ["operator added", "operator kept", "operator removed"], "operator link used");
  const counting = await operatorsThatCount(tx);
  return ids.map((accountId) => ({ accountId, ...namingOf(accountId, acts), counts: counting.includes(accountId) }));
}

/** `acts` in the order of the record. */
function namingOf(account: AccountId, acts: readonly PlacedEntry[]): Pick<OperatorStanding, "named" | "isFirst"> {
  let named: OperatorStanding["named"] = null;
  let isFirst = false;
  const [first] = acts;
  for (const act of acts) {
    const { kind, at, notBefore } = act;
    if (act.detail["account"] !== account) continue;
    // Those of one millisecond and one place stand in any order.
    const isFirstOfAll = at === first?.at && notBefore === first.notBefore;
    if (kind === "operator removed") {
      named = null;
      isFirst = false;
      // Being kept names nobody anew, except whom the record knew nothing of.
    } else if (kind === "operator added" || isFirstOfAll || (kind === "operator kept" && named === null)) {
      const { by } = act.detail;
      named = { at, notBefore, by: typeof by === "string" ? by : "host" };
      isFirst ||= isFirstOfAll;
    }
  }
  return { named, isFirst };
}

/**
 * Whether they may have been named by whoever took the copy: since it may have been taken, as far as the record shows, or behind
 * the service's back.
 */
export const isNewSince = ({ named, isFirst }: Pick<OperatorStanding, "named" | "isFirst">, since: EpochMs): boolean =>
  !isFirst && (named === null || named.notBefore === null || named.notBefore >= since);

/**
 * Whose role outlasts a containment: those of whom the record says that they were named before `since`, when the copy may have
 * been taken; the one that the service began with; and who contains, if theirs counts. Whoever else has the role, somebody may have named
 * who had a stolen session, or write access to the database.
 */
export async function operatorsToCount(tx: Tx, since: EpochMs, containedBy: string): Promise<AccountId[]> {
  const standings = await operatorStandings(tx);
  return standings
    .filter((one) => !isNewSince(one, since) || (one.accountId === containedBy && one.counts))
    .map(({ accountId }) => accountId);
}

/** The same as the wire has it. */
export const standingOf = (
  { accountId, named, isFirst, counts }: OperatorStanding,
  since: EpochMs,
): StandingOperator => ({
  accountId,
  named: named && { at: toIso(named.notBefore ?? named.at), by: named.by },
  isNew: isNewSince({ named, isFirst }, since),
  counts,
});

export interface ListedOperator extends StandingOperator {
  readonly accountId: AccountId;
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Who has the role of an operator, and who was named lately. */
export async function listOperators({
  db,
  keyholder,
  clock,
}: Pick<Needs, "db" | "keyholder" | "clock">): Promise<ListedOperator[]> {
  const standings = await operatorStandings(db);
  const since = await doubtedNow(db, clock.now());
  const opened = await openAccounts(
    { db, keyholder },
    standings.map(({ accountId }) => accountId),
  );
  return standings.map((one) => ({
    ...standingOf(one, since),
    accountId: one.accountId,
    ...shownOf(opened, one.accountId),
  }));
}

function shownOf(opened: readonly OpenedAccount[], id: AccountId): Pick<ListedOperator, "name" | "addresses"> {
  const account = opened.find(({ accountId }) => accountId === id);
  return { name: account?.name ?? "", addresses: account?.addresses.map(({ address }) => address) ?? [] };
}

/** Who names or keeps an operator: somebody in a session, or a command. */
type Author = Pick<Viewer, "accountId" | "epoch" | "generation"> | "host";

/** In the record: an account's id, or "host" for the command line. */
const authorOf = (by: Author): string => (by === "host" ? by : by.accountId);
const epochOf = (by: Author): Epoch | null => (by === "host" ? null : by.epoch);

export type AddOperatorOutcome =
  | { readonly kind: "added"; readonly accountId: AccountId }
  | { readonly kind: "no-such-account" }
  /** A containment lies between the asking operator's sign-in and now, or they are one no more. */
  | { readonly kind: "contained" };

/**
 * Makes the account of an address an operator, or keeps one whose role a containment has set aside. One who asks in a session
 * from before a containment, also one that it spared, names nobody: what they name would outlive it.
 */
export async function addOperator(
  { db, keyholder, clock, random }: Needs,
  address: string,
  by: Author,
): Promise<AddOperatorOutcome> {
  const { accountId } = await findAccount(db, await keyholder.index("address", lookUpForm(address)));
  if (accountId === null) return { kind: "no-such-account" };
  return db.transaction(async (tx): Promise<AddOperatorOutcome> => {
    if (!(await mayName(tx, by))) return { kind: "contained" };
    const isNew = await promote(tx, accountId);
    const isKept = await letCount(tx, accountId, epochOf(by));
    const kind = isNew ? "operator added" : isKept ? "operator kept" : undefined;
    if (kind !== undefined) await recordNaming(tx, { clock, random }, kind, accountId, by);
    return { kind: "added", accountId };
  });
}

export type KeepOperatorOutcome = "kept" | "not-an-operator" | "contained";

/** An operator whose role a containment has set aside is one again. The same twice writes nothing. */
export async function keepOperator(
  { db, clock, random }: Omit<Needs, "keyholder">,
  accountId: AccountId,
  by: Author,
): Promise<KeepOperatorOutcome> {
  return db.transaction(async (tx): Promise<KeepOperatorOutcome> => {
    if (!(await mayName(tx, by))) return "contained";
    if (!(await holdAccount(tx, accountId)) || !(await operatorIds(tx)).includes(accountId)) return "not-an-operator";
    if (await letCount(tx, accountId, epochOf(by)))
      await recordNaming(tx, { clock, random }, "operator kept", accountId, by);
    return "kept";
  });
}

async function recordNaming(
  tx: Tx,
  { clock, random }: Pick<Needs, "clock" | "random">,
  kind: "operator added" | "operator kept",
  accountId: AccountId,
  by: Author,
): Promise<void> {
  const now = clock.now();
  await recordEvent(tx, bareEvent(random, accountId, "made operator", now));
  await append(tx, now, { kind, detail: { account: accountId, by: authorOf(by) } }, random);
}

/**
 * Whether who asks may: a command, or an operator whose role counts, in the generation of their session and above the floors.
 * Holds their account.
 */
async function mayName(tx: Tx, by: Author): Promise<boolean> {
  if (by === "host") return true;
  if (!(await holdAccount(tx, by.accountId, by.generation))) return false;
  if (!(await operatorsThatCount(tx)).includes(by.accountId)) return false;
  const row = await tx.one<{ may: boolean }>(`select $1::bigint >= epoch as may from floor where kind = 'password'`, [
    by.epoch,
  ]);
  return row?.may === true;
}

/** Makes an operator a viewer again; the last one who counts stays. Its sessions go on as a viewer's from the next request. */
export async function removeOperator(
  { db, clock, random }: Omit<Needs, "keyholder">,
  accountId: AccountId,
  by: string,
): Promise<"demoted" | "last" | "not-an-operator"> {
  return db.transaction(async (tx) => {
    const outcome = await demote(tx, accountId, operatorsThatCount);
    if (outcome === "demoted") {
      const now = clock.now();
      await countNoMore(tx, accountId);
      await recordEvent(tx, bareEvent(random, accountId, "operator no more", now));
      await append(tx, now, { kind: "operator removed", detail: { account: accountId, by } }, random);
    }
    return outcome;
  });
}
