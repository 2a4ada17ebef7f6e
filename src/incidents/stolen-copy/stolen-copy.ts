import type { copyGroups } from "../../wire/stolen-copy.ts";
import { shown, type Declarations, type TableDeclaration } from "./declare.ts";
import { machinery } from "./machinery.ts";
import { people } from "./people.ts";
import { cases } from "./record.ts";
import { signals } from "./signals.ts";

/**
 * What every column of every table would show to a thief, table by table: the one place where it is said. The console
 * and the reports print it; `npm run thief` proves it, column by column, and fails for a column that is not here and
 * for one that is here and nowhere else.
 */
export const declarations: Declarations = { ...people, ...cases, ...signals, ...machinery };

/** The same by what they are about. */
export const grouped: Readonly<Record<(typeof copyGroups)[number], Declarations>> = {
  people,
  cases,
  signals,
  machinery,
};

const bait = "it is bait: every address in it is a canary, and nothing in it belongs to anybody";

/**
 * The one declared exception: a table that is readable on purpose. Its name is the operator's secret, so it is found by
 * what stands in it (`isDecoy`), and a table that only looks like it stays a table that nobody declared.
 */
export const decoy: TableDeclaration = {
  holds: "a decoy, for a thief without keys to try",
  columns: {
    id: shown("a number", bait),
    email: shown("an address that rings when it is used", bait),
    password_hash: shown("a hash of a word that every list has", bait),
    created_at: shown("an instant that was made up", bait),
  },
};
