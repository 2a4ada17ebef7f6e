import { hash as hashOf } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { HashCost } from "../../src/credentials/hash-pool.ts";
import type { Finding } from "./finding.ts";
import { tryWords, windowBytes, type Salt } from "./guess-salts.ts";
import type { Told } from "./guess-worker.ts";
import type { Sought } from "./search.ts";
import type { Count } from "./steps.ts";
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

/** As a person types it and as a program folds it. */
const foldings = (word: string): string[] => [...new Set([word, word.toLowerCase()])];

/** What a hash of a word is called where it is found. */
export const hashedWord = "a word, as ";

/** Every word as every hash there is, without a key, and hashed twice: what is looked for in every column. */
export function hashedWords(words: readonly string[]): Sought[] {
  return words.flatMap((word) =>
    foldings(word).flatMap((folded) =>
      unkeyed.flatMap((name): Sought[] => {
        const once = hashOf(name, folded, "buffer");
        return [
          { what: `${hashedWord}${name}`, value: once, exact: true },
          {
            what: `${hashedWord}${name} written in hex and hashed again`,
            value: hashOf(name, once.toString("hex"), "buffer"),
            exact: true,
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
  /** Threads that try; none unless told, and this one does it. */
  readonly threads?: number;
  readonly count?: Count;
}

export interface Guessed {
  readonly findings: Finding[];
  readonly rows: number;
  readonly salts: number;
  readonly hashes: number;
}

interface Cell {
  readonly column: string;
  readonly bytes: Buffer;
  /** What could be a hash: bytes, or text that is written like bytes. */
  readonly isTarget: boolean;
}

const leastSalt = 4;
const mostSalt = 512;

/**
 * Is any value a hash, a MAC or an Argon2id tag of a word, with any other value as its salt or key? For each account one
 * row of every table that names it, and the first rows of every table that names nobody: there the same accounts began.
 * A value that stands in many rows is tried once, and against all of them. A part of a longer value counts, and so does
 * a hash that was cut to eight bytes or more.
 */
export async function guessRows(haul: Haul, options: GuessOptions): Promise<Guessed> {
  const { accountIds, words, own, cost, threads = 0, count } = options;
  const accounts = new Set(accountIds);
  const everyWord = fold(words);
  const ownWords = new Map([...(own ?? [])].map(([account, all]) => [account, fold(all)]));
  const targets = new Map<string, string>();
  const salts = new Map<string, Omit<Salt, "words"> & { readonly words: Set<Buffer> }>();
  let rows = 0;

  for (const table of haul.tables) {
    for (const { account, cells } of chosenRows(table, accounts)) {
      rows++;
      const rowCost = costIn(cells) ?? cost;
      for (const { column, bytes, isTarget } of cells) {
        const where = `${table.name}.${column}`;
        if (isTarget) {
          for (let at = 0; at + windowBytes <= bytes.length && at < mostSalt; at++) {
            targets.set(bytes.toString("latin1", at, at + windowBytes), where);
          }
        }
        if (bytes.length < leastSalt) continue;
        const key = bytes.toString("latin1");
        const mayBeSalt = isTarget && bytes.length >= 8 && bytes.length <= 64;
        const salt = salts.get(key) ?? { bytes, column: where, cost: mayBeSalt ? rowCost : null, words: new Set() };
        salts.set(key, salt);
        for (const word of ownWords.get(account) ?? everyWord) salt.words.add(word);
      }
    }
  }
  const listed = [...salts.values()].map((salt): Salt => ({ ...salt, words: [...salt.words] }));
  count?.expect(listed.length, "salts and keys");
  const shares = Array.from({ length: threads }, (_none, thread) =>
    listed.filter((_salt, at) => at % threads === thread),
  );
  const tried =
    threads === 0
      ? [tryWords(listed, targets, count?.did)]
      : await Promise.all(shares.map((share) => inThread(share, targets, count?.did)));
  const findings = tried.flatMap(({ hits }) =>
    hits.map(({ target, how, salt }): Finding => {
      const says = `a dictionary word as ${how}, with ${salt} as salt or key`;
      return { class: "guessable", where: target, says };
    }),
  );
  return { findings, rows, salts: listed.length, hashes: tried.reduce((sum, { hashes }) => sum + hashes, 0) };
}

async function inThread(
  salts: readonly Salt[],
  targets: ReadonlyMap<string, string>,
  did: Count["did"] = () => undefined,
): Promise<ReturnType<typeof tryWords>> {
  const worker = new Worker(new URL("guess-worker.ts", import.meta.url));
  try {
    return await new Promise((resolve, reject) => {
      worker.on("message", (told: Told) => (told.kind === "salts" ? did(told.done) : resolve(told.tried)));
      worker.on("error", reject);
      worker.postMessage({ salts, targets });
    });
  } finally {
    await worker.terminate();
  }
}

const fold = (words: readonly string[]): Buffer[] =>
  [...new Set(words.flatMap(foldings))].map((word) => Buffer.from(word, "utf8"));

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

/** Rows of a table that names no account: what one is, all are. */
const ofNobody = 3;

/** The fullest row that names each of the accounts; of a table that names none, a few from its beginning. */
function chosenRows(table: TakenTable, accounts: ReadonlySet<string>): Chosen[] {
  const filled = (row: Row): number => row.filter((cell) => cell !== null).length;
  const fullest = new Map<string, Row>();
  for (const row of table.rows) {
    const account = row.find((cell): cell is string => typeof cell === "string" && accounts.has(cell));
    if (account === undefined) continue;
    const before = fullest.get(account);
    if (before === undefined || filled(before) < filled(row)) fullest.set(account, row);
  }
  const chosen: readonly (readonly [string, Row])[] =
    fullest.size > 0 ? [...fullest] : table.rows.slice(0, ofNobody).map((row) => ["", row] as const);
  return chosen.map(([account, row]) => ({ account, cells: cellsOf(table, row) }));
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
        if (text === null) return [{ column, bytes: bytes.subarray(0, mostSalt), isTarget: true }];
        const written = isUuid ? bytes : writtenBytes(text);
        const asText = { column, bytes: Buffer.from(text, "utf8").subarray(0, mostSalt), isTarget: false };
        return written === undefined
          ? [asText]
          : [asText, { column, bytes: written.subarray(0, mostSalt), isTarget: !isUuid }];
      });
  });
}
