import { expect, test } from "vitest";
import { caseDifferences, type Act } from "./verify-case.ts";

const act = (second: number, kind: string, detail: Act["detail"]): Act => ({
  at: `2026-11-22T10:00:0${second}.000Z`,
  kind,
  detail,
});
const alone = (second: number, account: string): Act => act(second, "contained", { mode: "account", account });
const everybody = (second: number): Act => act(second, "contained", { mode: "everyone-out" });
const planned = (second: number): Act => act(second, "campaign planned", { templates: [`en ${second}`] });

/** What a report that says this of its letters' start and words is told. */
const differences = (acts: readonly Act[], start: Act | undefined): string[] => {
  const words = { templates: [{ locale: "en", sha256Hex: start?.at.slice(18, 19) }], sum: {} };
  const report = { notifiedAt: start?.at ?? null, letters: start === undefined ? null : words, incident: {} };
  return [...caseDifferences(report, acts)].filter((line) =>
    /letters started at|letters' texts|were planned/.test(line),
  );
};

test.each([
  ["began after everybody was contained", [everybody(1), planned(2), everybody(3)], 1],
  ["began, and whom it is about was contained again", [alone(1, "ada"), planned(2), alone(3, "ada")], 1],
  ["began, and were started once more for everybody", [alone(1, "ada"), planned(2), everybody(3), planned(4)], 3],
  ["began, and were started once more for another", [alone(1, "ada"), planned(2), alone(3, "bob"), planned(4)], 3],
  ["began, and everybody is still to be told", [alone(1, "ada"), planned(2), everybody(3)], undefined],
] as const)("letters that %s are held against their own start and words", (_what, acts, at) => {
  const start = at === undefined ? undefined : acts[at];
  expect(differences(acts, start)).toEqual([]);
  expect(
    differences(
      acts,
      acts.find((one) => one !== start && one.kind !== start?.kind),
    ),
  ).not.toEqual([]);
});
