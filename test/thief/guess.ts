import { createHmac, hash as hashOf } from "node:crypto";
import { hashRawSync } from "@node-rs/argon2";
import type { HashCost } from "../../src/credentials/hash-pool.ts";
import type { Finding } from "./finding.ts";
import { searchFor, type Sought } from "./search.ts";
import { leavesOf, writtenBytes, type Haul, type Row, type TakenTable } from "./take.ts";

const unkeyed = [
  "md5",
  "ripemd160",
  "sha1",
  "sha224",
  "sha256",
  "sha384",
  "sha512",
  "sha512-256",
  "sha3-224",
  "sha3-256",
  "sha3-384",
  "sha3-512",
  "blake2s256",
  "blake2b512",
] as const;
const keyed = ["md5", "sha1", "sha256", "sha512", "sha3-256", "sha3-512"] as const;

/** As a person types it and as a program folds it. */
const foldings = (word: string): string[] => [...new Set([word, word.toLowerCase()])];

/** Every word as every hash there is, without a key, and hashed twice: what is looked for in every column. */
export function hashedWords(words: readonly string[]): Sought[] {
  return words.flatMap((word) =>
    foldings(word).flatMap((folded) =>
      unkeyed.flatMap((name) => {
        const once = hashOf(name, folded, "buffer");
        return [
          { what: `a word, as ${name}`, value: once },
          {
            what: `a word, as ${name} written in hex and hashed again`,
            value: hashOf(name, once.toString("hex"), "buffer"),
          },
        ];
      }),
    ),
  );
}

export interface GuessOptions {
  /** Whose rows are worked on. */
  readonly accountIds: readonly string[];
  /** A dictionary that has what is true of them in it. Only a true word can match: the others show what it costs. */
  readonly words: readonly string[];
  /** What the service's own code says a password costs, for rows that do not say. */
  readonly cost: HashCost;
  /** What is true of one account. With it, rows that name the account are tried with that alone: the others cannot match. */
  readonly own?: ReadonlyMap<string, readonly string[]>;
  /** Rows of one table for each account. */
  readonly rowsEach: number;
}

export interface Guessed {
  readonly findings: Finding[];
  readonly rows: number;
  readonly hashes: number;
}

interface Cell {
  readonly column: string;
  readonly bytes: Buffer;
  /** What could be a hash: bytes, or text that is written like bytes. */
  readonly isTarget: boolean;
}

const windowBytes = 8;
const leastSalt = 4;

/**
 * Row by row: is any value a hash, a MAC or an Argon2id tag of a word, with any other value of the row as its salt or key?
 * A part of a longer value counts, and so does a hash that was cut to eight bytes or more.
 */
export function guessRows(haul: Haul, { accountIds, words, own, cost, rowsEach }: GuessOptions): Guessed {
  const accounts = new Set(accountIds);
  const found = new Map<string, Finding>();
  const fold = (all: readonly string[]): Buffer[] =>
    [...new Set(all.flatMap(foldings))].map((word) => Buffer.from(word, "utf8"));
  const everyWord = fold(words);
  const ownWords = new Map([...(own ?? [])].map(([account, all]) => [account, fold(all)]));
  let rows = 0;
  let hashes = 0;

  for (const table of haul.tables) {
    for (const { account, cells } of chosenRows(table, accounts, rowsEach)) {
      const folded = ownWords.get(account) ?? everyWord;
      const targets = new Map<string, Cell>();
      for (const cell of cells) {
        if (!cell.isTarget) continue;
        for (let at = 0; at + windowBytes <= cell.bytes.length && at < 512; at++) {
          targets.set(cell.bytes.toString("latin1", at, at + windowBytes), cell);
        }
      }
      if (targets.size === 0) continue;
      rows++;
      const compare = (digest: Buffer, how: string, salt: Cell): void => {
        hashes++;
        const target = targets.get(digest.toString("latin1", 0, windowBytes));
        if (target === undefined || target === salt) return;
        const where = `${table.name}.${target.column}`;
        const says = `a dictionary word as ${how}, with ${salt.column} as salt or key`;
        found.set(`${where} ${says}`, { class: "guessable", where, says });
      };
      const rowCost = costIn(cells) ?? cost;
      for (const salt of cells) {
        if (salt.bytes.length < leastSalt) continue;
        for (const word of folded) {
          const forward = Buffer.concat([salt.bytes, word]);
          const backward = Buffer.concat([word, salt.bytes]);
          for (const name of keyed) {
            compare(hashOf(name, forward, "buffer"), name, salt);
            compare(hashOf(name, backward, "buffer"), name, salt);
            compare(createHmac(name, salt.bytes).update(word).digest(), `HMAC-${name}`, salt);
            compare(createHmac(name, word).update(salt.bytes).digest(), `HMAC-${name}`, salt);
          }
          if (salt.isTarget && salt.bytes.length >= 8 && salt.bytes.length <= 64) {
            compare(argon2id(word, salt.bytes, rowCost), "Argon2id", salt);
          }
        }
      }
    }
  }
  return { findings: [...found.values()], rows, hashes };
}

function argon2id(word: Buffer, salt: Buffer, { memoryKib, passes, parallelism }: HashCost): Buffer {
  return hashRawSync(word, {
    algorithm: 2,
    version: 1,
    memoryCost: memoryKib,
    timeCost: passes,
    parallelism,
    outputLen: 32,
    salt,
  });
}

function costIn(cells: readonly Cell[]): HashCost | undefined {
  for (const { bytes } of cells) {
    const match = /m=(\d{1,6}),t=(\d{1,2}),p=(\d)/.exec(bytes.toString("latin1"));
    if (match !== null) return { memoryKib: Number(match[1]), passes: Number(match[2]), parallelism: Number(match[3]) };
  }
  return undefined;
}

interface Chosen {
  readonly account: string;
  readonly cells: readonly Cell[];
}

/** Rows that name one of the accounts; of a table that names none, as many, spread over it. */
function chosenRows(table: TakenTable, accounts: ReadonlySet<string>, each: number): Chosen[] {
  const accountOf = (row: Row): string | undefined =>
    row.find((cell): cell is string => typeof cell === "string" && accounts.has(cell));
  const used = new Map<string, number>();
  const named = table.rows.filter((row) => {
    const account = accountOf(row);
    if (account === undefined) return false;
    const before = used.get(account) ?? 0;
    used.set(account, before + 1);
    return before < each;
  });
  const wanted = accounts.size * each;
  const step = Math.max(1, Math.floor(table.rows.length / wanted));
  const chosen = named.length > 0 ? named : table.rows.filter((_row, at) => at % step === 0).slice(0, wanted);
  return chosen.map((row) => ({ account: accountOf(row) ?? "", cells: cellsOf(table, row) }));
}

function cellsOf(table: TakenTable, row: Row): Cell[] {
  return table.columns.flatMap(({ name, type }, at): Cell[] => {
    const cell = row[at];
    if (cell === null || cell === undefined) return [];
    const isUuid = type === "uuid";
    return leavesOf(type, cell)
      .slice(0, 16)
      .flatMap(({ path, text, bytes }): Cell[] => {
        const column = `${name}${path}`;
        if (text === null) return [{ column, bytes, isTarget: true }];
        const written = isUuid ? bytes : writtenBytes(text);
        const asText = { column, bytes: Buffer.from(text, "utf8").subarray(0, 512), isTarget: false };
        return written === undefined ? [asText] : [asText, { column, bytes: written, isTarget: !isUuid }];
      });
  });
}

/** The unkeyed half: hashes of the words, wherever they stand. */
export const hashSearch = (words: readonly string[]) => searchFor(hashedWords(words));
