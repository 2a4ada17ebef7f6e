import { Type, type Static } from "typebox";
import {
  Address,
  BrowserBinding,
  Closed,
  Id,
  Instant,
  limits,
  Locale,
  Password,
  SessionClass,
  TypedCode,
} from "./common.ts";

/** POST /api/accounts: always 202, whether or not the address has an account. */
export const SignUp = Closed({
  address: Address,
  password: Password,
  name: Type.Optional(Type.String({ minLength: 1, maxLength: limits.nameLength })),
  locale: Type.Optional(Locale),
  token: Type.Optional(
    Type.Boolean({ description: "answer the browser binding in the body, for callers without cookies" }),
  ),
});
export type SignUp = Static<typeof SignUp>;

/** The answer to a request for a code: a letter is on its way if the address allows it. */
export const CodeSent = Closed({
  kind: Type.Literal("code-sent"),
  expiresAt: Instant,
  browser: Type.Optional(BrowserBinding),
});
export type CodeSent = Static<typeof CodeSent>;

/** POST /api/accounts/confirm. `browser` stands in for the cookie. */
export const ConfirmSignUp = Closed({
  code: TypedCode,
  address: Type.Optional(Address),
  browser: Type.Optional(BrowserBinding),
});
export type ConfirmSignUp = Static<typeof ConfirmSignUp>;
export const AccountCreated = Closed({ kind: Type.Literal("account-created"), accountId: Id });

/** POST /api/sessions. Answers a cookie, and with `token` a bearer token. */
export const SignIn = Closed({
  address: Address,
  password: Password,
  token: Type.Optional(Type.Boolean()),
  class: Type.Optional(Type.Union([Type.Literal("app"), Type.Literal("tool")])),
  label: Type.Optional(Type.String({ minLength: 1, maxLength: limits.nameLength })),
});
export type SignIn = Static<typeof SignIn>;

export const SignedIn = Closed({
  kind: Type.Literal("signed-in"),
  accountId: Id,
  sessionId: Id,
  role: Type.Union([Type.Literal("viewer"), Type.Literal("operator")]),
  expiresAt: Instant,
  token: Type.Optional(Type.String()),
});
export type SignedIn = Static<typeof SignedIn>;

/** POST /api/sessions, where the password is right and the account has a second factor: nobody is signed in yet. */
export const SecondFactorAsked = Closed({
  kind: Type.Literal("second-factor"),
  /** What may come: an app's code, or a recovery code in its place. */
  factors: Type.Array(Type.Union([Type.Literal("totp"), Type.Literal("recovery")])),
  expiresAt: Instant,
  step: Type.Optional(Type.String({ description: "only with `token`; otherwise a cookie keeps it" })),
});

/** POST /api/sessions/second-factor. With `step` the answer has a bearer token, without it a cookie. */
export const CompleteSignIn = Closed({
  code: TypedCode,
  step: Type.Optional(Type.String({ minLength: 20, maxLength: 200 })),
});

/** GET /api/session: who this request is. */
export const CurrentSession = Closed({
  accountId: Id,
  sessionId: Id,
  class: SessionClass,
  role: Type.Union([Type.Literal("viewer"), Type.Literal("operator")]),
  expiresAt: Instant,
  /** When a dangerous act will ask for the password again. */
  freshUntil: Instant,
});
export type CurrentSession = Static<typeof CurrentSession>;

/** The token that replaces the one a request was made with; only for who sent that in a header, else a cookie has it. */
export const NextToken = Type.Optional(
  Type.String({ description: "replaces the bearer token, which opens nothing now" }),
);

/** POST /api/session/proof and /api/session/proof/passkey */
export const ProvedSession = Closed({ ...CurrentSession.properties, token: NextToken });
export type ProvedSession = Static<typeof ProvedSession>;

/** GET /api/account: the account page's own data; of the addresses the first is the one that is written to first. */
export const Account = Closed({
  accountId: Id,
  name: Type.String(),
  locale: Locale,
  role: Type.Union([Type.Literal("viewer"), Type.Literal("operator")]),
  addresses: Type.Array(
    Closed({
      id: Id,
      address: Type.String(),
      confirmedAt: Instant,
      /** Added since a copy was taken: it gets letters, and opens no renewal until its owner keeps it. */
      doubted: Type.Boolean(),
    }),
  ),
  passwordSetAt: Type.Union([Instant, Type.Null()]),
  createdAt: Instant,
});
export type Account = Static<typeof Account>;

/** GET /api/sessions. */
export const Device = Closed({
  id: Id,
  class: SessionClass,
  label: Type.String(),
  network: Type.String(),
  createdAt: Instant,
  lastSeenAt: Instant,
  current: Type.Boolean(),
});
export const DeviceList = Closed({ devices: Type.Array(Device) });
export type DeviceList = Static<typeof DeviceList>;

/** DELETE /api/sessions?except=current */
export const SignOutOthersQuery = Closed({ except: Type.Literal("current") });
export const SignedOut = Closed({ kind: Type.Literal("signed-out"), ended: Type.Integer() });

