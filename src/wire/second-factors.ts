import { Type, type Static } from "typebox";
import { NextToken } from "./accounts.ts";
import { Closed, Instant, Password, TypedCode } from "./common.ts";

/** Six digits of an authenticator app, or a recovery code; spaces, hyphens and case do not matter. */
export const FactorCode = TypedCode;

/** GET /api/account/second-factor */
export const SecondFactor = Closed({
  /** When the app that is asked for was set up. */
  totpAddedAt: Type.Union([Instant, Type.Null()]),
  /** An app that is set up and not asked for: until it is kept, or, where its key may be known to others, for good. */
  setAside: Type.Union([
    Closed({ addedAt: Instant, why: Type.Union([Type.Literal("since-copy"), Type.Literal("keys-reachable")]) }),
    Type.Null(),
  ]),
  recoveryCodes: Type.Union([Closed({ left: Type.Integer(), madeAt: Instant }), Type.Null()]),
  /** The fewest characters of a new password. */
  passwordLength: Type.Integer(),
});
export type SecondFactor = Static<typeof SecondFactor>;

/** POST /api/account/totp: the only time that the key is shown. */
export const TotpBegun = Closed({
  kind: Type.Literal("totp-begun"),
  key: Type.String({ description: "base32, for typing" }),
  uri: Type.String({ description: "otpauth:// for the app" }),
  qrCode: Closed({
    size: Type.Integer(),
    path: Type.String({ description: "SVG path data of the same, one unit for each square" }),
  }),
  expiresAt: Instant,
});
export type TotpBegun = Static<typeof TotpBegun>;

/** POST /api/account/totp/confirm */
export const ConfirmTotp = Closed({ code: FactorCode });
const Codes = Type.Array(Type.String(), { description: "shown this once" });
export const TotpAdded = Closed({
  kind: Type.Literal("totp-added"),
  recoveryCodes: Type.Union([Codes, Type.Null()]),
  token: NextToken,
});
export type TotpAdded = Static<typeof TotpAdded>;

/** POST /api/account/totp/keep */
export const KeepTotp = Closed({ code: FactorCode });
export const TotpKept = Closed({ kind: Type.Literal("totp-kept") });

/** POST /api/account/totp/remove. An account without a password leaves it out. */
export const RemoveTotp = Closed({ password: Type.Optional(Password) });
export const TotpRemoved = Closed({ kind: Type.Literal("totp-removed") });

/** POST /api/account/recovery-codes */
export const RecoveryCodesMade = Closed({ kind: Type.Literal("recovery-codes-made"), codes: Codes });
export type RecoveryCodesMade = Static<typeof RecoveryCodesMade>;
