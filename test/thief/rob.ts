import { isDecoy } from "../../src/canaries/decoy.ts";
import { declarations as declared, decoy } from "../../src/incidents/stolen-copy/stolen-copy.ts";
import type { Declarations } from "../../src/incidents/stolen-copy/declare.ts";
import { compareDeclared, declarationOf, provedOpaque } from "./columns.ts";
import { tryCredentials, uncoveredRoutes } from "./credentials.ts";
import { dictionary, truthsOf } from "./dictionary.ts";
import type { Finding } from "./finding.ts";
import { followed } from "./follow.ts";
import { guessRows, hashSearch, type Guessed, type GuessOptions } from "./guess.ts";
import { searchFields } from "./personal.ts";
import type { Person } from "./features/feature.ts";
import { stopwatch, type Populated } from "./populate.ts";
import { searchRaw } from "./raw.ts";
import { searchReplica } from "./replica.ts";
import { searchFor, type Search } from "./search.ts";
import { inSnapshot, takeTables, type Haul } from "./take.ts";
import { testHashCost } from "../open-service.ts";
import type { World } from "./world.ts";

export interface Effort {
  /** Rows of each kind of row whose values are tried on every way in. */
  readonly rowsTried: number;
  /** The size of the dictionary. */
  readonly words: number;
  /**
   * Whether every word is tried with every other value of a row as salt or key. Else an account's rows are tried with what is
   * true of it, and rows of no account with that of ten: no other word can match, so nothing is found less.
   */
  readonly everyWord: boolean;
  /** Threads that guess; none unless given. */
  readonly threads?: number;
}

/** What the thief has in the end. */
export interface Loot {
  readonly haul: Haul;
  readonly findings: readonly Finding[];
  /** What is said of each column, decoys among them. */
  readonly declarations: Declarations;
  /** Figures of the work, by what they count. */
  readonly work: Readonly<Record<string, number>>;
  /** Tables in which the rows of one account can be found together. */
  readonly accountTables: readonly string[];
}

/** What is worked out from tables alone: run on a snapshot of the whole, or on one table of a weakened schema. */
export async function workOn(
  haul: Haul,
  search: Search,
  hashes: Search,
  { declarations, ...guess }: Omit<GuessOptions, "cost"> & { readonly declarations: Declarations },
): Promise<{
  readonly findings: Finding[];
  readonly accountTables: string[];
  readonly guessed: Omit<Guessed, "findings">;
}> {
  const declarationFor = (name: string) => {
    const field = haul.fields.get(name);
    return field === undefined ? undefined : declarationOf(declarations, field);
  };
  const follow = followed(haul, declarationFor);
  const guessed = await guessRows(haul, { ...guess, cost: testHashCost });
  const opaque = [...haul.fields.values()].flatMap((field) => {
    const declaration = declarationFor(field.name);
    // A JSON column that is declared as a whole has no values of its own.
    return declaration === undefined || field.count === 0 ? [] : provedOpaque(field, declaration);
  });
  return {
    findings: [
      ...searchFields(search, haul.fields.values(), { class: "personal" }),
      ...searchFields(hashes, haul.fields.values(), { class: "guessable" }),
      ...guessed.findings,
      ...opaque,
      ...follow.findings,
    ],
    accountTables: follow.accountTables,
    guessed,
  };
}

/** Ten accounts, and the dictionary that has what is true of them. */
export function guessesFor(
  world: World,
  people: readonly Person[],
  { words, everyWord, threads = 0 }: Effort,
): Omit<GuessOptions, "cost"> {
  const ten = people.slice(0, 10);
  const accountIds = ten.map(({ accountId }) => accountId);
  const all = dictionary(world, ten, words);
  if (everyWord) return { accountIds, words: all, threads };
  const own = new Map(ten.map((person) => [person.accountId, truthsOf(world, person)]));
  own.set(
    "",
    ten.flatMap(({ address, network, password }) => [address, network, password]),
  );
  return { accountIds, words: all, own, threads };
}

/** Decoys, which only somebody with the keyholder can tell from tables that nobody declared: the one exception. */
export async function decoysIn({ service }: World, { tables }: Haul): Promise<Declarations> {
  const { db, keyholders } = service.ground;
  const found: Record<string, typeof decoy> = {};
  for (const { name, columns } of tables) {
    const table = { name, columns: columns.map((column) => column.name) };
    if (await isDecoy({ db, keyholder: keyholders.web }, table)) found[name] = decoy;
  }
  return found;
}

/** Takes everything that a thief can take, and works on it. The service goes on serving; nothing of it is stopped. */
export async function rob(
  world: World,
  populated: Populated,
  effort: Effort,
  say: (line: string) => void = () => undefined,
): Promise<Loot> {
  const timed = async <Result>(what: string, work: () => Result | Promise<Result>): Promise<Result> => {
    const sayTime = stopwatch(say);
    const result = await work();
    sayTime(what);
    return result;
  };
  const { people, crowd } = populated;
  const haul = await timed("copying every table", () => inSnapshot(world.db, (tx) => takeTables(tx)));
  const { search, plain } = await timed("learning what went in", () => ({
    search: searchFor(world.sought),
    // What was ever written to a file stood in a column or was told to a replica, where digests are looked for.
    plain: searchFor(world.sought, { digests: false }),
  }));
  const guesses = guessesFor(world, people, effort);
  const declarations = { ...declared, ...(await decoysIn(world, haul)) };
  const tables = await timed("working on every column", () =>
    workOn(haul, search, hashSearch(guesses.words), { ...guesses, declarations }),
  );
  const routes = uncoveredRoutes(world.service.web.app.routeTable).map((route): Finding => ({
    class: "untested",
    where: route,
    says: "it asks for no session, and test/thief/ways-in.ts does not say what to try there",
  }));
  const tried = await timed("trying values on every way in", () =>
    tryCredentials(world, populated, haul, effort.rowsTried),
  );
  const replica = await timed("reading what a replica was told", () => searchReplica(search, world.db, haul));
  const raw = await timed("reading the data folder", () => searchRaw(plain, world));
  return {
    haul,
    declarations,
    accountTables: tables.accountTables,
    findings: [
      ...compareDeclared(haul, declarations),
      ...routes,
      ...tables.findings,
      ...tried.findings,
      ...replica.findings,
      ...raw.findings,
    ],
    work: {
      accounts: people.length + crowd,
      "of them used every feature": people.length,
      tables: haul.tables.length,
      columns: haul.tables.reduce((sum, { columns }) => sum + columns.length, 0),
      rows: haul.tables.reduce((sum, { rows }) => sum + rows.length, 0),
      "values sought": world.sought.length,
      "values tried as credentials": tried.values,
      "requests made with them": tried.requests,
      "words guessed": guesses.words.length,
      "rows worked on by guessing": tables.guessed.rows,
      "salts and keys tried": tables.guessed.salts,
      "hashes of guesses": tables.guessed.hashes,
      "rows told to a replica": replica.rows,
      "files read": raw.files,
      "bytes of files read": raw.bytes,
    },
  };
}