/** POST /api/password. An account without a password (an operator's first minutes) leaves `currentPassword` out. */
export const ChangePassword = Closed({
  currentPassword: Type.Optional(Password),
  newPassword: Password,
  signOutDevices: Type.Optional(
    Type.Boolean({ default: true, description: "Sign out connected devices after password change" }),
  ),
});
export type ChangePassword = Static<typeof ChangePassword>;
export const PasswordChanged = Closed({ kind: Type.Literal("password-changed"), signedOutDevices: Type.Boolean() });

/**
 * POST /api/session/proof: prove again what this account signs in with, for what asks for a recent proof. `code` is the
 * second factor's; an account without a password leaves `password` out.
 */
export const ProveAgain = Type.Object(
  { password: Type.Optional(Password), code: Type.Optional(TypedCode) },
  { additionalProperties: false, minProperties: 1 },
);

/** POST /api/account/addresses: an address for an account that has none, or one more; a code is mailed to it. */
export const AddAddress = Closed({ address: Address });

/** What became of an address. */
export const AddressChanged = Closed({
  kind: Type.Union([
    Type.Literal("address-added"),
    Type.Literal("address-removed"),
    Type.Literal("address-kept"),
    Type.Literal("first-address-changed"),
  ]),
});

/** A place in line with what it is bound to, for callers without cookies: as it was answered. */
export const PlaceInLine = Type.String({ pattern: "^[A-Za-z0-9_-]{43}\\.[A-Za-z0-9_-]{80}$" });

/** Where somebody stands in line while more come back than can be served. */
export const InLine = Closed({
  kind: Type.Literal("in-line"),
  number: Type.Integer(),
  before: Type.Integer({ description: "people who are called before" }),
  expectedSeconds: Type.Union([Type.Integer(), Type.Null()], {
    description: "by the measured rate; null while nobody has been called",
  }),
  comeBackSeconds: Type.Integer({ description: "when to ask again; also in Retry-After" }),
  place: Type.Optional(PlaceInLine),
});
export type InLine = Static<typeof InLine>;

/** POST /api/renewals: always 202, the same for every address; while there is a crowd a place in line. */
export const AskRenewal = Closed({
  address: Address,
  token: Type.Optional(Type.Boolean()),
  place: Type.Optional(PlaceInLine),
});
/** POST /api/renewals/place */
export const AskPlace = Closed({ place: Type.Optional(PlaceInLine) });
/** Whoever is called may ask for a code, or set the password with one, for half an hour. */
export const Called = Closed({ kind: Type.Literal("called"), place: Type.Optional(PlaceInLine) });
/** POST /api/renewals/complete */
export const CompleteRenewal = Closed({
  code: TypedCode,
  password: Password,
  signOutDevices: Type.Optional(Type.Boolean({ default: true })),
  address: Type.Optional(Address),
  browser: Type.Optional(BrowserBinding),
  secondFactor: Type.Optional(TypedCode),
  place: Type.Optional(PlaceInLine),
});
export type CompleteRenewal = Static<typeof CompleteRenewal>;
export const Renewed = Closed({ kind: Type.Literal("renewed"), signedOutDevices: Type.Boolean() });

/** GET /api/notice: what a sign-in page or a TV shows while a case is open. */
export const CurrentNotice = Closed({
  notice: Type.Union([
    Closed({
      reference: Type.String(),
      renewPasswordsSetBefore: Type.Union([Instant, Type.Null()]),
      /** As it was sent, in the asker's language or else in English; null before the first has gone. */
      letter: Type.Union([Closed({ locale: Type.String(), subject: Type.String(), text: Type.String() }), Type.Null()]),
    }),
    Type.Null(),
  ]),
});

/** POST /api/operator-sessions: the single-use link's secret, taken from the fragment. */
export const UseOperatorLink = Closed({ secret: Type.String({ minLength: 20, maxLength: 100 }) });

/** Who has the role of an operator, as the record knows them. */
export const StandingOperator = Closed({
  accountId: Id,
  /** When they were named, or kept after a containment, and by whom: an account's id, or "host". Null: the record does not know. */
  named: Type.Union([Closed({ at: Instant, by: Type.String() }), Type.Null()]),
  /** Named since the copy may have been taken, or behind the service's back. */
  isNew: Type.Boolean(),
  /** Whether the role counts; what was set aside by a containment counts again once it is kept. */
  counts: Type.Boolean(),
});
export type StandingOperator = Static<typeof StandingOperator>;

/** GET|POST /api/operators, DELETE /api/operators/{id}, POST /api/operators/{id}/keep */
export const Operators = Closed({
  operators: Type.Array(
    Closed({
      ...StandingOperator.properties,
      name: Type.String(),
      addresses: Type.Array(Type.String()),
      current: Type.Boolean(),
    }),
  ),
});
export type Operators = Static<typeof Operators>;
export const AddOperator = Closed({ address: Address });
export const OperatorChanged = Closed({
  kind: Type.Union([Type.Literal("operator-added"), Type.Literal("operator-removed"), Type.Literal("operator-kept")]),
});

/** GET /api/mailbox */
export const Mailbox = Closed({
  letters: Type.Array(
    Closed({
      id: Id,
      at: Instant,
      to: Type.String(),
      subject: Type.String(),
      text: Type.String(),
      html: Type.String(),
      messageId: Type.String(),
    }),
  ),
});
export type Mailbox = Static<typeof Mailbox>;
