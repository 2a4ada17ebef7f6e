import { secondMs } from "../../src/kernel/clock.ts";
import { accountFeatures } from "./features/accounts.ts";
import { deviceFeatures } from "./features/devices.ts";
import { makePerson, type Feature, type Person, type Spare } from "./features/feature.ts";
import { operationFeatures } from "./features/operations.ts";
import { passkeyFeatures } from "./features/passkeys.ts";
import { secondFactorFeatures } from "./features/second-factors.ts";
import type { World } from "./world.ts";

const inPhase = (phase: Feature["phase"], list: readonly Feature[]): readonly Feature[] =>
  list.filter((feature) => feature.phase === phase);

/**
 * Every feature of the product, in an order in which one evening could have gone: the library, people, what operators do. A
 * feature that is not here leaves its table empty, and a table that stays empty is an error.
 */
export const features: readonly Feature[] = [
  ...inPhase("first", operationFeatures),
  ...inPhase("before", [...accountFeatures, ...deviceFeatures, ...passkeyFeatures, ...operationFeatures]),
  ...inPhase("after", [...operationFeatures, ...accountFeatures, ...deviceFeatures, ...passkeyFeatures]),
  ...inPhase("last", [...secondFactorFeatures, ...operationFeatures]),
];

/** Requests under way at once. */
const atOnce = 12;

export interface Populated {
  readonly people: readonly Person[];
  readonly spare: Spare;
}

/** So many people use every feature there is, one feature after the other. `say` hears of each. */
export async function populateWorld(
  world: World,
  accounts: number,
  say: (line: string) => void = () => undefined,
): Promise<Populated> {
  const people = Array.from({ length: accounts }, (_none, number) => makePerson(world, number));
  const spare: Spare = { titleId: "", operatorCookie: "", recoveryCodes: [] };
  for (const feature of features) {
    const started = performance.now();
    await feature.once?.(world, people, spare);
    if (feature.each !== undefined) await each(people, (person) => feature.each?.(world, person, spare));
    // An evening goes on: what happens later is later.
    world.clock.advance(secondMs);
    say(`${feature.name}: ${((performance.now() - started) / 1_000).toFixed(1)} s`);
  }
  return { people, spare };
}

async function each<Item>(items: readonly Item[], work: (item: Item) => Promise<void> | undefined): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}
