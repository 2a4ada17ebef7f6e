import type { EpochMs } from "../../kernel/clock.ts";

/** Places remembered at once, the oldest going first: some megabytes. One that is forgotten is looked for in the database. */
const mostRemembered = 20_000;

/** Which places have come in through this node, by their text, and when. */
export interface CameIn {
  note(place: string, at: EpochMs): void;
  at(place: string): EpochMs | undefined;
  clear(): void;
}

/**
 * Remembers places that have had their turn, so that one which is shown again, however often, neither stands at the door nor
 * counts as somebody who does. It says only what the number's row in the database says for good.
 */
export function newCameIn(most = mostRemembered): CameIn {
  const remembered = new Map<string, EpochMs>();
  return {
    note: (place, at) => {
      remembered.set(place, at);
      if (remembered.size <= most) return;
      for (const oldest of remembered.keys()) {
        remembered.delete(oldest);
        return;
      }
    },
    at: (place) => remembered.get(place),
    clear: () => remembered.clear(),
  };
}
