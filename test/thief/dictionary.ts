import { commonWords } from "./common-words.ts";
import type { Person } from "./features/feature.ts";
import type { World } from "./world.ts";

/** What is true of one person: names, addresses, networks, passwords now and before, codes, and what their devices are called. */
export function truthsOf({ sought }: World, person: Person): string[] {
  const { name, address, secondAddress, network, password, totpCodes } = person;
  const mark = String(person.number).padStart(5, "0");
  const others = sought.flatMap(({ what, value }) =>
    typeof value === "string" && !/token|cookie/.test(what) && value.includes(mark) ? [value] : [],
  );
  return [...new Set([name, address, secondAddress, network, password, ...totpCodes, ...others])];
}

/**
 * So many words, and everything true of these people among them, with forty codes that were mailed or shown. The rest is
 * what people choose and what a thief tries first.
 */
export function dictionary(world: World, people: readonly Person[], words: number): string[] {
  const codes = world.sought.flatMap(({ what, value }) =>
    typeof value === "string" && /code/.test(what) ? [value] : [],
  );
  const real = [...people.flatMap((person) => truthsOf(world, person)), ...codes.slice(0, 40)];
  return [...new Set([...real, ...commonWords(words)])].slice(0, Math.max(words, real.length));
}
