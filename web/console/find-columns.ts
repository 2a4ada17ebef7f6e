import type { StolenCopy } from "../../src/wire/stolen-copy.ts";

export type Table = StolenCopy["tables"][number];
type Column = Table["columns"][number];

/** What stands in a thief's hands, from what nobody opens to what anybody reads. */
export const kindsShown = ["sealed", "keyed", "digest", "random", "shown"] as const;
export type ShownKind = (typeof kindsShown)[number];

/** A sealed key is sealed, and what nobody has said anything about counts as readable. */
const kindOf = ({ kind }: Column): ShownKind => (kind === "wrapped" ? "sealed" : kind === "unknown" ? "shown" : kind);

export const isReadable = (column: Column): boolean => kindOf(column) === "shown";

/**
 * The tables and columns in which every word of `search` stands, in any case: in a column's name, in what it is or why, or in
 * what is said of its table, which shows all its columns; of one kind alone if `kind` is given. Tables without any are left out.
 */
export function findColumns(tables: readonly Table[], search: string, kind: ShownKind | undefined): readonly Table[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (...texts: readonly (string | null)[]): boolean => {
    const said = texts.join(" ").toLowerCase();
    return words.every((word) => said.includes(word));
  };
  return tables.flatMap((table) => {
    const ofKind = kind === undefined ? table.columns : table.columns.filter((column) => kindOf(column) === kind);
    const columns = has(table.name, table.holds)
      ? ofKind
      : ofKind.filter(({ name, says, because }) => has(table.name, table.holds, name, says, because));
    return columns.length === 0 ? [] : [{ ...table, columns }];
  });
}
