import { createHash, createHmac, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { hashRawSync } from "@node-rs/argon2";
import type { Tx } from "../../src/db/db.ts";
import { keyed, random, sealed, type ColumnDeclaration } from "../../src/incidents/stolen-copy/declare.ts";
import { seedOf, type Person } from "./features/feature.ts";
import type { FindingClass } from "./finding.ts";
import { testHashCost } from "../open-service.ts";

/** A schema that somebody might have made in a hurry: one column too many, and what the kit has to say of it. */
export interface Weakness {
  readonly name: string;
  readonly class: FindingClass;
  readonly table: string;
  /** Other tables that the thief has to look at for it. */
  readonly beside?: readonly string[];
  readonly type: "text" | "bytea" | "jsonb";
  /** How its author would have declared it; a column that nobody declared is a finding by itself. */
  readonly declared?: ColumnDeclaration;
  /** What the column holds for a person. */
  readonly value: (person: Person, row: Row) => string | Buffer;
  readonly says: RegExp;
}

/** What of the person's row goes into the value. */
export interface Row {
  readonly accountId: string;
  readonly salt: Buffer;
  readonly sessionId: string;
}

const fixedKey = randomBytes(64);
const digest = (name: string, ...parts: readonly (string | Buffer)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash(name)).digest();
const folded = ({ address }: Person): string => address.toLowerCase();
const encoded = (name: string, type: Weakness["type"], value: (address: string) => string | Buffer): Weakness => ({
  name: `an address ${name}`,
  class: "personal",
  table: "account",
  type,
  value: ({ address }) => value(address),
  says: /an address/,
});

/** The column's name in every weakened table. */
export const weakColumn = "weak";

export const weaknesses: readonly Weakness[] = [
  {
    name: "a session's token in clear",
    class: "credential",
    table: "session",
    type: "text",
    value: ({ cookie }) => cookie,
    says: /accepted as a session's cookie/,
  },
  {
    name: "a session's secret in clear, beside the ids that make it a token",
    class: "credential",
    table: "session",
    type: "bytea",
    value: ({ cookie }) => Buffer.from(cookie, "base64url").subarray(-32),
    says: /accepted as a bearer token/,
  },
  {
    name: "a password in base64",
    class: "credential",
    table: "password",
    type: "text",
    value: ({ password }) => Buffer.from(password).toString("base64"),
    says: /accepted as a password/,
  },
  {
    name: "a TOTP seed in clear",
    class: "credential",
    table: "totp",
    type: "bytea",
    value: ({ totpKey }) => seedOf(totpKey),
    says: /accepted as an authenticator app's code/,
  },
  encoded("in clear", "text", (address) => address),
  encoded("in capitals, inside JSON", "jsonb", (address) => JSON.stringify({ to: [{ mail: address.toUpperCase() }] })),
  encoded("in hex", "text", (address) => Buffer.from(address).toString("hex")),
  encoded("in base64, somewhere inside", "text", (address) => Buffer.from(`xy${address}, and more`).toString("base64")),
  encoded("in base64url in hex", "text", (address) =>
    Buffer.from(Buffer.from(`z${address}`).toString("base64url")).toString("hex"),
  ),
  encoded("in UTF-16", "bytea", (address) => Buffer.from(address, "utf16le")),
  encoded("backwards", "text", (address) => Buffer.from(address).reverse().toString()),
  encoded("as a part of a URL", "text", (address) => `?to=${encodeURIComponent(address)}`),
  encoded("escaped in a script", "text", (address) => `"${address.replace("@", "\\u0040").replace("+", "\\u002b")}"`),
  encoded("compressed", "bytea", (address) => gzipSync(`Dear ${address}, ${"la ".repeat(50)}`)),
  encoded("as SHA-1 without a key", "bytea", (address) => digest("sha1", address.toLowerCase())),
  {
    name: "a name in a comment",
    class: "personal",
    table: "account",
    type: "text",
    value: ({ name }) => `called on Monday: ${name}`,
    says: /a name/,
  },
  {
    name: "an address as SHA-224, which few look for",
    class: "guessable",
    table: "account",
    type: "bytea",
    value: (person) => digest("sha224", folded(person)),
    says: /a word, as sha224/,
  },
  {
    name: "an address as SHA-256 salted with the account's id",
    class: "guessable",
    table: "account",
    type: "bytea",
    value: (person, { accountId }) =>
      digest("sha256", Buffer.from(accountId.replaceAll("-", ""), "hex"), folded(person)),
    says: /as sha256, with account\.id as salt/,
  },
  {
    name: "an address as HMAC keyed with a column of the row, in hex",
    class: "guessable",
    table: "password",
    type: "text",
    value: (person, { salt }) => createHmac("sha256", salt).update(folded(person)).digest("hex"),
    says: /as HMAC-sha256, with password\.salt as salt/,
  },
  {
    name: "a password's Argon2id tag, not sealed",
    class: "guessable",
    table: "password",
    type: "bytea",
    value: ({ password }, { salt }) =>
      hashRawSync(password, {
        algorithm: 2,
        version: 1,
        memoryCost: testHashCost.memoryKib,
        timeCost: testHashCost.passes,
        parallelism: testHashCost.parallelism,
        outputLen: 32,
        salt,
      }),
    says: /as Argon2id, with password\.salt as salt/,
  },
  {
    name: "the code that an authenticator app showed last, as SHA-256 salted with the account's id",
    class: "guessable",
    table: "totp",
    type: "bytea",
    value: ({ totpCodes }, { accountId }) =>
      digest("sha256", Buffer.from(accountId.replaceAll("-", ""), "hex"), totpCodes[0] ?? ""),
    says: /as sha256, with totp\.account_id as salt/,
  },
  {
    name: "bytes that every row was mixed with in the same way",
    class: "patterned",
    table: "account",
    type: "bytea",
    declared: random("what its author took for encrypted"),
    value: ({ address }) => Buffer.from(Buffer.from(address.padEnd(64)).map((byte, at) => byte ^ (fixedKey[at] ?? 0))),
    says: /is not half ones/,
  },
  {
    name: "the index of an address in another table",
    class: "linked",
    table: "session",
    beside: ["address"],
    type: "bytea",
    declared: keyed("a group that its author found useful"),
    value: () => Buffer.alloc(0),
    says: /stand in address\.blind_index too|stand in session\.weak too/,
  },
  {
    name: "a keyed hash of what only a few values have",
    class: "counted",
    table: "account",
    type: "bytea",
    declared: keyed("the country"),
    value: ({ number }) =>
      createHmac("sha256", fixedKey)
        .update(`country ${number % 3}`)
        .digest(),
    says: /stand in several rows/,
  },
  {
    name: "a sealed value as long as what is in it",
    class: "length",
    table: "account",
    type: "bytea",
    declared: sealed("the place"),
    value: ({ number }) => Buffer.concat([Buffer.from([1, 0, 0, 0, 1]), randomBytes(28 + 4 + (number % 11))]),
    says: /11 lengths, from/,
  },
  {
    name: "a column that nobody declared",
    class: "undeclared",
    table: "account",
    type: "text",
    value: () => "plain",
    says: /nobody has said what it is/,
  },
];

/** Adds the column and fills it for these people; the caller rolls back. */
export async function weaken(tx: Tx, { table, type, value, name }: Weakness, people: readonly Person[]): Promise<void> {
  await tx.run(`alter table ${table} add column ${weakColumn} ${type}`);
  const accountColumn = table === "account" ? "id" : "account_id";
  for (const person of people) {
    const { accountId } = person;
    const password = await tx.one<{ salt: Buffer }>(`select salt from password where account_id = $1`, [accountId]);
    const sessionId = sessionOf(person.cookie);
    const isSession = table === "session";
    const row = { accountId, salt: password?.salt ?? Buffer.alloc(0), sessionId };
    const index = await tx.one<{ index: Buffer }>(`select blind_index as index from address where account_id = $1`, [
      accountId,
    ]);
    const cell = name.startsWith("the index of an address") ? (index?.index ?? Buffer.alloc(0)) : value(person, row);
    await tx.run(
      `update ${table} set ${weakColumn} = $2::${type} where ${accountColumn} = $1${isSession ? " and id = $3" : ""}`,
      isSession ? [accountId, cell, sessionId] : [accountId, cell],
    );
  }
}

/** A token names its session. */
function sessionOf(token: string): string {
  const hex = Buffer.from(token, "base64url").toString("hex", 16, 32);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
