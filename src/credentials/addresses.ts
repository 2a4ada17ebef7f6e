import type { Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { openAccounts, readFirstAddress, setFirstAddress } from "../accounts/accounts.ts";
import { setAddressAside } from "../accounts/removed-addresses.ts";
import { isDoubtedAddress } from "./added-since.ts";
import { changed, prepareChange } from "./changed.ts";
import { Refused, refusable } from "./sign-up.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

export type RemoveAddressOutcome = "removed" | "not-there" | "last" | "session-ended";

/**
 * Removes an address of the viewer's account. The last one that counts stays: without one there is no way back. Two
 * removals at once take turns on the account's row, so that they cannot remove the last two.
 */
export async function removeOneAddress(
  { db, keyholder, clock, random }: Needs,
  viewer: Viewer,
  addressId: string,
): Promise<RemoveAddressOutcome> {
  const { accountId, epoch, generation } = viewer;
  const now = clock.now();
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  const address = account?.addresses.find(({ id }) => id === addressId);
  if (account === undefined || address === undefined) return "not-there";
  const change = await prepareChange({ db, keyholder, clock, random }, account, {
    kind: "address removed",
    subject: addressId,
    about: { address: address.address },
    epoch,
    now,
    generation,
  });
  let why: RemoveAddressOutcome = "session-ended";
  const done = await refusable(() =>
    db.transaction(async (tx) => {
      if (!(await changed(tx, change))) throw new Refused();
      const others = await tx.one<{ count: number }>(
        `select count(*) as count from account_address d
          where d.account_id = $1 and d.id <> $2 and not ${isDoubtedAddress("d")}`,
        [accountId, addressId],
      );
      why = others === undefined || others.count === 0 ? "last" : "not-there";
      if (why === "last" || !(await setAddressAside(tx, accountId, addressId, now))) throw new Refused();
      await append(tx, now, { kind: "address removed", detail: { account: accountId, epoch } }, random);
    }),
  );
  return done ? "removed" : why;
}

export type FirstAddressOutcome = "changed" | "not-there" | "session-ended";

/** Chooses the address that is written to first. Choosing the one that is first already changes nothing and writes nothing. */
export async function chooseFirstAddress(
  { db, keyholder, clock, random }: Needs,
  viewer: Viewer,
  addressId: string,
): Promise<FirstAddressOutcome> {
  const { accountId, epoch, generation } = viewer;
  const now = clock.now();
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  const [before] = account?.addresses ?? [];
  const next = account?.addresses.find(({ id }) => id === addressId);
  if (account === undefined || before === undefined || next === undefined) return "not-there";
  if (before.id === next.id) return "changed";
  const change = await prepareChange({ db, keyholder, clock, random }, account, {
    kind: "first address changed",
    // The one before: what taking it back needs to know.
    subject: before.id,
    about: { address: next.address },
    epoch,
    now,
    generation,
  });
  let hasMoved = false;
  let why: FirstAddressOutcome = "session-ended";
  const done = await refusable(() =>
    db.transaction(async (tx) => {
      if (!(await changed(tx, change))) throw new Refused();
      // It holds the account's row: of several at once each sees what the one before it has chosen.
      hasMoved = (await readFirstAddress(tx, accountId)) !== before.id;
      if (hasMoved) throw new Refused();
      why = "not-there";
      if (!(await setFirstAddress(tx, accountId, addressId))) throw new Refused();
      await append(tx, now, { kind: "first address changed", detail: { account: accountId, epoch } }, random);
    }),
  );
  if (done) return "changed";
  return hasMoved ? chooseFirstAddress({ db, keyholder, clock, random }, viewer, addressId) : why;
}
