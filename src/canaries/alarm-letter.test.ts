import { expect, test } from "vitest";
import { testDatabase } from "../db/test-database.ts";
import type { AccountId } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { systemRandom } from "../kernel/random.ts";
import { locales } from "../mail/locale.ts";
import type { Alarm } from "../wire/alarms.ts";
import { alarmLetter } from "./alarm-letter.ts";
import {
  canaryUsed,
  copyDetected,
  honeywordTried,
  keyUseSurplus,
  stuffingSeen,
  testAlarm,
  timelineContradicted,
} from "./alarm-words.ts";
import { listAlarms } from "./alarms.ts";
import { raiseAlarm, type AlarmFound, type AlarmKind } from "./raise-alarm.ts";

/** Every alarm that there is, raised and read back, as the letter tells it in every language. */
const at = Date.UTC(2026, 10, 24, 21, 7) as EpochMs;
const ways = ["sign-in", "sign-up", "renewal", "second address", "mail"] as const;
const canaries = (["account", "address", "relay", "decoy"] as const).flatMap((canary) =>
  ways.map((way, number) => {
    const retiredOn = number % 2 === 0 ? null : "2026-10-31";
    return canaryUsed({ canary, place: `backup-${canary}`, way, plantedOn: "2026-10-17", retiredOn }, 3);
  }),
);
const one = { place: null, counts: [], quoted: "" };
interface Raised {
  readonly found: AlarmFound;
  /** What every language must say of it, in figures and names. */
  readonly counts: readonly (string | number)[];
  /** What is told in the words of somebody else. */
  readonly quoted: string;
}
const answer = "it has seen a longer one";
const seen = {
  from: "2026-11-24T20:50:00.000Z",
  failed: 1_234,
  unknownPercent: 87,
  networks: 432,
  usualFailed: 56,
  usualUnknownPercent: 19,
  usualNetworks: 43,
};
const raised: readonly Raised[] = [
  { ...one, found: copyDetected({ epoch: 3 }) },
  {
    found: timelineContradicted({ witness: "witness.example", keyId: "0a0b0c0d", problem: answer, size: 7_654 }),
    counts: ["witness.example", 7_654],
    quoted: answer,
  },
  ...canaries.map((found) => ({
    ...one,
    found,
    counts: [found.place ?? "", ...(found.facts["kind of canary"] === "account" ? ["2026-10-17"] : [])],
  })),
  { ...one, found: honeywordTried("019ab000-0000-7000-8000-000000000001" as AccountId), counts: [2] },
  {
    ...one,
    found: keyUseSurplus({ roles: ["web"], byPurpose: { index: 7, password: 1 }, callers: 1, added: 8, firstAt: at }),
  },
  {
    ...one,
    found: stuffingSeen(seen, { tried: 2_000, unknown: 1_074, compared: 300 }),
    counts: [seen.from, 1234, 87, 432, 56, 19, 43],
  },
  { ...one, found: testAlarm() },
];
const db = await testDatabase();
for (const { found } of raised) await db.transaction((tx) => raiseAlarm(tx, at, systemRandom, found));
const stored = await listAlarms(db);
const letters = raised.flatMap(({ found, counts, quoted }) => {
  const alarm = stored.find((each) => each.title === found.title && each.evidence === found.evidence) as Alarm;
  return locales.map((locale) => {
    const letter = alarmLetter(alarm, { name: "Films", origin: "https://films.example", contact: null }, locale);
    return {
      name: `${locale}: ${found.about}`,
      locale,
      found,
      counts,
      quoted,
      ...letter,
      text: letter.paragraphs.join("\n"),
    };
  });
});

test("each kind of alarm is among them", () => {
  const kinds: Readonly<Record<AlarmKind, true>> = {
    "copy detected": true,
    "timeline contradicted": true,
    canary: true,
    honeyword: true,
    "key use": true,
    stuffing: true,
    test: true,
  };
  expect([...new Set(raised.map(({ found }) => found.kind))].toSorted()).toEqual(Object.keys(kinds).toSorted());
  expect(stored).toHaveLength(raised.length);
});

test("in English it says what the console says", () => {
  for (const { name, locale, found, title, text } of letters) {
    if (locale !== "en") continue;
    expect([name, title]).toEqual([name, found.title]);
    for (const words of [found.evidence, found.notEvidence])
      expect([name, text]).toEqual([name, expect.stringContaining(words)]);
  }
});

test("in another language no word of it is English, and every figure and name is there", () => {
  for (const { name, locale, found, counts, quoted, subject, title, text } of letters) {
    for (const count of counts) expect([name, text]).toEqual([name, expect.stringContaining(String(count))]);
    expect([name, subject]).toEqual([name, expect.stringContaining(title)]);
    if (locale === "en") continue;
    // The command stands as it is typed, with the reason as it is recorded.
    const own = `${subject}\n${text}`
      .replace(/houselights incident contain( --keys)? --reason "[^"]*"/, "")
      .replace(/houselights alarm list|timeline verify|--checkpoint/g, "")
      .replace(quoted, "");
    expect([name, own]).not.toEqual([name, expect.stringMatching(/\b(the|and|of|it|is|that|an unknown|yes)\b/i)]);
    expect([name, text.includes(found.evidence) || title === found.title]).toEqual([name, false]);
    expect([name, text]).not.toEqual([name, expect.stringMatching(/\b(undefined|null|NaN)\b|\[object/)]);
  }
});

test("canaries of different kinds, used in different ways, read differently in each language", () => {
  for (const locale of locales) {
    const texts = letters.filter((one) => one.locale === locale && one.found.kind === "canary").map(({ text }) => text);
    expect([locale, texts.length, new Set(texts).size]).toEqual([locale, 20, 20]);
  }
});

test("an alarm whose facts say less is told in the words that it was stored with", async () => {
  const [alarm] = stored.filter(({ kind }) => kind === "stuffing");
  const older = { ...(alarm as Alarm), facts: { tried: 2_000, failed: 1_234 } };
  const letter = alarmLetter(older, { name: "Films", origin: "https://films.example", contact: null }, "de");
  expect(letter.title).toBe(alarm?.title);
  expect(letter.paragraphs[1]).toBe(`Worauf es hindeutet: ${alarm?.evidence}`);
});
