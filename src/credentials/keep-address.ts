import type { Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { confirmAddressIsOwn, holdAccount } from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import { Refused, refusable } from "./sign-up.ts";

/**
 * The owner says that a doubted address is theirs, in a session that was proved by something which counts. One from before
 * the containment that doubts it keeps nothing: its epoch is below the floor of passwords. Kept again, nothing is written.
 */
export function keepAddress(
  { db, clock, random }: { readonly db: Db; readonly clock: Clock; readonly random: Random },
  { accountId, epoch, generation }: Viewer,
  addressId: string,
): Promise<boolean> {
  return refusable(() =>
    db.transaction(async (tx) => {
      const now = clock.now();
      if (!(await holdAccount(tx, accountId, generation))) throw new Refused();
      const current = await tx.one(`select 1 as it from floor where kind = 'password' and epoch <= $1`, [epoch]);
      if (current === undefined) throw new Refused();
      const own = await tx.one(`select 1 as it from account_address where account_id = $1 and id = $2`, [
        accountId,
        addressId,
      ]);
      if (own === undefined) throw new Refused();
      if (!(await confirmAddressIsOwn(tx, accountId, addressId, epoch))) return;
      await recordEvent(tx, bareEvent(random, accountId, "address kept", now));
      await append(tx, now, { kind: "address kept", detail: { account: accountId, epoch } }, random);
    }),
  );
}
