import type { EpochMs } from "../kernel/clock.ts";
import type { SendOutcome } from "../mail/mail.ts";
import type { Later } from "../mail/later.ts";

/** When so many batches of letters were deferred in a row, fresh ones among them, the relay takes nothing now. */
const brakeBatches = 3;

export interface RelayBrake {
  /** What became of a letter, and when it is tried again if it is. */
  note(sent: SendOutcome, later: Later | undefined, dueAt: EpochMs | null): void;
  /** Nothing is handed over until then, unless a rest is under way already. */
  restUntil(instant: EpochMs): void;
  resting(): EpochMs | undefined;
  release(): void;
}

/** Tells a walk to rest when the relay takes nothing at all: handing it letters on would only defer them, one after another. */
export function relayBrake({
  batch,
  concurrency,
}: {
  readonly batch: number;
  readonly concurrency: number;
}): RelayBrake {
  let deferredInARow = 0;
  let unreachedInARow = 0;
  let until: EpochMs | undefined;

  const heard = (): void => {
    deferredInARow = 0;
    unreachedInARow = 0;
  };

  return {
    note: (sent, later, dueAt) => {
      // A relay that greylists can be reached, and takes letters.
      if (sent.kind !== "deferred" || later === "come again") return heard();
      deferredInARow++;
      if (sent.cause === "relay") unreachedInARow++;
      if (deferredInARow >= brakeBatches * batch || unreachedInARow >= 2 * concurrency) until ??= dueAt ?? undefined;
    },
    restUntil: (instant) => {
      until ??= instant;
    },
    resting: () => until,
    release: () => {
      until = undefined;
      heard();
    },
  };
}
