import { Fault } from "./fault.ts";

/**
 * Does one step after another, and a step that fails keeps none of the others from its turn. Throws what the first one failed with, after
 * the last; at once if the database is away, since every step would wait for it in vain.
 */
export async function eachInTurn(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (thrown) {
      if (thrown instanceof Fault && thrown.code === "DB_UNAVAILABLE") throw thrown;
      failures.push(thrown);
    }
  }
  if (failures.length > 0) throw failures[0];
}
