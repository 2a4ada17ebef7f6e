/**
 * What one column of a stolen copy is. `shown` stands there to be read, and says what it tells and why it may; every
 * other kind is bytes that the thief kit must find to be without pattern, and without anything that went in.
 */
export type ColumnKind = "sealed" | "wrapped" | "keyed" | "digest" | "random" | "shown";

export interface ColumnDeclaration {
  readonly kind: ColumnKind;
  /** What it is, or what a thief learns from it, in plain words. */
  readonly says: string;
  /** Why it may be read; `shown` only. */
  readonly because?: string;
  /** Why equal values stand in several rows, so that a thief can count them. Without it every value is its own. */
  readonly repeats?: string;
  /** Columns of one group hold the same values, so that a thief can follow them from table to table. */
  readonly group?: string;
}

export interface TableDeclaration {
  /** What a row stands for. */
  readonly holds: string;
  /** By column; `column.path` for a part of a JSON column that is not what the rest of it is. */
  readonly columns: Readonly<Record<string, ColumnDeclaration>>;
}

export type Declarations = Readonly<Record<string, TableDeclaration>>;

type More = Pick<ColumnDeclaration, "repeats" | "group">;

/** AES-256-GCM under a key that only the keyholder has or can unwrap, bound to its place, padded to whole blocks. */
export const sealed = (says: string, more: More = {}): ColumnDeclaration => ({ kind: "sealed", says, ...more });
/** A key, sealed under another that only the keyholder has. */
export const wrapped = (says: string, more: More = {}): ColumnDeclaration => ({ kind: "wrapped", says, ...more });
/** HMAC-SHA-256 under a key that only the keyholder has. */
export const keyed = (says: string, more: More = {}): ColumnDeclaration => ({ kind: "keyed", says, ...more });
/** SHA-256 of 256 random bits. */
export const digest = (says: string, more: More = {}): ColumnDeclaration => ({ kind: "digest", says, ...more });
/** Random bytes that nothing was made from. */
export const random = (says: string, more: More = {}): ColumnDeclaration => ({ kind: "random", says, ...more });
/** Readable, on purpose. */
export const shown = (says: string, because: string): ColumnDeclaration => ({ kind: "shown", says, because });

/** Reasons that hold for many columns. */
export const because = {
  id: "an id is random and time-ordered; it opens nothing and leads to no person by itself",
  time: "what expires, and what is refused for being older than a floor, is decided by it in one statement",
  epoch: "the check compares it with the floors in one read",
  state: "the next step is decided by it in one statement",
  counts: "tries are limited in the statement that counts them",
  library: "the library belongs to the operator, and says nothing of a person",
  caseFile: "the operator wrote it to be shown, and it is told to keep people out of it",
  record: "the record is made to be checked by outsiders, and no name, address or secret goes into it",
  queue: "the queue works by it",
  upkeep: "it says how the service is built and nothing of a person",
} as const;
