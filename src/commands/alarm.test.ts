import { expect, test } from "vitest";
import { alarmLines } from "./alarm.ts";

test("facts of an alarm stand beside their names as people read them", () => {
  const lines = alarmLines({
    id: "01a21a44-0894-785b-b05d-6a8b5acce52c",
    kind: "timeline contradicted",
    place: null,
    language: "en",
    title: "A witness has seen another timeline",
    at: "2026-11-26T23:49:55.988Z",
    lastAt: "2026-11-26T23:49:55.988Z",
    times: 1,
    evidence: "",
    notEvidence: "",
    facts: { "size of the timeline here": 1521, witness: "one.example", since: "2026-11-26T23:14:10.517Z", kept: true },
    proposes: { foundHow: "", copiedAfter: null, dataClasses: [], keysReachable: "unknown" },
    acknowledgedAt: null,
    acknowledgedBy: null,
    incidentId: null,
  });
  expect(lines).toEqual(
    expect.arrayContaining([
      "  size of the timeline here  1,521",
      "  witness               one.example",
      "  since                 2026-11-26 23:14:10.517 UTC",
      "  kept                  true",
    ]),
  );
});
