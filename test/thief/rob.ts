import { declarations as ours } from "../../src/incidents/stolen-copy/stolen-copy.ts";
import type { Declarations } from "../../src/incidents/stolen-copy/declare.ts";
import { compareDeclared, declarationOf, provedOpaque } from "./columns.ts";
import { tryCredentials, uncoveredRoutes } from "./credentials.ts";
import { dictionary, truthsOf } from "./dictionary.ts";
import type { Finding } from "./finding.ts";
import { followed } from "./follow.ts";
import { guessRows, hashSearch, type GuessOptions } from "./guess.ts";
import { searchFields } from "./personal.ts";
import type { Person } from "./features/feature.ts";
import type { Populated } from "./populate.ts";
import { searchRaw } from "./raw.ts";
import { takeReplica } from "./replica.ts";
import { searchFor, type Search } from "./search.ts";
import { inSnapshot, takeTables, type Haul } from "./take.ts";
import { testHashCost, type World } from "./world.ts";

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
}

/** What the thief has in the end. */
export interface Loot {
  readonly haul: Haul;
  readonly findings: readonly Finding[];
  /** Figures of the work, by what they count. */
  readonly work: Readonly<Record<string, number>>;
  /** Tables in which the rows of one account can be found together. */
  readonly accountTables: readonly string[];
}

/** What is worked out from tables alone: run on a snapshot of the whole, or on one table of a weakened schema. */
export function workOn(
  haul: Haul,
  search: Search,
  hashes: Search,
  { declarations = ours, ...guess }: Omit<GuessOptions, "cost"> & { readonly declarations?: Declarations },
): { readonly findings: Finding[]; readonly accountTables: string[]; readonly rows: number; readonly hashes: number } {
  const declared = (name: string) => {
    const field = haul.fields.get(name);
    return field === undefined ? undefined : declarationOf(declarations, field);
  };
  const follow = followed(haul, declared);
  const guessed = guessRows(haul, { ...guess, cost: testHashCost });
  const opaque = [...haul.fields.values()].flatMap((field) => {
    const declaration = declared(field.name);
    // A JSON column that is declared as a whole has no values of its own.
    return declaration === undefined || field.values.length === 0 ? [] : provedOpaque(field, declaration);
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
    rows: guessed.rows,
    hashes: guessed.hashes,
  };
}

/** Ten accounts, and the dictionary that has what is true of them. */
export function guessesFor(
  world: World,
  people: readonly Person[],
  { words, everyWord }: Effort,
): Omit<GuessOptions, "cost"> {
  const ten = people.slice(0, 10);
  const accountIds = ten.map(({ accountId }) => accountId);
  const all = dictionary(world, ten, words);
  if (everyWord) return { accountIds, words: all, rowsEach: 2 };
  const own = new Map(ten.map((person) => [person.accountId, truthsOf(world, person)]));
  own.set(
    "",
    ten.flatMap(({ address, network, password }) => [address, network, password]),
  );
  return { accountIds, words: all, own, rowsEach: 2 };
}

/** Takes everything that a thief can take, and works on it. The service goes on serving; nothing of it is stopped. */
export async function rob(
  world: World,
  populated: Populated,
  effort: Effort,
  say: (line: string) => void = () => undefined,
): Promise<Loot> {
  const timed = async <Result>(what: string, work: () => Result | Promise<Result>): Promise<Result> => {
    const started = performance.now();
    const result = await work();
    say(`${what}: ${((performance.now() - started) / 1_000).toFixed(1)} s`);
    return result;
  };
  const { people } = populated;
  const haul = await timed("copying every table", () => inSnapshot(world.db, (tx) => takeTables(tx)));
  const search = await timed("learning what went in", () => searchFor(world.sought));
  const guesses = guessesFor(world, people, effort);
  const tables = await timed("working on every column", () => workOn(haul, search, hashSearch(guesses.words), guesses));
  const routes = uncoveredRoutes(world.service.web.app.routeTable).map((route): Finding => ({
    class: "untested",
    where: route,
    says: "it asks for no session, and test/thief/ways-in.ts does not say what to try there",
  }));
  const tried = await timed("trying values on every way in", () =>
    tryCredentials(world, populated, haul, effort.rowsTried),
  );
  const replica = await timed("listening as a replica", () => takeReplica(world.db, haul));
  const told = await timed("reading what a replica was told", () =>
    searchFields(search, replica.fields, { class: "personal", in: "told to a replica: " }),
  );
  const raw = await timed("reading the data folder", () => searchRaw(search, world.dataFolder, world.db));
  return {
    haul,
    accountTables: tables.accountTables,
    findings: [
      ...compareDeclared(haul, ours),
      ...routes,
      ...tables.findings,
      ...tried.findings,
      ...told,
      ...raw.findings,
    ],
    work: {
      accounts: people.length,
      tables: haul.tables.length,
      columns: haul.tables.reduce((sum, { columns }) => sum + columns.length, 0),
      rows: haul.tables.reduce((sum, { rows }) => sum + rows.length, 0),
      "values sought": world.sought.length,
      "values tried as credentials": tried.values,
      "requests made with them": tried.requests,
      "rows worked on by guessing": tables.rows,
      "hashes of guesses": tables.hashes,
      "rows told to a replica": replica.rows,
      "files read": raw.files,
      "bytes of files read": raw.bytes,
    },
  };
}
