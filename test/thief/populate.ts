import { secondMs } from "../../src/kernel/clock.ts";
import { accountFeatures, askSignUp, confirmSignUp, signIn } from "./features/accounts.ts";
import { deviceFeatures } from "./features/devices.ts";
import { makePerson, type Feature, type Person, type Spare } from "./features/feature.ts";
import { operationFeatures } from "./features/operations.ts";
import { passkeyFeatures } from "./features/passkeys.ts";
import { signalFeatures } from "./features/signals.ts";
import { secondFactorFeatures } from "./features/second-factors.ts";
import { silentSteps, type Count, type Steps } from "./steps.ts";
import type { World } from "./world.ts";

const inPhase = (phase: Feature["phase"], list: readonly Feature[]): readonly Feature[] =>
  list.filter((feature) => feature.phase === phase);

/**
 * Every feature of the product, in an order in which one evening could have gone: the library, people, what operators do. A
 * feature that is not here leaves its table empty, and a table that stays empty is an error.
 */
export const features: readonly Feature[] = [
  ...inPhase("first", operationFeatures),
  ...inPhase("before", [
    ...accountFeatures,
    ...deviceFeatures,
    ...passkeyFeatures,
    ...signalFeatures,
    ...operationFeatures,
  ]),
  ...inPhase("after", [...operationFeatures, ...accountFeatures, ...deviceFeatures, ...passkeyFeatures]),
  ...inPhase("last", [...secondFactorFeatures, ...signalFeatures, ...operationFeatures]),
];

/** Steps of `populateWorld`. */
export const populatingSteps = (accounts: number, busy: number): number => features.length + (accounts > busy ? 1 : 0);

const beforeOperations = features.findIndex(({ name }) => name === "operating");

/** Requests under way at once. */
const atOnce = 12;

export interface Populated {
  /** Who used every feature. */
  readonly people: readonly Person[];
  /** How many others signed up, signed in and are written to like everybody. */
  readonly crowd: number;
  readonly spare: Spare;
}

/**
 * So many accounts; those of `busy` use every feature there is, one feature after the other, and the others sign up and in
 * between them.
 */
export async function populateWorld(
  world: World,
  accounts: number,
  { busy = accounts, steps = silentSteps }: { busy?: number; steps?: Steps } = {},
): Promise<Populated> {
  const people = Array.from({ length: Math.min(busy, accounts) }, (_none, number) => makePerson(world, number));
  // What is done with the last two asks for nothing besides their passwords.
  for (const person of people.slice(-2)) person.wantsSecondFactor = false;
  const crowd = accounts - people.length;
  const spare: Spare = { titleId: "", operatorCookie: "", turn: 0, recoveryCodes: [] };
  const joining: Feature = {
    name: `${crowd.toLocaleString("en")} more, signing up and in`,
    phase: "before",
    fills: [],
    once: async (_world, _people, _spare, count) => {
      const before = world.sought.length;
      const numbers = Array.from({ length: crowd }, (_none, number) => people.length + number);
      count.expect(crowd, "accounts");
      await each(numbers, count, async (number) => {
        const person = makePerson(world, number);
        await confirmSignUp(world, person, await askSignUp(world, person));
        await signIn(world, person);
      });
      const theirs = world.sought.splice(before);
      for (const one of theirs) world.sought.push({ ...one, withoutDigests: true });
    },
  };
  // They are there when letters are sent and the case is opened.
  const [first, rest] = [features.slice(0, beforeOperations), features.slice(beforeOperations)];
  for (const feature of crowd === 0 ? features : [...first, joining, ...rest]) {
    await steps.step(feature.name, async (count) => {
      await feature.once?.(world, people, spare, count);
      if (feature.each === undefined) return;
      count.expect(people.length, "people");
      await each(people, count, (person) => feature.each?.(world, person, spare));
    });
    // An evening goes on: what happens later is later.
    world.clock.advance(secondMs);
  }
  for (const person of people) person.cookie = world.service.newestOf(person.cookie);
  return { people, crowd, spare };
}

async function each<Item>(
  items: readonly Item[],
  count: Count,
  work: (item: Item) => Promise<void> | undefined,
): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of queue) {
        await work(item);
        count.did();
      }
    }),
  );
}
