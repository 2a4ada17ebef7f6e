import { Type, type Static } from "typebox";
import { Address, Closed, Id, Instant } from "./common.ts";

/** POST /api/recoveries/lookup: the account that an address belongs to, and what stands between its owner and it. */
export const LookUpAccount = Closed({ address: Address });
export const FoundAccount = Closed({
  accountId: Id,
  createdAt: Instant,
  /** How many addresses would be told. */
  addresses: Type.Integer({ minimum: 0 }),
  /** Whether a renewal asks for a code of an app or a recovery code besides. */
  secondFactor: Type.Boolean(),
  /** The recovery that is under way. */
  recovery: Type.Union([
    Type.Null(),
    Closed({ readyAt: Instant, expiresAt: Instant, withoutSecondFactor: Type.Boolean() }),
  ]),
});
export type FoundAccount = Static<typeof FoundAccount>;

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
