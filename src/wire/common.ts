import { Type, type Static } from "typebox";

/** Limits that the browser shows and the server enforces. */
export const limits = {
  addressLength: 254,
  addressesPerAccount: 5,
  nameLength: 100,
  passwordLength: 1_024,
  /** NIST SP 800-63B-4 section 3.1.1.2(1): at least 15 where the password is the only factor. */
  passwordLengthAlone: 15,
  /** And at least 8 where a second factor is asked for besides. */
  passwordLengthWithFactor: 8,
  bodyBytes: 64 * 1024,
} as const;

const closed = { additionalProperties: false } as const;

/** An object that refuses unknown fields. */
export const Closed = <Properties extends Record<string, Type.TSchema>>(properties: Properties, description?: string) =>
  Type.Object(properties, description === undefined ? closed : { ...closed, description });

export const Id = Type.String({ pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$" });
export const Instant = Type.String({ description: "ISO 8601, UTC, milliseconds" });
const leapYear = "(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)";
/** A day of the calendar: JavaScript would take the 30th of February for the 2nd of March, and say nothing. */
const day = `(\\d{4}-((0[1-9]|1[0-2])-(0[1-9]|1\\d|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)|${leapYear}-02-29)`;

/** An instant that a caller sends: with a zone, so that it means the same everywhere, and in the years 0000 to 9999. */
export const SentInstant = Type.String({
  description: "ISO 8601 with a zone",
  pattern: `^${day}T([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,9})?)?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)$`,
});
export const Address = Type.String({ minLength: 3, maxLength: limits.addressLength });
/** Never looked into for anything but the rules of passwords, and never shown by a tool that reads the description. */
export const Password = Type.String({ minLength: 1, maxLength: limits.passwordLength, format: "password" });
/** Letters as the mail shows them; hyphens, spaces and case do not matter. */
export const TypedCode = Type.String({ minLength: 4, maxLength: 40 });
/** What stands for the asking browser where there is no cookie jar: 256 bits, base64url. */
export const BrowserBinding = Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" });
export const Locale = Type.Union([
  Type.Literal("en"),
  Type.Literal("de"),
  Type.Literal("fr"),
  Type.Literal("es"),
  Type.Literal("ja"),
]);
export type Locale = Static<typeof Locale>;

export const SessionClass = Type.Union([
  Type.Literal("browser"),
  Type.Literal("tv"),
  Type.Literal("app"),
  Type.Literal("tool"),
]);

/**
 * What every failed request answers, as application/problem+json.
 *
 * Source: RFC 9457. `code` is stable and what programs switch on; `reference` is what an operator finds in the log.
 */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.String(),
  detail: Type.Optional(Type.String()),
  reference: Type.Optional(Type.String()),
  fields: Type.Optional(Type.Array(Type.Object({ field: Type.String(), rule: Type.String() }))),
});
export type Problem = Static<typeof Problem>;

export const IdParams = Closed({ id: Id });
export const Nothing = Type.Null();
