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

const contained = (second: number, mode: string, tools = false): Act =>
  act(second, "contained", { mode, "kept tools": tools });

test.each([
  [
    "everyone out, then with renewal",
    [contained(1, "everyone-out"), contained(2, "with-renewal")],
    1,
    "everyone-out",
    false,
  ],
  [
    "everyone out, then with tools kept",
    [contained(1, "everyone-out"), contained(2, "everyone-out", true)],
    1,
    "everyone-out",
    false,
  ],
  [
    "tools kept, then with renewal",
    [contained(1, "everyone-out", true), contained(2, "with-renewal")],
    1,
    "everyone-out",
    true,
  ],
  [
    "tools kept, then everyone out",
    [contained(1, "everyone-out", true), contained(2, "everyone-out")],
    2,
    "everyone-out",
    false,
  ],
  [
    "with renewal, then everyone out",
    [contained(1, "with-renewal"), contained(2, "everyone-out")],
    2,
    "everyone-out",
    false,
  ],
  [
    "with renewal twice, tools kept",
    [contained(1, "with-renewal"), contained(2, "with-renewal", true)],
    1,
    "with-renewal",
    false,
  ],
  ["one account alone in between", [contained(1, "everyone-out"), alone(2, "ada")], 1, "everyone-out", false],
  // The first refused nothing of a copy that was taken after it.
  [
    "everyone out before the copy",
    [contained(1, "everyone-out"), contained(5, "with-renewal")],
    5,
    "with-renewal",
    false,
    3,
  ],
] as const)(
  "%s: a report says what stands for the copy, and since when",
  (_what, acts, second, mode, kept, copied?: number) => {
    const at = (of: number): string => act(of, "", {}).at;
    const copiedAt = copied === undefined ? null : at(copied);
    const known = act(0, "incident changed", { "copied at": copiedAt });
    const said = { containment: mode, containmentAt: at(second), containedAt: at(1), keptTools: kept };
    const of = (incident: object): string[] =>
      [...caseDifferences({ incident, letters: null, notifiedAt: null }, [known, ...acts])].filter((line) =>
        /it says (contained:|that is in force|tools were kept|contained at)/.test(line),
      );
    expect(of(said)).toEqual([]);
    expect(of({ ...said, containment: mode === "everyone-out" ? "with-renewal" : "everyone-out" })).toHaveLength(1);
    expect(of({ ...said, containmentAt: at(9) })).toHaveLength(1);
    expect(of({ ...said, keptTools: !kept })).toHaveLength(1);
  },
);

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
