import { after, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { ProviderPace } from "../mail/pace.ts";
import { destination, type Addressed } from "./judge-outcome.ts";

/** Letters that wait for their turn in memory. */
const mostTurning = 2_000;
/** Letters whose turn comes within this time go together: one claim, one signing, one record. */
export const tickMs = 100;

interface Needs {
  readonly clock: Clock;
  readonly providers: ProviderPace;
  /** The part of a provider's rate that is used now. */
  readonly share: () => number;
  /** A provider takes this letter so late that it does not wait here. */
  readonly putOff: (letter: Addressed, until: EpochMs) => void;
  /** The turn of one that waited has come. */
  readonly onTurn: () => void;
}

/** The letters that a walk has read, in the order in which they may go: each when its provider takes one more. */
export interface Turns {
  add(letters: readonly Addressed[]): void;
  /** The next whose turn has come. Those before it in the queue whose turn comes later return by themselves then, or are put off. */
  next(): Addressed | undefined;
  /** Gives one back that could not go: it is the next again, or (`last`) behind those whose turn has come. */
  giveBack(letter: Addressed, place: "first" | "last"): void;
  /** Whether nothing need be read now: more than `enough` letters have not been asked for their turn yet, or too many wait in all. */
  isFull(enough: number): boolean;
  size(): number;
}

export function openTurns({ clock, providers, share, putOff, onTurn }: Needs): Turns {
  /** Read, addressed, and not asked for its turn yet. */
  const queue: Addressed[] = [];
  /** Its turn at its provider has come. */
  const turned: Addressed[] = [];
  /** How many letters wait here for a turn that comes soon; they hold no place meanwhile. */
  let turning = 0;

  function wait(letter: Addressed, waitMs: number): void {
    turning++;
    after(Math.ceil(waitMs / tickMs) * tickMs, () => {
      turning--;
      turned.push(letter);
      onTurn();
    });
  }

  return {
    add: (letters) => void queue.push(...letters),
    next: () => {
      const first = turned.shift();
      if (first !== undefined) return first;
      while (turning < mostTurning) {
        const letter = queue.shift();
        if (letter === undefined) return undefined;
        const provider = destination(letter)?.provider;
        if (provider === undefined) return letter;
        const turn = providers.turn(provider, clock.now(), letter.isDue, share());
        if (turn.kind === "go") return letter;
        if (turn.kind === "put off") putOff(letter, turn.until);
        else wait(letter, turn.waitMs);
      }
      return undefined;
    },
    giveBack: (letter, place) => void (place === "first" ? turned.unshift(letter) : turned.push(letter)),
    isFull: (enough) => queue.length > enough || turning + turned.length > mostTurning,
    size: () => turning + turned.length + queue.length,
  };
}
