import type { Random } from "../kernel/random.ts";

const idBytes = 9;
const drawnAtOnce = 256;

/**
 * References of 72 random bits, one for each request. Drawn many at a time: asking the system for each cost a twentieth
 * of a session check.
 */
export function requestIds(random: Random): () => string {
  let drawn: Buffer = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at === drawn.length) {
      drawn = random.bytes(idBytes * drawnAtOnce);
      at = 0;
    }
    at += idBytes;
    return drawn.toString("base64url", at - idBytes, at);
  };
}
