import { openedWhole } from "./forms.ts";
import type { Finding } from "./finding.ts";
import type { Search } from "./search.ts";
import type { Field } from "./take.ts";

/** Nothing is found across two values. */
const between = Buffer.from([1, 1]);
const blockBytes = 64 * 1024;
/** Types whose text has one form: reading it in every encoding would find numbers in numbers. */
const isPlain = (type: string): boolean =>
  /^(uuid|timestamp|date|boolean|bigint|integer|smallint|double precision|real|numeric)/.test(type);
/** Values of a field that are opened as if they were compressed as a whole: what one is, all are. */
const opened = 8;

interface Place {
  readonly class: "personal" | "guessable";
  readonly in?: string;
}

/** Reads the values of fields as they come, each field a block at a time, in every encoding. */
export function readFields(search: Search, { class: findingClass, in: place = "" }: Place) {
  const blocks = new Map<string, { parts: Buffer[]; size: number; seen: number; readonly found: Set<string> }>();
  const findings: Finding[] = [];

  const look = (found: Set<string>, type: string, bytes: Buffer): void => {
    for (const what of isPlain(type) ? search.findPlain(bytes) : search.findIn(bytes)) found.add(what);
  };

  return {
    take(name: string, type: string, bytes: Buffer): void {
      const block = blocks.get(name) ?? { parts: [], size: 0, seen: 0, found: new Set() };
      blocks.set(name, block);
      block.parts.push(bytes, between);
      block.size += bytes.length + between.length;
      if (block.seen++ < opened && !isPlain(type)) {
        for (const inside of openedWhole(bytes)) look(block.found, type, inside);
      }
      if (block.size < blockBytes) return;
      look(block.found, type, Buffer.concat(block.parts));
      block.parts = [];
      block.size = 0;
    },
    /** @returns what was found, once everything was given. */
    finish(typeOf: (name: string) => string): Finding[] {
      for (const [name, { parts, found }] of blocks) {
        look(found, typeOf(name), Buffer.concat(parts));
        for (const what of found) findings.push({ class: findingClass, where: name, says: `${place}${what}` });
      }
      return findings;
    },
  };
}

/** Reads every value of every field in every encoding. */
export function searchFields(search: Search, fields: Iterable<Field>, place: Place): Finding[] {
  const findings: Finding[] = [];
  for (const { name, type, values } of fields) {
    const reading = readFields(search, place);
    for (const { bytes } of values) reading.take(name, type, bytes);
    findings.push(...reading.finish(() => type));
  }
  return findings;
}
