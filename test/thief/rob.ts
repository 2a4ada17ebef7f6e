import { isDecoy } from "../../src/canaries/decoy.ts";
import { declarations as declared, decoy } from "../../src/incidents/stolen-copy/stolen-copy.ts";
import type { Declarations } from "../../src/incidents/stolen-copy/declare.ts";
import { compareDeclared, declarationOf, provedOpaque } from "./columns.ts";
import { tryCredentials, uncoveredRoutes } from "./credentials.ts";
import { dictionary, truthsOf } from "./dictionary.ts";
import type { Finding } from "./finding.ts";
import { followed } from "./follow.ts";
import { guessRows, hashedWords, type Guessed, type GuessOptions } from "./guess.ts";
import { lookInThreads, type Looking } from "./looking.ts";
import { searchFields } from "./personal.ts";
import type { Person } from "./features/feature.ts";
import type { Populated } from "./populate.ts";
import { searchRaw } from "./raw.ts";
import { searchReplica } from "./replica.ts";
import { needlesOf, type Sought } from "./search.ts";
import { silentSteps, type Steps } from "./steps.ts";
import { countRows, inSnapshot, takeTables, type Haul } from "./take.ts";
import { testHashCost } from "../open-service.ts";
import { weakColumn, type Weakness } from "./weaknesses.ts";
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
  /** What somebody made weak, with what its author would have said of it. */
  readonly planted?: Weakness;
  /** Threads that guess and look; none unless given. */
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

/** What the thief does, by name. */
const does = {
  copy: "copying every table",
  learn: "learning what went in",
  follow: "following values from table to table",
  guess: "guessing words",
  measure: "measuring whether what is opaque is",
  search: "searching every column",
  tryOut: "trying values on every way in",
  replica: "reading what a replica was told",
  raw: "reading the data folder",
} as const;

/** Steps of `rob`. */
export const robbingSteps = Object.keys(does).length;

/** What is worked out from tables alone: run on a snapshot of the whole, or on one table of a weakened schema. */
export async function workOn(
  haul: Haul,
  looking: Looking,
  {
    declarations,
    steps = silentSteps,
    ...guess
  }: Omit<GuessOptions, "cost" | "count"> & { readonly declarations: Declarations; readonly steps?: Steps },
): Promise<{
  readonly findings: Finding[];
  readonly accountTables: string[];
  readonly guessed: Omit<Guessed, "findings">;
}> {
  const declarationFor = (name: string) => {
    const field = haul.fields.get(name);
    return field === undefined ? undefined : declarationOf(declarations, field);
  };
  const fields = [...haul.fields.values()];
  const values = fields.reduce((sum, { count }) => sum + count, 0);
  const follow = await steps.step(does.follow, (count) => {
    count.expect(values, "values");
    return followed(haul, declarationFor, count.did);
  });
  const guessed = await steps.step(does.guess, (count) => guessRows(haul, { ...guess, cost: testHashCost, count }));
  const opaque = await steps.step(does.measure, (count) => {
    count.expect(fields.length, "columns");
    return fields.flatMap((field) => {
      const declaration = declarationFor(field.name);
      count.did();
      // A JSON column that is declared as a whole has no values of its own.
      return declaration === undefined || field.count === 0 ? [] : provedOpaque(field, declaration);
    });
  });
  const searched = await steps.step(does.search, (count) => {
    count.expect(values, "values");
    return searchFields(looking, fields, count.did);
  });
  return {
    findings: [...searched, ...guessed.findings, ...opaque, ...follow.findings],
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
  steps: Steps = silentSteps,
): Promise<Loot> {
  const { people, crowd } = populated;
  const haul = await steps.step(does.copy, (count) =>
    inSnapshot(world.db, async (tx) => {
      count.expect(await countRows(tx), "rows");
      return takeTables(tx, undefined, count.did);
    }),
  );
  const guesses = guessesFor(world, people, effort);
  const sought = [inClear, ...world.sought];
  const tables = await steps.step(does.learn, (count) => {
    const hashed = hashedWords(guesses.words);
    count.expect(2 * sought.length + hashed.length, "values");
    return {
      all: needlesOf([...sought, ...hashed], { did: count.did }),
      // What was ever written to a file stood in a column or was told to a replica, where digests are looked for.
      plain: needlesOf(sought, { digests: false, did: count.did }),
    };
  });
  const declarations = { ...declared, ...plantedDeclaration(effort.planted), ...(await decoysIn(world, haul)) };
  const looking = lookInThreads(tables, effort.threads ?? 0);
  try {
    const worked = await workOn(haul, looking, { ...guesses, declarations, steps });
    const routes = uncoveredRoutes(world.service.web.app.routeTable).map((route): Finding => ({
      class: "untested",
      where: route,
      says: "it asks for no session, and test/thief/ways-in.ts does not say what to try there",
    }));
    const tried = await steps.step(does.tryOut, (count) =>
      tryCredentials(world, populated, haul, effort.rowsTried, count),
    );
    const replica = await steps.step(does.replica, (count) => searchReplica(looking, world.db, haul, count));
    const raw = await steps.step(does.raw, (count) => searchRaw(looking, world, { count }));
    const searched = [...worked.findings, ...replica.findings, ...raw.findings];
    return {
      haul,
      declarations,
      accountTables: worked.accountTables,
      findings: [
        ...compareDeclared(haul, declarations),
        ...routes,
        ...searched.filter(({ says }) => !says.endsWith(inClear.what)),
        ...notSeen(searched),
        ...tried.findings,
      ],
      work: {
        accounts: people.length + crowd,
        "of them used every feature": people.length,
        tables: haul.tables.length,
        columns: haul.tables.reduce((sum, { columns }) => sum + columns.length, 0),
        rows: haul.tables.reduce((sum, { rows }) => sum + rows.length, 0),
        "values sought": world.sought.length,
        "values tried as credentials": tried.values,
        "ways in, each of which let a true one in": tried.ways,
        "requests made with them": tried.requests,
        "words guessed": guesses.words.length,
        "rows worked on by guessing": worked.guessed.rows,
        "salts and keys tried": worked.guessed.salts,
        "hashes of guesses": worked.guessed.hashes,
        "rows told to a replica": replica.rows,
        "files read": raw.files,
        "bytes of files read": raw.bytes,
        "places where what is in clear was found": placesInClear.length - notSeen(searched).length,
      },
    };
  } finally {
    await looking.close();
  }
}

function plantedDeclaration(planted: Weakness | undefined): Declarations {
  if (planted?.declared === undefined) return {};
  const { holds = "", columns = {} } = declared[planted.table] ?? {};
  return { [planted.table]: { holds, columns: { ...columns, [weakColumn]: planted.declared } } };
}

/** What stands in clear on purpose, in the audiences of relying services: who does not find it finds nothing. */
const inClear: Sought = { what: "what stands there in clear", value: "https://music.example/Shop%20", exact: true };
const placesInClear: readonly { readonly where: string; readonly says: string }[] = [
  { where: "signal_receiver.audience", says: inClear.what },
  { where: "signal_receiver.audience", says: `told to a replica: ${inClear.what}` },
  { where: "data folder: signal_receiver", says: inClear.what },
  { where: "data folder: write-ahead log", says: inClear.what },
];

/** Each place where what is in clear was not seen. */
const notSeen = (findings: readonly Finding[]): Finding[] =>
  placesInClear
    .filter((place) => !findings.some(({ where, says }) => where === place.where && says === place.says))
    .map(({ where, says }) => ({
      class: "untested",
      where,
      says: `${says} was not found, so that nothing else was proves nothing`,
    }));
