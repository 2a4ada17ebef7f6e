import { openedWhole } from "./forms.ts";
import type { Finding } from "./finding.ts";
import { hashedWord } from "./guess.ts";
import type { Looking } from "./looking.ts";
import type { Count } from "./steps.ts";
import type { Field } from "./take.ts";

/** Nothing is found across two values. */
const between = Buffer.from([1, 1]);
const blockBytes = 64 * 1024;
/** Types whose text has one form: reading it in every encoding would find numbers in numbers. */
const isPlain = (type: string): boolean =>
  /^(uuid|timestamp|date|boolean|bigint|integer|smallint|double precision|real|numeric)/.test(type);
/** Values of a field that are opened as if they were compressed as a whole: what one is, all are. */
const opened = 8;

/** Reads the values of fields as they come, each field a block at a time, in every encoding. */
export function readFields(looking: Looking, place = "") {
  const blocks = new Map<string, { parts: Buffer[]; size: number; seen: number; readonly found: Set<string> }>();
  const looks: Promise<void>[] = [];

  const look = (found: Set<string>, type: string, bytes: Buffer): void => {
    const looked = looking.look(bytes, isPlain(type));
    looks.push(looked.then((whats) => whats.forEach((what) => found.add(what))));
  };
  const rest = async (): Promise<void> => {
    await Promise.all(looks.splice(0));
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
    /** Waits until what was given is looked through: who gives much gives no more before. */
    rest,
    /** @returns what was found, once everything was given. */
    async finish(typeOf: (name: string) => string): Promise<Finding[]> {
      for (const [name, { parts, found }] of blocks) look(found, typeOf(name), Buffer.concat(parts));
      await rest();
      return [...blocks].flatMap(([name, { found }]) =>
        [...found].map((what): Finding => {
          const isWord = what.startsWith(hashedWord);
          return { class: isWord ? "guessable" : "personal", where: name, says: `${place}${what}` };
        }),
      );
    },
  };
}

/** Reads every value of every field in every encoding. */
export async function searchFields(looking: Looking, fields: Iterable<Field>, did: Count["did"]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, type, values } of fields) {
    const reading = readFields(looking);
    for (const { bytes } of values) {
      reading.take(name, type, bytes);
      did();
    }
    findings.push(...(await reading.finish(() => type)));
  }
  return findings;
}
