/** One letter's place, which it may take once. */
export interface Place {
  /** Resolves when the place is taken: at once, or when those who asked before have one and another is given back. */
  take(): Promise<void>;
  /** Gives it back; one that was not taken needs nothing. */
  leave(): void;
}

/** So many places; who asks for one waits in order of asking. */
export function openPlaces(count: number): { place(): Place } {
  let free = count;
  const asking: (() => void)[] = [];

  return {
    place: () => {
      let isTaken = false;
      return {
        take: async () => {
          if (free > 0) free--;
          else await new Promise<void>((resolve) => asking.push(resolve));
          isTaken = true;
        },
        leave: () => {
          if (!isTaken) return;
          isTaken = false;
          const next = asking.shift();
          if (next === undefined) free++;
          else next();
        },
      };
    },
  };
}
