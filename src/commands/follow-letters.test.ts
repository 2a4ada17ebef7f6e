import { expect, test } from "vitest";
import type { IncidentStatus } from "../wire/incidents.ts";
import { followLetters } from "./follow-letters.ts";

const letters = {
  scope: 30,
  handedOver: 12,
  bounced: 1,
  refused: 2,
  suppressed: 0,
  noAddress: 0,
  waiting: 15,
  possiblyTwice: 0,
};
const pace = {
  pausedAt: null,
  pausedWhy: null,
  heldBack: null,
  perHour: 1_200,
  endsAt: "2026-11-22T21:04:05.000Z",
  byMinute: [],
};

async function followed(isTerminal: boolean): Promise<string> {
  // What this reads of a case.
  const going = { letters, letterPace: pace } as unknown as IncidentStatus;
  const looks = [
    going,
    { ...going, letterPace: { ...pace, perHour: 0, endsAt: null } },
    { ...going, letterPace: null },
  ];
  let written = "";
  await followLetters(() => Promise.resolve(looks.shift()), {
    write: (text) => void (written += text),
    columns: () => 120,
    isTerminal,
    pause: () => Promise.resolve(),
  });
  return written;
}

const first =
  "12 of 30 out \u00b7 1 bounced \u00b7 2 refused \u00b7 15 waiting \u00b7 1,200/h \u00b7 ends about 2026-11-22 21:04 UTC";
const second =
  "12 of 30 out \u00b7 1 bounced \u00b7 2 refused \u00b7 15 waiting \u00b7 nothing went in the last five minutes";

test("progress is drawn over itself on a terminal, and is plain lines elsewhere", async () => {
  expect(await followed(true)).toBe(`\r\u001b[K${first}\r\u001b[K${second}\n`);
  expect(await followed(false)).toBe(`${first}\n${second}\n`);
});

test("a command that is ended leaves what it drew last on a line of its own, and draws no more", async () => {
  const going = { letters, letterPace: pace } as unknown as IncidentStatus;
  const ending = new AbortController();
  let written = "";
  await followLetters(() => Promise.resolve(going), {
    write: (text) => void (written += text),
    columns: () => 120,
    isTerminal: true,
    pause: async () => ending.abort(),
    signal: ending.signal,
  });
  expect(written).toBe(`\r\u001b[K${first}\n`);
});
