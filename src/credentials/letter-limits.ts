import type { Clock } from "../kernel/clock.ts";
import { hourMs } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { addressFrom, withinLimit } from "../http/throttle.ts";

/** Letters that one network may cause at one address in an hour: enough for a slow mailbox, too few for a nuisance. */
const fromOneNetwork = 6;
/** And all networks together. Ten times as many, so that no single one can use up what the owner may ask for. */
const fromAll = 60;

/**
 * Whether one more letter with a code may go to an address, counted per address and network and per address. The same
 * work whether or not anybody has the address; past the limit nothing is mailed, and nobody is told.
 */
export async function mayMail(
  needs: { readonly db: Db; readonly clock: Clock; readonly keyholder: Pick<Keyholder, "index"> },
  purpose: "renewal" | "sign-up",
  addressIndex: Uint8Array,
  network: string,
): Promise<boolean> {
  const here = { purpose: `${purpose} here`, limit: fromOneNetwork, windowMs: hourMs };
  if (!(await withinLimit(needs, addressFrom(addressIndex, network), here))) return false;
  return withinLimit(needs, addressIndex, { purpose, limit: fromAll, windowMs: hourMs });
}
