/** A containment of a case as its entry has it: its instant, and what was ordered. */
export interface ContainedAct {
  readonly at: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What is true for whatever was copied. */
export interface InForce {
  readonly mode: "everyone-out" | "with-renewal";
  readonly keptTools: boolean;
  /** Since when. */
  readonly at: string;
}

/**
 * What several containments of everybody have come to, given in the order of their instants: floors that were raised stay raised, so
 * that a weaker one that follows takes nothing back, and the strongest stands from its own instant on. One from before the copy
 * was taken has refused nothing that is in it. Where sessions are spared, so are those of tools, kept or not.
 */
export function containmentInForce(acts: readonly ContainedAct[], copiedAt: string | null): InForce | undefined {
  const everybody = acts.flatMap(orderOf);
  const since = everybody.filter(({ at }) => copiedAt === null || at >= copiedAt);
  let inForce: InForce | undefined;
  for (const one of since.length === 0 ? everybody : since) {
    if (inForce === undefined || strengthOf(one) > strengthOf(inForce)) inForce = one;
  }
  return inForce;
}

function orderOf({ at, detail }: ContainedAct): InForce[] {
  const { mode } = detail;
  if (mode !== "everyone-out" && mode !== "with-renewal") return [];
  return [{ mode, keptTools: mode === "everyone-out" && detail["kept tools"] === true, at }];
}

const strengthOf = ({ mode, keptTools }: InForce): number => (mode === "with-renewal" ? 0 : keptTools ? 1 : 2);
