/** What ends a command: Ctrl-C, whoever manages processes, and a terminal that closes. */
export const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A command was ended from outside before it was done. Whoever catches it last ends the process by the same signal. */
export class Ended extends Error {
  override readonly name = "Ended";
  readonly by: (typeof endingSignals)[number];

  constructor(by: (typeof endingSignals)[number]) {
    super(`ended by ${by}`);
    this.by = by;
  }
}

/** Watches for what ends a command, so that what was started for its time does not outlive it. */
export interface Endings {
  /** Aborts, with an `Ended`, as soon as the command is ended. A listener that has something to remove does so at once. */
  readonly signal: AbortSignal;
  /** What `work` comes to, or `Ended` if that comes first; the work is not waited for then. */
  orEnded<Result>(work: Promise<Result>): Promise<Result>;
  close(): void;
}

/** Begins to watch. The second signal ends the process by itself, as ever. */
export function watchEndings(): Endings {
  const ended = new AbortController();
  const { signal } = ended;
  const end = (by: NodeJS.Signals): void => {
    close();
    ended.abort(new Ended(by as Ended["by"]));
  };
  const close = (): void => {
    for (const each of endingSignals) process.off(each, end);
  };
  for (const each of endingSignals) process.on(each, end);
  return {
    signal,
    orEnded: async (work) => {
      let stop = (): void => undefined;
      const first = new Promise<never>((_resolve, reject) => {
        stop = (): void => reject(signal.reason as Ended);
        if (signal.aborted) stop();
        else signal.addEventListener("abort", stop, { once: true });
      });
      try {
        return await Promise.race([work, first]);
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    close,
  };
}
