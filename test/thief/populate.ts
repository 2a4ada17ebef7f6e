import { secondMs } from "../../src/kernel/clock.ts";
import { accountFeatures, askSignUp, confirmSignUp, signIn } from "./features/accounts.ts";
import { deviceFeatures } from "./features/devices.ts";
import { makePerson, type Feature, type Person, type Spare } from "./features/feature.ts";
import { operationFeatures } from "./features/operations.ts";
import { passkeyFeatures } from "./features/passkeys.ts";
import { signalFeatures } from "./features/signals.ts";
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
 * between them. `say` hears of each.
 */
export async function populateWorld(
  world: World,
  accounts: number,
  { busy = accounts, say = () => undefined }: { busy?: number; say?: (line: string) => void } = {},
): Promise<Populated> {
  const people = Array.from({ length: Math.min(busy, accounts) }, (_none, number) => makePerson(world, number));
  // What is done with the last two asks for nothing besides their passwords.
  for (const person of people.slice(-2)) person.wantsSecondFactor = false;
  const crowd = accounts - people.length;
  const spare: Spare = { titleId: "", operatorCookie: "", turn: 0, recoveryCodes: [] };
  const joining: Feature = {
    name: `${crowd} more, signing up and in`,
    phase: "before",
    fills: [],
    once: async () => {
      const before = world.sought.length;
      const numbers = Array.from({ length: crowd }, (_none, number) => people.length + number);
      await each(numbers, async (number) => {
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
    const sayTime = stopwatch(say);
    await feature.once?.(world, people, spare);
    if (feature.each !== undefined) await each(people, (person) => feature.each?.(world, person, spare));
    // An evening goes on: what happens later is later.
    world.clock.advance(secondMs);
    sayTime(feature.name);
  }
  for (const person of people) person.cookie = world.service.newestOf(person.cookie);
  return { people, crowd, spare };
}

/** @returns says how long it has been, and how much of a processor this process had. */
export function stopwatch(say: (line: string) => void): (what: string) => void {
  const [started, used] = [performance.now(), process.cpuUsage()];
  return (what) => {
    const { user, system } = process.cpuUsage(used);
    const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
    say(`${what}: ${seconds(performance.now() - started)} s, processor ${seconds((user + system) / 1_000)} s`);
  };
}

async function each<Item>(items: readonly Item[], work: (item: Item) => Promise<void> | undefined): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}
