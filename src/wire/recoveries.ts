import { Type } from "typebox";
import { Address, Closed, Id, Instant } from "./common.ts";

/** POST /api/recoveries: an operator starts the way back of an account whose owner has lost every other. */
export const StartRecovery = Closed({
  accountId: Id,
  /** A new one, with which the owner was identified some other way. */
  address: Address,
  withoutSecondFactor: Type.Optional(
    Type.Boolean({ default: false, description: "waits 7 days in place of 72 hours, and turns the second factor off" }),
  ),
});
export const RecoveryStarted = Closed({
  kind: Type.Literal("recovery-started"),
  /** From when on the new address can renew, and until when. */
  readyAt: Instant,
  expiresAt: Instant,
});

/** DELETE /api/recoveries/{id}: by the account's id. */
export const RecoveryEnded = Closed({ kind: Type.Literal("recovery-ended") });
