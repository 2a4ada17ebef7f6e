import { declarationOf } from "./columns.ts";
import { classSays, findingClasses } from "./finding.ts";
import type { Loot } from "./rob.ts";
import { weakColumn, type Weakness } from "./weaknesses.ts";

/** One line of what the thief has. */
export interface Verdict {
  readonly column: string;
  readonly is: string;
  readonly verdict: string;
  /** Whether the kit measured it, or we say it and give a reason. */
  readonly says: "the kit" | "we";
  readonly isFound: boolean;
}

const kinds = {
  sealed: "sealed",
  wrapped: "a sealed key",
  keyed: "keyed",
  digest: "a digest of 256 random bits",
  random: "random",
};

export function verdicts({ haul, findings, declarations }: Loot): Verdict[] {
  return [...haul.fields.values()]
    .filter(
      ({ name, column, table, count }) =>
        name === `${table}.${column}` ||
        declarations[table]?.columns[name.slice(table.length + 1)] !== undefined ||
        count === 0,
    )
    .map((field): Verdict => {
      const found = findings.filter(({ where }) => where === field.name || where.startsWith(`${field.name}.`));
      const declaration = declarationOf(declarations, field);
      const is =
        declaration === undefined
          ? "nobody knows"
          : declaration.kind === "shown"
            ? declaration.says
            : `${declaration.says}: ${kinds[declaration.kind]}`;
      if (found.length > 0) {
        const verdict = found.map((one) => `${one.class}: ${one.says}`).join("; ");
        return { column: field.name, is, verdict, says: "the kit", isFound: true };
      }
      if (declaration !== undefined && declaration.kind !== "shown") {
        const repeats = declaration.repeats === undefined ? "" : `; equal ones stand in ${declaration.repeats}`;
        return {
          column: field.name,
          is,
          verdict: `opaque in ${field.count.toLocaleString("en")} values${repeats}`,
          says: "the kit",
          isFound: false,
        };
      }
      return { column: field.name, is, verdict: `readable: ${declaration?.because ?? ""}`, says: "we", isFound: false };
    });
}

const row = (figure: number, what: string): string => `${figure.toLocaleString("en").padStart(14)}  ${what}`;

/** Whether what was planted was found, in its class and by its words. */
export function plantedLine(
  { findings }: Pick<Loot, "findings">,
  { name, table, class: wanted, says: words }: Weakness,
): { readonly isFound: boolean; readonly line: string } {
  const column = `${table}.${weakColumn}`;
  // Of two columns with the same values either may be named first.
  const mine = findings.filter(
    (one) => one.class === wanted && `${one.where} ${one.says}`.includes(column) && words.test(one.says),
  );
  const how = mine.map(({ where, says }) => `  ${where}: ${wanted}: ${says}`);
  return mine.length > 0
    ? { isFound: true, line: [`Planted in ${column} (${name}), and found:`, ...how].join("\n") }
    : { isFound: false, line: `Planted in ${column} (${name}), and NOT FOUND.` };
}

/** The table for a terminal, and what it comes to. */
export function printed(loot: Loot): string {
  const lines: string[] = [];
  let table = "";
  for (const { column, is, verdict, says, isFound } of verdicts(loot)) {
    const owner = loot.haul.tables.find(({ name }) => column.startsWith(`${name}.`) && column.length > name.length + 1);
    if (owner !== undefined && owner.name !== table) {
      table = owner.name;
      const holds = loot.declarations[table]?.holds ?? "nobody knows";
      lines.push("", `${table}: ${holds} (${owner.rows.length.toLocaleString("en")})`);
    }
    const name = column.slice(table.length + 1);
    lines.push(`  ${isFound ? "!" : " "} ${name.padEnd(22)} ${is}`, `    ${" ".repeat(22)} ${verdict} (${says})`);
  }
  const elsewhere = loot.findings.filter(({ where }) => !loot.haul.fields.has(where));
  lines.push("", ...elsewhere.map((one) => `! ${one.where}: ${one.class}: ${one.says}`));
  const of = (...classes: readonly string[]) => loot.findings.filter((one) => classes.includes(one.class));
  const personal = of("personal");
  const count = (word: RegExp): number => personal.filter(({ says }) => word.test(says)).length;
  lines.push(
    "What was done",
    ...Object.entries(loot.work).map(([what, figure]) => row(figure, what)),
    "",
    "What was found",
    ...findingClasses.map((one) => row(of(one).length, `${one}: ${classSays[one]}`)),
    "",
    `With an account's id a thief finds its rows in ${loot.accountTables.join(", ")}.`,
    "",
    `The thief has ${count(/an address/)} addresses, ${count(/a name/)} names, ${count(/a password/) + of("guessable").length} passwords, ` +
      `${of("credential").length} accepted credentials.`,
    loot.findings.length === 0 ? "Nothing was found that is not declared." : `${loot.findings.length} findings.`,
  );
  return lines.join("\n").trimStart();
}
