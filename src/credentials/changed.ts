import { idBytes, idOfBytes, type AccountId, type Epoch } from "../kernel/brand.ts";
import { dayMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newSecret, type Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { enqueue, type ChangeLetterKind, type SealedLetterPayload } from "../jobs/jobs.ts";
import { sealLetter } from "../mail/sealed-letter.ts";
import type { EventDetail } from "../wire/account-events.ts";
import { holdAccount, type OpenedAccount } from "../accounts/accounts.ts";
import { bareEvent, prepareEvent, recordEvent, type PreparedEvent } from "../accounts/security-events.ts";
import { doubtedAddresses } from "./added-since.ts";

/** What can be changed in what opens an account. Each has its letter in every language, and can be taken back. */
export type ChangeKind = Exclude<
  ChangeLetterKind,
  "change taken back" | "passkey doubted" | "account deleted" | "recovery waits" | "recovery ended"
>;

/** How long "it was not me" works: long enough for a holiday's mail, short enough to settle what an account is. */
export const undoLifetimeMs = 7 * dayMs;

export interface Change {
  readonly kind: ChangeKind;
  /** Id of the address or credential that is added, removed or chosen; what taking the change back needs to know. */
  readonly subject?: string;
  /** What the owner's list of events says of it besides its kind: the address, the name of the passkey. Stored sealed. */
  readonly about?: EventDetail;
  /** The lowest epoch of what proved the change. */
  readonly epoch: Epoch;
  /** The operation's one instant. */
  readonly now: EpochMs;
  /** Until when it can be taken back, where that is not seven days. */
  readonly undoUntil?: EpochMs;
  /** The generation of the session that asks; in another one the change is refused. Left out where no session asks. */
  readonly generation?: number;
  /** An address that is not the account's yet and is written to as well. It can take nothing back. */
  readonly alsoTo?: string;
}

/** A change ready to be recorded: everything that needs the keyholder is done before the transaction opens. */
export interface PreparedChange extends Change {
  readonly accountId: AccountId;
  readonly id: string;
  /** Of the oldest address's secret. */
  readonly undoDigest: Uint8Array | null;
  /** Of the secrets of the other addresses that may take it back. */
  readonly others: readonly { readonly addressId: string; readonly digest: Uint8Array }[];
  readonly letters: readonly SealedLetterPayload[];
  readonly event: PreparedEvent;
}

/**
 * Seals the letters about a change to every address of the account, the one that is being removed included. Those that
 * may take it back carry a secret of "it was not me", each its own: what it does depends on who presses; see `mayTakeBack`.
 */
export async function prepareChange(
  needs: {
    readonly db: Tx;
    readonly keyholder: Pick<Keyholder, "sealForMailer" | "seal">;
    readonly random: Random;
    readonly clock: Clock;
  },
  account: OpenedAccount,
  change: Change,
): Promise<PreparedChange> {
  const { accountId, locale } = account;
  const { kind, now, alsoTo, about } = change;
  const doubted = await doubtedAddresses(needs.db, [accountId]);
  const told = account.addresses
    .filter(({ address }) => address !== "")
    .map((one) => ({
      to: one.address,
      addressId: one.id,
      secret: !doubted.has(one.id) && mayTakeBack(account, one, change) ? newSecret(needs.random) : undefined,
    }));
  const letters = await Promise.all([
    ...told.map(({ to, secret }) =>
      sealLetter(needs, {
        letter: kind,
        locale,
        to,
        at: now,
        ...(secret === undefined ? {} : { undo: writeUndoToken({ accountId, secret }) }),
      }),
    ),
    ...(alsoTo === undefined ? [] : [sealLetter(needs, { letter: kind, locale, to: alsoTo, at: now })]),
  ]);
  const oldest = oldestOf(account)?.id;
  const secrets = told.flatMap(({ addressId, secret }) =>
    secret === undefined ? [] : [{ addressId, digest: secret.digest() }],
  );
  const event =
    about === undefined
      ? bareEvent(needs.random, accountId, kind, now)
      : await prepareEvent(needs, account, kind, now, about);
  const undoDigest = secrets.find(({ addressId }) => addressId === oldest)?.digest ?? null;
  const others = secrets.filter(({ addressId }) => addressId !== oldest);
  return { ...change, accountId, id: newId(needs.random, now), undoDigest, others, letters, event };
}

const oldestOf = ({ addresses }: OpenedAccount) =>
  addresses.toSorted((one, other) => one.confirmedAt - other.confirmedAt)[0];

/**
 * Which addresses may take a change back, of those that count. The oldest one always. A later one once its own addition
 * can be taken back no more, and never its own removal: else whoever had slipped an address in could undo the owner's
 * answer with it. What such a later one presses once it is removed gives nothing back (`takeBackSince`).
 */
function mayTakeBack(
  account: OpenedAccount,
  { id, confirmedAt }: OpenedAccount["addresses"][number],
  { subject, now }: Change,
): boolean {
  return id === oldestOf(account)?.id || (id !== subject && plus(confirmedAt, undoLifetimeMs) <= now);
}

/**
 * Records a change of a credential or address inside its transaction: queues the letters, writes the event that the
 * owner sees, and makes the right to take it back. Every change goes through here (ASVS 5.0 6.3.7). It holds the
 * account's row until the transaction ends, so that a change and a taking back, or a change and a containment of the
 * account, take turns.
 *
 * @returns false if the account is in another generation by now; the caller rolls back then.
 */
export async function changed(tx: Tx, change: PreparedChange): Promise<boolean> {
  const { accountId, id, kind, subject, undoDigest, others, epoch, now, generation, letters } = change;
  const { undoUntil = plus(now, undoLifetimeMs) } = change;
  const [isHeld] = await Promise.all([
    holdAccount(tx, accountId, generation),
    tx.run(
      `insert into account_change (account_id, id, kind, subject, undo_digest, epoch, made_at, undo_until, other_digests,
                                   other_addresses)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        accountId,
        id,
        kind,
        subject ?? null,
        undoDigest,
        epoch,
        toDate(now),
        toDate(undoUntil),
        others.map(({ digest }) => digest),
        others.map(({ addressId }) => addressId),
      ],
    ),
    ...letters.map((letter) => enqueue(tx, "send-letter", letter)),
    recordEvent(tx, change.event),
  ]);
  return isHeld;
}

/** What the letter's link carries in its fragment: where the row is, and 256 bits that must match it. */
export interface UndoToken {
  readonly accountId: AccountId;
  readonly secret: Secret;
}

const idLength = 16;

function writeUndoToken({ accountId, secret }: UndoToken): Secret {
  return new Secret(Buffer.concat([idBytes(accountId), secret.reveal()]));
}

/** Reads what stands in the fragment: 64 letters of base64url. `undefined` for anything else. */
export function readUndoToken(presented: Secret): UndoToken | undefined {
  const text = presented.revealText().trim();
  if (!/^[A-Za-z0-9_-]{64}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  return {
    accountId: idOfBytes<AccountId>(bytes.subarray(0, idLength)),
    secret: new Secret(bytes.subarray(idLength)),
  };
}
