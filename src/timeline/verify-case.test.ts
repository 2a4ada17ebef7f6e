import { describe, expect, test } from "vitest";
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

describe("a report that says this otherwise is told so", () => {
  const at = (second: number): string => act(second, "", {}).at;
  const acts: readonly Act[] = [
    act(0, "incident opened", {
      reference: "HL-1",
      reason: "a copy is for sale",
      "found at": at(0),
      "copied at": null,
      "copied after": at(0),
      data: ["names"],
      "keys reachable": "no",
    }),
    act(1, "contained", { mode: "everyone-out", "kept tools": true, epoch: 7, "keys reachable": "yes" }),
    act(2, "campaign planned", { templates: ["de bb", "en aa"] }),
    act(3, "campaign started", { scope: 10 }),
    act(4, "campaign finished", {}),
    act(5, "way in recorded", { what: "a key in a log", "closed at": at(5) }),
    act(6, "review recorded", { item: "keys", state: "done" }),
    act(7, "incident closed", {}),
  ];
  const sum = { scope: 10, handedOver: 5, bounced: 1, refused: 2, suppressed: 1, noAddress: 1, waiting: 0 };
  const report = {
    incident: {
      reference: "HL-1",
      reason: "a copy is for sale",
      openedAt: at(0),
      foundAt: at(0),
      copiedAt: null as string | null,
      copiedAfter: at(0),
      dataClasses: ["names"],
      keysReachable: "yes",
      containedAt: at(1),
      containment: "everyone-out",
      containmentAt: at(1),
      epoch: 7,
      keptTools: true,
      copiedSinceContained: false,
      lettersFinishedAt: at(4),
      closedAt: at(7),
      state: "closed",
      wayIn: { what: "a key in a log", closedAt: at(5) },
      review: [{ item: "keys", state: "done" }],
      renewed: 3,
      renewalsByHour: [
        { hour: at(1), renewed: 1 },
        { hour: at(2), renewed: 2 },
      ],
      letters: sum,
    },
    notifiedAt: at(2),
    letters: {
      sum,
      inTimeline: [
        { outcome: "handed over", count: 7 },
        { outcome: "refused", count: 2 },
      ],
      bouncesInTimeline: [
        { outcome: "bounced", count: 1 },
        { outcome: "second address", count: 1 },
      ],
      templates: [
        { locale: "en", sha256Hex: "aa" },
        { locale: "de", sha256Hex: "bb" },
      ],
      addsUp: true,
      agrees: true,
      handedOverByHour: [{ count: 4 }, { count: 1 }],
    },
  };
  type Said = typeof report;

  test("and one that says it as it was is told nothing", () => {
    expect([...caseDifferences(report, acts)]).toEqual([]);
  });

  test.each<[string, (said: Said) => unknown]>([
    ["its reference is", ({ incident }) => (incident.reference = "HL-2")],
    ["its reason is", ({ incident }) => (incident.reason = "an exercise")],
    ["opened at", ({ incident }) => (incident.openedAt = at(9))],
    ["found at", ({ incident }) => (incident.foundAt = at(9))],
    ["copied at", ({ incident }) => (incident.copiedAt = at(0))],
    ["copied after", ({ incident }) => (incident.copiedAfter = at(9))],
    ["taken:", ({ incident }) => (incident.dataClasses = [])],
    ["keys reachable:", ({ incident }) => (incident.keysReachable = "no")],
    ["contained at", ({ incident }) => (incident.containedAt = at(9))],
    ["contained:", ({ incident }) => (incident.containment = "with-renewal")],
    ["that is in force since", ({ incident }) => (incident.containmentAt = at(9))],
    ["the epoch is", ({ incident }) => (incident.epoch = 8)],
    ["tools were kept:", ({ incident }) => (incident.keptTools = false)],
    ["the copy is newer than it:", ({ incident }) => (incident.copiedSinceContained = true)],
    ["letters started at", (said) => (said.notifiedAt = at(9))],
    ["letters finished at", ({ incident }) => (incident.lettersFinishedAt = at(9))],
    ["closed at", ({ incident }) => (incident.closedAt = at(9))],
    ["it is closed:", ({ incident }) => (incident.state = "readmitting")],
    ["the way in was", ({ incident }) => (incident.wayIn.what = "a door")],
    ["the way in was closed at", ({ incident }) => (incident.wayIn.closedAt = at(9))],
    ["the review of keys is", ({ incident }) => (incident.review[0]!.state = "todo")],
    ["passwords have been renewed:", ({ incident }) => (incident.renewed = 4)],
    ["letters handed over:", ({ letters }) => (letters.inTimeline[0]!.count = 8)],
    ["letters bounced:", ({ letters }) => (letters.sum.bounced = 2)],
    ["letters refused:", ({ letters }) => (letters.sum.refused = 1)],
    ["accounts in scope:", ({ letters }) => (letters.sum.scope = 9)],
    ["its letters' texts are", ({ letters }) => letters.templates.pop()],
    ["the outcomes add up to the scope:", ({ letters }) => (letters.addsUp = false)],
    ["rows and timeline agree:", ({ letters }) => (letters.agrees = false)],
    ["the case's letters are", ({ incident }) => (incident.letters = { ...sum, waiting: 1 })],
    ["the times of the letters come to", ({ letters }) => (letters.handedOverByHour[0]!.count = 5)],
  ])("it says %s", (what, bend) => {
    const said = structuredClone(report);
    bend(said);
    expect([...caseDifferences(said, acts)]).toContainEqual(expect.stringContaining(`it says ${what} `));
  });
});
