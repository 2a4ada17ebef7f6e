import type { AccountId, Epoch } from "../kernel/brand.ts";
import { fromDate, minuteMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";
import { removeAddress, setFirstAddress } from "../accounts/accounts.ts";
import { keepAccount } from "../accounts/deletion.ts";
import { bringAddressBack, forgetRemovedAddresses, type RemovedAddress } from "../accounts/removed-addresses.ts";
import { addressCounts } from "./added-since.ts";
import { undoLifetimeMs, type ChangeKind, type UndoToken } from "./changed.ts";
import { dropPasskey, restorePasskey } from "./passkeys.ts";
import { dropRecoveryCodes } from "./recovery-codes.ts";
import { takeBackAdded, takeBackRemoved } from "./totp.ts";

/** A change that can be taken back, as its row has it. */
export interface ChangeMade {
  readonly id: string;
  readonly kind: ChangeKind;
  readonly subject: string | null;
  readonly epoch: Epoch;
  readonly madeAt: EpochMs;
}

interface Subject {
  readonly accountId: AccountId;
  readonly subject: string;
  readonly now: EpochMs;
  /** What the account has aside, opened before the transaction. */
  readonly removed: readonly RemovedAddress[];
}

/**
 * Takes back what a kind of change did to its subject. @returns false if there was nothing left to take back.
 * Changes of a password and recoveries have no entry: whatever is taken back, the password is refused and the recovery ends.
 */
type Reversal = (tx: Tx, subject: Subject) => Promise<boolean>;

/** What was added goes. Makes an account safer at any time, so it asks for no epoch. */
const takesAway: Partial<Record<ChangeKind, Reversal>> = {
  "address added": (tx, { accountId, subject }) => removeAddress(tx, accountId, subject),
  "first address changed": (tx, { accountId, subject }) => setFirstAddress(tx, accountId, subject),
  "deletion asked": (tx, { accountId }) => keepAccount(tx, accountId),
  "passkey added": (tx, { accountId, subject }) => dropPasskey(tx, accountId, subject),
  "second factor added": (tx, { accountId, subject, now }) => takeBackAdded(tx, accountId, subject, now),
  "recovery codes made": (tx, { accountId, subject }) => dropRecoveryCodes(tx, accountId, subject),
};

/** What was removed comes back: authority is made, so a secret from before a containment does not do it. */
const givesBack: Partial<Record<ChangeKind, Reversal>> = {
  "address removed": async (tx, { accountId, subject, removed }) => {
    const address = removed.find(({ id }) => id === subject);
    return address !== undefined && (await bringAddressBack(tx, accountId, address));
  },
  "passkey removed": (tx, { accountId, subject }) => restorePasskey(tx, accountId, subject),
  "second factor removed": (tx, { accountId, subject }) => takeBackRemoved(tx, accountId, subject),
};

const columns = `id, kind, subject, epoch, made_at as "madeAt"`;
type Row = Omit<ChangeMade, "madeAt"> & { readonly madeAt: Date };
const toChange = (row: Row): ChangeMade => ({ ...row, madeAt: fromDate(row.madeAt) });

const good = `account_id = $1 and (undo_digest = $2 or $2::bytea = any(other_digests)) and undone_at is null and undo_until > $3`;

/** The change that a token takes back; `undefined` when it is used, out of date, or nobody's. */
export async function findChange(
  tx: Tx,
  { accountId, secret }: UndoToken,
  now: EpochMs,
): Promise<ChangeMade | undefined> {
  const row = await tx.one<Row>(`select ${columns} from account_change where ${good}`, [
    accountId,
    secret.digest(),
    toDate(now),
  ]);
  return row === undefined ? undefined : toChange(row);
}

/** A change as somebody presses the button in the letter about it. */
export interface PressedChange extends ChangeMade {
  /** The id of the address that the button was mailed to; `null` for the one that was the oldest. */
  readonly mailedTo: string | null;
}

/** Uses the token up, and those that were mailed to the other addresses. At most one caller ever gets the change. */
export async function claimChange(
  tx: Tx,
  { accountId, secret }: UndoToken,
  now: EpochMs,
): Promise<PressedChange | undefined> {
  const row = await tx.one<Row & Pick<PressedChange, "mailedTo">>(
    `update account_change set undone_at = $3 where ${good}
      returning ${columns}, other_addresses[array_position(other_digests, $2::bytea)] as "mailedTo"`,
    [accountId, secret.digest(), toDate(now)],
  );
  return row === undefined ? undefined : { ...toChange(row), mailedTo: row.mailedTo };
}

/**
 * Operations note their instant when they begin, and nodes' clocks differ a little: what was made up to a minute before
 * a change counts as made after it.
 */
const blurMs = minuteMs;

/**
 * Takes back a change and everything that was changed in the account after it, the newest first: who had one foot in
 * the account may have added more, about which the reader of the letter was never told. The caller holds the account.
 *
 * Nothing is given back, whenever it was removed, by a letter from before a containment, nor by one to a later address that
 * the account has no more or that does not count: who had slipped it in could undo the owner's answer with an older letter.
 *
 * @returns what was taken back, and the kinds of which something should have come back that was gone or is not given back any more.
 */
export async function takeBackSince(
  tx: Tx,
  accountId: AccountId,
  first: PressedChange,
  removed: readonly RemovedAddress[],
  now: EpochMs,
): Promise<{
  readonly takenBack: readonly Pick<ChangeMade, "kind" | "subject">[];
  readonly left: readonly ChangeKind[];
}> {
  // One that is locked is being taken back by its own letter at this moment: to wait for it would be a deadlock.
  const later = await tx.many<Row>(
    `update account_change set undone_at = $3
      where account_id = $1 and id in (
        select id from account_change
         where account_id = $1 and undone_at is null and undo_until > $3 and made_at >= $2
           for update skip locked)
      returning ${columns}`,
    [accountId, toDate(plus(first.madeAt, -blurMs)), toDate(now)],
  );
  const floor = await tx.one<{ epoch: Epoch }>(`select epoch from floor where kind = 'code'`);
  const isOld = (epoch: Epoch): boolean => floor === undefined || epoch < floor.epoch;
  const mayGiveBack =
    !isOld(first.epoch) && (first.mailedTo === null || (await addressCounts(tx, accountId, first.mailedTo)));
  const changes = [first, ...later.map(toChange)].toSorted((one, other) => other.madeAt - one.madeAt);
  const takenBack: Pick<ChangeMade, "kind" | "subject">[] = [];
  const left: ChangeKind[] = [];
  for (const { kind, subject, epoch } of changes) {
    const reversal = takesAway[kind] ?? (mayGiveBack && !isOld(epoch) ? givesBack[kind] : undefined);
    const isDone =
      kind in givesBack || kind in takesAway
        ? reversal !== undefined && subject !== null && (await reversal(tx, { accountId, subject, now, removed }))
        : true;
    if (isDone) takenBack.push({ kind, subject });
    // What was added and is gone by now (a set of codes that another took the place of) leaves nothing to put back.
    else if (!(kind in takesAway) || kind === "first address changed") left.push(kind);
  }
  return { takenBack, left };
}

/**
 * Removes changes that can be taken back no more, and the addresses kept for them. @returns how many rows went; call
 * again while it is `batchRows` or more.
 */
export async function forgetChanges(tx: Tx, now: EpochMs): Promise<number> {
  const changes = await tx.run(
    `delete from account_change where (account_id, id) in (
       select account_id, id from account_change where undo_until < $1 order by undo_until limit $2)`,
    [toDate(now), batchRows],
  );
  return changes + (await forgetRemovedAddresses(tx, plus(now, -undoLifetimeMs)));
}
