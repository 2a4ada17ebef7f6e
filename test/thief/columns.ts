import type { ColumnDeclaration, Declarations } from "../../src/incidents/stolen-copy/declare.ts";
import type { Finding } from "./finding.ts";
import { bytesOf } from "./follow.ts";
import { lengthsThatTell, patternsIn } from "./opaque.ts";
import type { Field, Haul } from "./take.ts";

/** The declaration of a field: its own, or that of the JSON column it stands in. */
export function declarationOf(declarations: Declarations, field: Field): ColumnDeclaration | undefined {
  const columns = declarations[field.table]?.columns;
  const own = columns?.[field.name.slice(field.table.length + 1)];
  return own ?? columns?.[field.column];
}

/** Columns that nobody declared, declarations of columns that are not there, and tables that no feature filled. */
export function compareDeclared({ tables, fields }: Haul, declarations: Declarations): Finding[] {
  const findings: Finding[] = [];
  for (const { name, columns, rows } of tables) {
    if (rows.length === 0) {
      findings.push({
        class: "untested",
        where: name,
        says: "it is empty: no feature in test/thief/features fills it",
      });
    }
    for (const column of columns) {
      if (declarations[name]?.columns[column.name] !== undefined) continue;
      const says = "nobody has said what it is: see src/incidents/stolen-copy";
      findings.push({ class: "undeclared", where: `${name}.${column.name}`, says });
    }
  }
  for (const [table, { columns }] of Object.entries(declarations)) {
    for (const [column, { kind, because }] of Object.entries(columns)) {
      const where = `${table}.${column}`;
      if (!fields.has(where))
        findings.push({ class: "stale", where, says: "it is declared, and there is no such column" });
      if (kind === "shown" && (because ?? "") === "") {
        findings.push({ class: "undeclared", where, says: "it may be read, and nobody has said why" });
      }
    }
  }
  return findings;
}

/** Whether what is declared to be opaque is: no pattern, and no length that tells. */
export function provedOpaque(field: Field, { kind }: ColumnDeclaration): Finding[] {
  if (kind === "shown") return [];
  const values = [...bytesOf(field)];
  const where = field.name;
  const patterns = patternsIn(kind, values).map((says): Finding => {
    const isUntested = says.endsWith("too few to tell");
    return { class: isUntested ? "untested" : "patterned", where, says };
  });
  const lengths = lengthsThatTell(values);
  return lengths === undefined ? patterns : [...patterns, { class: "length", where, says: lengths }];
}
