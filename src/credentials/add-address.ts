import { createHash } from "node:crypto";
import type { Epoch } from "../kernel/brand.ts";
import { plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newTypedCode, readTypedCode, type Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { NoteTry } from "../http/tries.ts";
import type { Viewer } from "../http/viewer.ts";
import { enqueue } from "../jobs/jobs.ts";
import { parseAddress } from "../mail/address.ts";
import { sealLetter } from "../mail/sealed-letter.ts";
import { limits } from "../wire/common.ts";
import { append } from "../timeline/append.ts";
import { addAddress, addressPlace, findAccount, openAccounts } from "../accounts/accounts.ts";
import { mayMail } from "./letter-limits.ts";
import { changed, prepareChange } from "./changed.ts";
import { codeLength, codeLifetimeMs, codeTries, Refused, refusable } from "./sign-up.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly noteTry: NoteTry;
}

/** A code for an address claim answers only to the account and the claim it was made for. */
const bindingOf = (accountId: string, claimId: string): Buffer =>
  createHash("sha256").update(`${accountId}/${claimId}`).digest();

export type ClaimAddressOutcome =
  | { readonly kind: "code-sent"; readonly expiresAt: EpochMs }
  | { readonly kind: "address-refused"; readonly reason: string }
  /** The account has as many addresses as it may have. */
  | { readonly kind: "full" }
  /** The session is from before a containment that spared it: no code would add the address. */
  | { readonly kind: "renew-first" };

/**
 * Mails a code to an address that the viewer wants for the account. The answer, the row and the work are the same
 * whether the address is free, another account's or this one's. Past the limit of letters to one address nothing is
 * mailed, and the answer is still the same.
 */
export async function claimAddress(
  { db, keyholder, clock, random, noteTry }: Needs,
  viewer: Viewer,
  address: string,
  network: string,
): Promise<ClaimAddressOutcome> {
  const now = clock.now();
  const parsed = parseAddress(address);
  if (parsed.kind === "refused") return { kind: "address-refused", reason: parsed.reason };
  noteTry("second address", parsed.normalised);
  const addressIndex = await keyholder.index("address", parsed.normalised);
  const within = await mayMail({ db, clock, keyholder }, "sign-up", parsed.normalised, network);
  const existing = await findAccount(db, addressIndex);
  const floor = await db.one<{ epoch: Epoch }>(`select epoch from floor where kind = 'code'`);
  if (floor === undefined || viewer.epoch < floor.epoch) return { kind: "renew-first" };
  const [account] = await openAccounts({ db, keyholder }, [viewer.accountId]);
  if (account === undefined) return { kind: "address-refused", reason: "no such account" };
  if (account.addresses.length >= limits.addressesPerAccount) return { kind: "full" };
  const claimId = newId(random, now);
  const code = newTypedCode(random, codeLength);
  const [sealed, codeMac, letter] = await Promise.all([
    keyholder.seal(account.dataKey, addressPlace(viewer.accountId), parsed.address),
    keyholder.codeMac("sign-up", bindingOf(viewer.accountId, claimId), code),
    sealLetter(
      { keyholder, clock, random },
      {
        letter: existing.accountId === null ? "sign-up code" : "already registered",
        locale: account.locale,
        to: parsed.address,
        code,
      },
    ),
  ]);
  const expiresAt = plus(now, codeLifetimeMs);
  const epoch = Math.min(viewer.epoch, existing.epoch);
  await db.transaction(async (tx) => {
    await tx.run(
      `insert into address_claim (account_id, id, address_index, sealed, code_mac, epoch, created_at, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [viewer.accountId, claimId, addressIndex, sealed, codeMac, epoch, toDate(now), toDate(expiresAt)],
    );
    if (within) await enqueue(tx, "send-code", letter);
  });
  return { kind: "code-sent", expiresAt };
}

/** Gives the account the claimed address, proved by the mailed code. @returns false for a wrong, used or old code. */
export async function confirmAddress(
  { db, keyholder, clock, random }: Needs,
  viewer: Viewer,
  typedCode: string,
): Promise<boolean> {
  const now = clock.now();
  const claim = await db.one<{ id: string; addressIndex: Buffer; sealed: Buffer; codeMac: Buffer; epoch: Epoch }>(
    `update address_claim set tries = tries + 1
      where account_id = $1 and used_at is null and expires_at > $2 and tries < $3
        and epoch >= (select epoch from floor where kind = 'code')
        and id = (select id from address_claim where account_id = $1 order by created_at desc limit 1)
      returning id, address_index as "addressIndex", sealed, code_mac as "codeMac", epoch`,
    [viewer.accountId, toDate(now), codeTries],
  );
  const code = readTypedCode(typedCode, codeLength);
  if (claim === undefined || code === undefined) return false;
  const binding = bindingOf(viewer.accountId, claim.id);
  if (!(await keyholder.checkCode("sign-up", binding, code, claim.codeMac))) return false;
  const [account] = await openAccounts({ db, keyholder }, [viewer.accountId]);
  if (account === undefined) return false;
  const { accountId, generation } = viewer;
  const { dataKey } = account;
  const [address] = await keyholder.open([{ dataKey, place: addressPlace(accountId), sealed: claim.sealed }]);
  if (address === undefined || address === null) return false;
  const addressId = newId(random, now);
  const change = await prepareChange({ db, keyholder, clock, random }, account, {
    kind: "address added",
    subject: addressId,
    about: { address },
    epoch: claim.epoch,
    now,
    generation,
    alsoTo: address,
  });
  return refusable(() =>
    db.transaction(async (tx) => {
      const claimed = await tx.run(
        `update address_claim set used_at = $3 where account_id = $1 and id = $2 and used_at is null
            and epoch >= (select epoch from floor where kind = 'code')`,
        [accountId, claim.id, toDate(now)],
      );
      if (claimed === 0 || !(await changed(tx, change))) throw new Refused();
      // Counted while the account is held: two confirmations at once take turns.
      const has = await tx.one<{ count: number }>(
        `select count(*) as count from account_address where account_id = $1`,
        [accountId],
      );
      if ((has?.count ?? 0) >= limits.addressesPerAccount) throw new Refused();
      const { addressIndex, sealed, epoch } = claim;
      if (!(await addAddress(tx, { accountId, addressId, addressIndex, sealed, epoch, now }))) throw new Refused();
      await append(tx, now, { kind: "address added", detail: { account: accountId, epoch } }, random);
    }),
  );
}
