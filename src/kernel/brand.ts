declare const brand: unique symbol;

/** A `Base` that only one file may mint: the `as` lives beside the check that earns it. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

export type AccountId = Brand<string, "AccountId">;
export type SessionId = Brand<string, "SessionId">;
export type IncidentId = Brand<string, "IncidentId">;
export type TitleId = Brand<string, "TitleId">;
export type FileId = Brand<string, "FileId">;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Reads a lower-case UUID from outside as an id of one kind; `undefined` for anything else. */
export function parseId<Id extends Brand<string, string>>(text: unknown): Id | undefined {
  return typeof text === "string" && uuidPattern.test(text) ? (text as Id) : undefined;
}

/** An id as the 16 bytes that it stands for (RFC 9562 section 4), for what carries ids in a fixed length. */
export const idBytes = (id: string): Buffer => Buffer.from(id.replaceAll("-", ""), "hex");

/** The id of 16 bytes. The caller has judged where they come from; any 16 bytes spell some id. */
export function idOfBytes<Id extends Brand<string, string>>(bytes: Uint8Array): Id {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Id;
}

/**
 * The number that containment raises; what was made under an older one is refused.
 * PostgreSQL's `bigint`, read as a JavaScript number: one containment a second fills it in 285 million years.
 */
export type Epoch = Brand<number, "Epoch">;
export const epoch = (value: number): Epoch => value as Epoch;

/** What has a floor of its own: the lowest epoch still accepted for that kind. */
export const floorKinds = [
  "password",
  "browser",
  "tv",
  "app",
  "tool",
  "ticket",
  "code",
  "link",
  "passkey",
  "totp",
  "recovery",
  /** Raised whenever a single account is contained. Nothing is judged by it; it lets a copy from before that be noticed. */
  "account",
] as const;
export type FloorKind = (typeof floorKinds)[number];

/** Kinds of session; each has its own floor. */
export const sessionClasses = ["browser", "tv", "app", "tool"] as const;
export type SessionClass = (typeof sessionClasses)[number];
