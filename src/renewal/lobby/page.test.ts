import { expect, test } from "vitest";
import { wordsFor } from "../../http/words.ts";
import { linePage } from "./page.ts";

const shown = (expectedSeconds: number | null, before = 7): string =>
  linePage(
    wordsFor("en"),
    { number: 8, before, expectedSeconds, comeBackSeconds: 30 },
    { path: "/renew" },
  ).body.toString();
const figure = (name: string, page: string): string | undefined =>
  new RegExp(`data-line-${name}>([^<]*)<`).exec(page)?.[1];

test("nobody is told of a shorter wait than it is: minutes and hours are rounded up", () => {
  const told = [null, 1, 59, 60, 61, 120, 121, 5_940, 5_941, 7_200, 7_201].map((seconds) =>
    figure("expected", shown(seconds)),
  );
  expect(told).toEqual([
    "not known yet",
    "in less than a minute",
    "in less than a minute",
    "in about a minute",
    "in about 2 minutes",
    "in about 2 minutes",
    "in about 3 minutes",
    "in about 99 minutes",
    "in about 2 hours",
    "in about 2 hours",
    "in about 3 hours",
  ]);
});

test("who is before is said in words, and a code that was right only to whoever has typed one", () => {
  expect([0, 1, 2].map((before) => figure("before", shown(60, before)))).toEqual(["nobody", "1 person", "2 people"]);
  const words = wordsFor("en");
  const standing = { number: 8, before: 0, expectedSeconds: 60, comeBackSeconds: 30 };
  const proved = linePage(words, standing, { path: "/renew/code", codeWasRight: true }).body.toString();
  expect(proved).toContain(words.say("line.code"));
  expect(shown(60)).not.toContain(words.say("line.code"));
});
