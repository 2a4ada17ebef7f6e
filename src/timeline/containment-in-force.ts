/** A containment of a case as its entry has it: its instant, and what was ordered. */
export interface ContainedAct {
  readonly at: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Which containment is in force for what was copied. */
export interface InForce {
  readonly mode: "everyone-out" | "with-renewal";
  readonly keptTools: boolean;
  /** Since when, ISO 8601. */
  readonly at: string;
}

/**
 * The strongest of several containments of everybody, given in the order of their instants. Floors that were raised stay raised, so a
 * weaker one that follows takes nothing back. One from before the copy was taken refused nothing that is in the copy, and counts
 * only if there is no later one. Single accounts do not count. Where sessions are spared, those of tools are spared anyway.
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
