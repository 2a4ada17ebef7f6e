import type { ReceiverId } from "./receivers.ts";

/** Places in which a poll waits for something to happen. */
export interface PollPlaces {
  /** @returns a place, or `undefined` if all are taken and this receiver has its share. */
  take(receiver: ReceiverId): PollPlace | undefined;
  taken(): number;
}

export interface PollPlace {
  /** Aborts when the place goes to another receiver: the poll is answered with what there is. */
  readonly ended: AbortSignal;
  giveBack(): void;
}

/**
 * As many places as one process has, shared among the receivers that want them: who comes when all are taken gets that of the
 * oldest poll of whoever has most, unless that is no more than their own. So a receiver alone may have them all, and none keeps
 * another from waiting.
 */
export function pollPlaces(places = 50): PollPlaces {
  /** By receiver, oldest first. */
  const held = new Map<ReceiverId, Set<AbortController>>();
  const taken = (): number => [...held.values()].reduce((sum, { size }) => sum + size, 0);

  function free(receiver: ReceiverId, place: AbortController): void {
    const own = held.get(receiver);
    own?.delete(place);
    if (own?.size === 0) held.delete(receiver);
  }

  return {
    taken,
    take: (receiver) => {
      if (taken() >= places) {
        const [most] = [...held].toSorted(([, one], [, other]) => other.size - one.size);
        const [oldest] = most?.[1] ?? [];
        if (most === undefined || oldest === undefined) return undefined;
        const [greediest, theirs] = most;
        if (theirs.size <= (held.get(receiver)?.size ?? 0) + 1) return undefined;
        free(greediest, oldest);
        oldest.abort();
      }
      const place = new AbortController();
      held.set(receiver, (held.get(receiver) ?? new Set()).add(place));
      return { ended: place.signal, giveBack: () => free(receiver, place) };
    },
  };
}
