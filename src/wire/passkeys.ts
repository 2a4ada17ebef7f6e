import { Type, type Static } from "typebox";
import { NextToken } from "./accounts.ts";
import { BrowserBinding, Closed, Id, Instant, limits } from "./common.ts";

/** base64url without padding, of at most so many letters. */
const Bytes = (maxLength: number) => Type.String({ pattern: "^[A-Za-z0-9_-]+$", maxLength });

/** 1,023 bytes: Web Authentication section 4, credential id. */
const CredentialId = Bytes(1_364);
const Attachment = Type.Optional(Type.Union([Type.Literal("platform"), Type.Literal("cross-platform")]));
const ExtensionResults = Type.Record(Type.String({ maxLength: 64 }), Type.Unknown());

/** AuthenticationResponseJSON of Web Authentication Level 3, section 5.1.8. */
export const PasskeyAnswer = Closed({
  id: CredentialId,
  rawId: CredentialId,
  type: Type.Literal("public-key"),
  authenticatorAttachment: Attachment,
  clientExtensionResults: ExtensionResults,
  response: Closed({
    clientDataJSON: Bytes(8_192),
    authenticatorData: Bytes(8_192),
    signature: Bytes(4_096),
    userHandle: Type.Optional(Bytes(86)),
  }),
});
export type PasskeyAnswer = Static<typeof PasskeyAnswer>;

/** RegistrationResponseJSON of Web Authentication Level 3, section 5.1.8. What repeats the attestation object is not read. */
export const NewPasskeyAnswer = Closed({
  id: CredentialId,
  rawId: CredentialId,
  type: Type.Literal("public-key"),
  authenticatorAttachment: Attachment,
  clientExtensionResults: ExtensionResults,
  response: Closed({
    clientDataJSON: Bytes(8_192),
    attestationObject: Bytes(16_384),
    transports: Type.Optional(Type.Array(Type.String({ pattern: "^[a-z-]{1,32}$" }), { maxItems: 8 })),
    authenticatorData: Type.Optional(Bytes(8_192)),
    publicKey: Type.Optional(Bytes(4_096)),
    publicKeyAlgorithm: Type.Optional(Type.Integer()),
  }),
});
export type NewPasskeyAnswer = Static<typeof NewPasskeyAnswer>;

/** POST …/options: what `navigator.credentials` is called with, and until when the answer is taken. */
export const AskPasskeyOptions = Closed({
  token: Type.Optional(
    Type.Boolean({ description: "answer the browser binding in the body, for callers without cookies" }),
  ),
});
export const PasskeyOptions = Closed({
  options: Type.Unsafe<object>(
    Type.Object(
      {},
      {
        additionalProperties: true,
        description:
          "PublicKeyCredentialRequestOptionsJSON or PublicKeyCredentialCreationOptionsJSON (Web Authentication)",
      },
    ),
  ),
  expiresAt: Instant,
  browser: Type.Optional(BrowserBinding),
});

/** POST /api/sessions/passkey. Answers a cookie, and with `token` a bearer token, like POST /api/sessions. */
export const SignInByPasskey = Closed({
  answer: PasskeyAnswer,
  browser: Type.Optional(BrowserBinding),
  token: Type.Optional(Type.Boolean()),
  class: Type.Optional(Type.Union([Type.Literal("app"), Type.Literal("tool")])),
  label: Type.Optional(Type.String({ minLength: 1, maxLength: limits.nameLength })),
});

/** POST /api/session/proof/passkey: prove with a passkey again, for what asks for a recent proof. */
export const ProveByPasskey = Closed({ answer: PasskeyAnswer, browser: Type.Optional(BrowserBinding) });

export const PasskeyName = Type.String({ minLength: 1, maxLength: limits.nameLength, pattern: "\\S" });

/** POST /api/account/passkeys */
export const AddPasskey = Closed({
  answer: NewPasskeyAnswer,
  name: PasskeyName,
  browser: Type.Optional(BrowserBinding),
});

/** GET /api/account/passkeys */
export const Passkey = Closed({
  id: Id,
  name: Type.String(),
  addedAt: Instant,
  lastUsedAt: Type.Union([Instant, Type.Null()]),
  /** Why it does not count now: added since the copy was taken, or its counter went back, as a copied one's would. */
  doubt: Type.Union([Type.Literal("added-since-copy"), Type.Literal("counter-back"), Type.Null()]),
});
export const PasskeyList = Closed({
  /** False where browsers refuse passkeys: the service is reached by a number and not by a name. */
  available: Type.Boolean(),
  /** Where they work, if not at the address that was asked. */
  origin: Type.String(),
  passkeys: Type.Array(Passkey),
});
export type PasskeyList = Static<typeof PasskeyList>;
/** PUT /api/account/passkeys/{id} */
export const RenamePasskey = Closed({ name: PasskeyName });
/** DELETE /api/account/passkeys/{id} */
export const RemovePasskeyQuery = Closed({
  devices: Type.Optional(
    Type.Union([Type.Literal("keep"), Type.Literal("sign-out")], {
      description: "whether the other devices are signed out as well; they are unless told otherwise",
    }),
  ),
});
export const PasskeyChanged = Closed({
  kind: Type.Union([
    Type.Literal("passkey-added"),
    Type.Literal("passkey-renamed"),
    Type.Literal("passkey-removed"),
    Type.Literal("passkey-kept"),
  ]),
  /** Of an addition, which proves who adds. */
  token: NextToken,
});
