import type { Random } from "../../kernel/random.ts";

/**
 * When people act on a letter: the part of them that has after so many hours. GetResponse, 5.5 billion letters: of all
 * who follow a letter's link 33.6 % do in its first hour, 51.4 % by the third, 81 % within a day. Here those of the
 * first day are the whole, since the drill plays one day.
 */
export const arrival: readonly (readonly [hours: number, part: number])[] = [
  [0, 0],
  [1, 0.336 / 0.81],
  [3, 0.514 / 0.81],
  [24, 1],
];

/** Hours after its letter at which the part `chance` of a crowd has come: the curve above, read the other way. */
export function hoursUntil(chance: number): number {
  for (let i = 1; i < arrival.length; i++) {
    const [fromHours, fromPart] = arrival[i - 1]!;
    const [toHours, toPart] = arrival[i]!;
    if (chance <= toPart) return fromHours + ((chance - fromPart) / (toPart - fromPart)) * (toHours - fromHours);
  }
  return 24;
}

/** Who of the population comes back, and how many hours after the letter: the same for the same seed. */
export function chooseCrowd(people: number, crowd: number, random: Random): ReadonlyMap<number, number> {
  const chosen = new Map<number, number>();
  for (let number = 0; number < people; number++) {
    const isIn = random.below(1_000_000) < crowd * 1_000_000;
    const hours = hoursUntil(random.below(1_000_000) / 1_000_000);
    if (isIn) chosen.set(number, hours);
  }
  return chosen;
}
