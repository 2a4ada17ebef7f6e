import { cpus } from "node:os";
import type { Goal } from "./goals.ts";

/** What one benchmark prints with `--json`. */
export interface Report {
  readonly name: string;
  readonly machine: Machine;
  readonly figures: Readonly<Record<string, number>>;
  readonly reach: Readonly<Record<string, Reach>>;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
}

export interface Reach {
  readonly value: number;
  readonly goal: number;
  readonly met: boolean;
}

export const thisMachine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  node: process.versions.node,
});

/** The middle value, or the mean of the two middle ones. @throws for an empty list: there is nothing to say then. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between the two nearest ranks. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error("nothing was measured");
  const sorted = values.toSorted((one, other) => one - other);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/**
 * Runs each contestant in turn, `rounds` times over (A B A B …), so that whatever else the machine does falls on all
 * alike. @returns the values of each, in order.
 */
export async function interleaved<Values extends Readonly<Record<string, unknown>>>(
  rounds: number,
  contestants: { readonly [Name in keyof Values]: () => Promise<Values[Name]> },
): Promise<{ readonly [Name in keyof Values]: Values[Name][] }> {
  const names = Object.keys(contestants) as (keyof Values)[];
  const measured = Object.fromEntries(names.map((name) => [name, []])) as unknown as {
    [Name in keyof Values]: Values[Name][];
  };
  for (let round = 0; round < rounds; round++) {
    for (const name of names) measured[name].push(await contestants[name]());
  }
  return measured;
}

const isMet = (value: number, goal: Goal): boolean =>
  "under" in goal ? value < goal.under : "atMost" in goal ? value <= goal.atMost : value >= goal.atLeast;

const limitOf = (goal: Goal): number => ("under" in goal ? goal.under : "atMost" in goal ? goal.atMost : goal.atLeast);

/**
 * Judges the figures. A goal whose figure this machine cannot measure is left out; figures are rounded to four digits,
 * which is more than they are good for, after they have been judged.
 */
export function judge(
  name: string,
  figures: Readonly<Record<string, number>>,
  goals: Readonly<Record<string, Goal>>,
): Report {
  const reach = Object.entries(goals).flatMap(([key, goal]) => {
    const value = figures[key];
    if (value === undefined) return [];
    return [[key, { value: rounded(value), goal: limitOf(goal), met: isMet(value, goal) }] as const];
  });
  return {
    name,
    machine: thisMachine(),
    figures: Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, rounded(value)])),
    reach: Object.fromEntries(reach),
  };
}

const rounded = (value: number): number =>
  Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));

const wordsOf = (goal: Goal): string => {
  const word = "under" in goal ? "under" : "atMost" in goal ? "at most" : "at least";
  return `${word} ${limitOf(goal).toLocaleString("en")}`;
};

/** The report as a table for people: figure, value, goal, and whether it was reached. */
export function table(
  { name, machine, figures, reach }: Report,
  goals: Readonly<Record<string, Goal>>,
  what: Readonly<Record<string, string>>,
): string {
  const rows = Object.entries(figures).map(([key, value]) => {
    const goal = goals[key];
    return [
      key,
      value.toLocaleString("en", { maximumFractionDigits: 3 }),
      goal === undefined ? "" : wordsOf(goal),
      reach[key] === undefined ? "" : reach[key].met ? "reached" : "MISSED",
      what[key] ?? "",
    ];
  });
  const all = [["figure", "value", "goal", "", ""], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => (column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  return [`${name}: ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`, "", ...lines].join("\n");
}
