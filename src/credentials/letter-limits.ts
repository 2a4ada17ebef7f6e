import type { Clock } from "../kernel/clock.ts";
import { hourMs } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { addressFrom, admit, withinLimit } from "../http/throttle.ts";

/** Letters that one network may cause at one address in an hour: enough for a slow mailbox, too few for a nuisance. */
const fromOneNetwork = 6;
/**
 * And all networks together. Ten times as many, so that no single one can use up what the owner may ask for; and those from
 * which somebody has signed in to the address lately keep their share when many have used it up.
 */
const fromAll = 60;

/**
 * Whether one more letter with a code may go to an address (its look-up form), counted per address and network and per
 * address. The same work whether or not anybody has the address; past the limit nothing is mailed, and nobody is told.
 */
export async function mayMail(
  needs: { readonly db: Db; readonly clock: Clock; readonly keyholder: Pick<Keyholder, "index"> },
  purpose: "renewal" | "sign-up",
  form: string,
  network: string,
): Promise<boolean> {
  const here = { purpose: `${purpose} here`, limit: fromOneNetwork, windowMs: hourMs };
  const { admitted, isKnown } = await admit(needs, [
    { subject: addressFrom(form, network), limit: here, mayBeKnown: true },
  ]);
  // What one network is refused is not counted for all: else one could use up what all may ask for.
  if (!admitted) return false;
  const within = await withinLimit(needs, Buffer.from(form), { purpose, limit: fromAll, windowMs: hourMs });
  return within || isKnown;
}
