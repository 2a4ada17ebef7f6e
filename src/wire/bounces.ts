import { Type, type Static } from "typebox";
import { Address, Closed } from "./common.ts";

/**
 * POST /api/bounces: letters that came back, as a relay reports them. Signed as Standard Webhooks 1.0 has it, with the
 * headers webhook-id, webhook-timestamp and webhook-signature.
 */
export const BounceReport = Closed({
  bounces: Type.Array(
    Closed({
      /** The envelope's sender of the letter that came back. */
      returnPath: Address,
      /** RFC 3463. */
      status: Type.String({ pattern: "^[245]\\.\\d{1,3}\\.\\d{1,3}$" }),
    }),
    { minItems: 1, maxItems: 100 },
  ),
});
export type BounceReport = Static<typeof BounceReport>;

/** How many of them carry an address of ours, and are looked at now. */
export const BouncesTaken = Closed({ taken: Type.Integer() });
