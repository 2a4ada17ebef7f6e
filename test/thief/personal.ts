import { openedWhole } from "./forms.ts";
import type { Finding } from "./finding.ts";
import type { Search } from "./search.ts";
import type { Field } from "./take.ts";

/** Nothing is found across two values. */
const between = Buffer.from([1, 1]);
const blockBytes = 256 * 1024;
/** Types whose text has one form: reading it in every encoding would find numbers in numbers. */
const isPlain = (type: string): boolean =>
  /^(uuid|timestamp|date|boolean|bigint|integer|smallint|double precision|real|numeric)/.test(type);
const opened = 200;

/** Reads every value of every field in every encoding. */
export function searchFields(
  search: Search,
  fields: Iterable<Field>,
  { class: findingClass, in: place = "" }: { readonly class: "personal" | "guessable"; readonly in?: string },
): Finding[] {
  const findings: Finding[] = [];
  for (const { name, type, values } of fields) {
    const found = new Set<string>();
    const look = (block: Buffer): void => {
      for (const what of isPlain(type) ? search.findPlain(block) : search.findIn(block)) found.add(what);
    };
    let parts: Buffer[] = [];
    let size = 0;
    for (const { bytes } of values) {
      parts.push(bytes, between);
      size += bytes.length + between.length;
      if (size < blockBytes) continue;
      look(Buffer.concat(parts));
      parts = [];
      size = 0;
    }
    look(Buffer.concat(parts));
    if (!isPlain(type)) {
      for (const { bytes } of values.slice(0, opened)) for (const inside of openedWhole(bytes)) look(inside);
    }
    for (const what of found) findings.push({ class: findingClass, where: name, says: `${place}${what}` });
  }
  return findings;
}
