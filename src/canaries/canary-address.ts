import type { Random } from "../kernel/random.ts";

/** RFC 4648 section 6, lower case: what every mail system carries unharmed. */
const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * An address that nobody can guess: 26 letters of 5 bits are 130 random bits before the `@`. Up to five more letters, so
 * that canaries of one domain are not of one length, which a sealed value would show.
 */
export function canaryAddress(random: Random, domain: string): string {
  const length = 26 + random.below(6);
  let local = "";
  for (let i = 0; i < length; i++) local += alphabet[random.below(alphabet.length)];
  return `${local}@${domain}`;
}
