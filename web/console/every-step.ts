/** Counts by minute or by hour with those between that have none: they are drawn as nothing, not as a gap. At most 1,440. */
export function everyStep(
  counted: readonly (readonly [instant: string, count: number])[],
  stepMs: number,
): readonly (readonly [number, number])[] {
  const counts = new Map(counted.map(([instant, count]) => [Date.parse(instant), count]));
  if (counts.size === 0) return [];
  const first = Math.min(...counts.keys());
  const steps = (Math.max(...counts.keys()) - first) / stepMs + 1;
  return Array.from({ length: Math.min(1_440, Math.max(6, steps)) }, (_, place) => {
    const at = first + place * stepMs;
    return [at, counts.get(at) ?? 0] as const;
  });
}
