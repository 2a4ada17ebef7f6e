import { hash as hashOf } from "node:crypto";
import type { ColumnDeclaration } from "../../src/incidents/stolen-copy/declare.ts";
import type { Finding } from "./finding.ts";
import { writtenBytes, type Field, type Haul } from "./take.ts";

/** A value shorter than this may stand in two places by chance. */
const leastBytes = 12;

/** The values of a field as bytes: as they are, or what text that is written like bytes stands for. */
export function* bytesOf({ values }: Field): Generator<Buffer> {
  for (const { text, bytes } of values) yield text === null ? bytes : (writtenBytes(text) ?? bytes);
}

/** A value as it is counted: a long one by its digest. */
const keyOf = (bytes: Buffer): string =>
  bytes.length <= 40 ? bytes.toString("latin1") : hashOf("sha256", bytes, "latin1");

/**
 * Which opaque values are equal: in one column, so that a thief can count them, and in two, so that a thief can follow them
 * from table to table. What is declared is no finding; what is declared and not so is one.
 */
export function followed(
  haul: Haul,
  declared: (field: string) => ColumnDeclaration | undefined,
  did: (values: number) => void = () => undefined,
): { readonly findings: Finding[]; readonly accountTables: string[] } {
  const findings: Finding[] = [];
  /** Where a value stands: one field, or several. */
  const places = new Map<string, string | string[]>();
  const shared = new Set<string>();
  const isOpaque = (name: string): boolean => (declared(name)?.kind ?? "shown") !== "shown";

  for (const field of haul.fields.values()) {
    did(field.count);
    if (field.type === "uuid" || field.type.startsWith("timestamp")) continue;
    const rows = new Map<string, number>();
    for (const bytes of bytesOf(field)) {
      if (bytes.length < leastBytes) continue;
      const value = keyOf(bytes);
      rows.set(value, (rows.get(value) ?? 0) + 1);
    }
    for (const value of rows.keys()) {
      const seen = places.get(value);
      places.set(value, seen === undefined ? field.name : [seen, field.name].flat());
    }
    const declaration = declared(field.name);
    if (declaration === undefined || declaration.kind === "shown") continue;
    const repeated = [...rows.values()].filter((count) => count > 1);
    if (repeated.length > 0 && declaration.repeats === undefined) {
      findings.push({
        class: "counted",
        where: field.name,
        says: `${repeated.length} of ${rows.size} values stand in several rows, the commonest in ${Math.max(...repeated)}`,
      });
    }
    if (repeated.length === 0 && declaration.repeats !== undefined && rows.size > 0) {
      findings.push({ class: "stale", where: field.name, says: "it is said to repeat, and every value is its own" });
    }
  }

  const pairs = new Map<string, number>();
  for (const seen of places.values()) {
    if (typeof seen === "string") continue;
    const names = seen.toSorted();
    names.forEach((one, at) => {
      for (const other of names.slice(at + 1)) {
        if (isOpaque(one) || isOpaque(other)) pairs.set(`${one}\n${other}`, (pairs.get(`${one}\n${other}`) ?? 0) + 1);
      }
    });
  }
  for (const [pair, count] of pairs) {
    const [one = "", other = ""] = pair.split("\n");
    const group = declared(one)?.group;
    if (group !== undefined && group === declared(other)?.group) [one, other].forEach((name) => shared.add(name));
    else findings.push({ class: "linked", where: one, says: `${count} of its values stand in ${other} too` });
  }
  for (const field of haul.fields.values()) {
    const group = declared(field.name)?.group;
    if (group !== undefined && field.count > 0 && !shared.has(field.name)) {
      findings.push({ class: "stale", where: field.name, says: `nothing else has its values (${group})` });
    }
  }
  return { findings, accountTables: tablesOfAccounts(haul) };
}

/** Where the rows of one account can be found together: what an account id is good for. */
function tablesOfAccounts(haul: Haul): string[] {
  const ids = new Set(Array.from(haul.fields.get("account.id")?.values ?? [], ({ text }) => text));
  const tables = new Set<string>();
  for (const { table, values } of haul.fields.values()) {
    if (tables.has(table)) continue;
    for (const { text } of values) {
      if (text === null || !ids.has(text)) continue;
      tables.add(table);
      break;
    }
  }
  return [...tables];
}
