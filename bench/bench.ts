/** How large a benchmark runs: `full` is what the goals are stated for, `small` tries the measurement itself. */
export type Scale = "full" | "small";

/** What a benchmark is given. */
export interface Bench {
  readonly scale: Scale;
  /** Where it is, for the person who waits; never on standard output. */
  readonly say: (line: string) => void;
  /** Whatever is started or made is undone in the opposite order, at the end and when the run is ended early. */
  readonly onEnd: (undo: () => Promise<unknown>) => void;
}

export interface Measured {
  readonly figures: Readonly<Record<string, number>>;
  /** What each figure is, in a few words. */
  readonly what: Readonly<Record<string, string>>;
}

export type Benchmark = (bench: Bench) => Promise<Measured>;
