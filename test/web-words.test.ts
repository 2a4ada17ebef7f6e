import { fileProblems, undecodable } from "../src/library/file-problems.ts";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { lanes } from "../src/credentials/lanes.ts";
import { preferredLocale } from "../src/http/locale.ts";
import { problems } from "../src/http/problem.ts";
import { deadlineRules } from "../src/incidents/deadlines.ts";
import { missingSays } from "../src/incidents/close.ts";
import { reviewItems } from "../src/incidents/review.ts";
import { unfitSays } from "../src/incidents/unfit-letter.ts";
import { floorKinds } from "../src/kernel/brand.ts";
import { usePurposes } from "../src/keyholder/key-uses.ts";
import { describeDevice } from "../src/sessions/describe-device.ts";
import { caseKinds } from "../src/timeline/append.ts";
import { witnessSays } from "../src/timeline/cosign.ts";
import { eventKinds } from "../src/wire/account-events.ts";
import { findingKinds } from "../src/wire/campaign.ts";
import { DataClass } from "../src/wire/incidents.ts";
import { de as deConsole } from "../web/text/console/de.ts";
import { de as deApp } from "../web/text/de.ts";
import { en as enConsole } from "../web/text/console/en.ts";
import { en as enApp } from "../web/text/en.ts";
import { es as esConsole } from "../web/text/console/es.ts";
import { es as esApp } from "../web/text/es.ts";
import { fr as frConsole } from "../web/text/console/fr.ts";
import { fr as frApp } from "../web/text/fr.ts";
import { ja as jaConsole } from "../web/text/console/ja.ts";
import { ja as jaApp } from "../web/text/ja.ts";
import { chooseLanguage } from "../web/text/language.ts";

const de = { ...deApp, ...deConsole };
const en = { ...enApp, ...enConsole };
const es = { ...esApp, ...esConsole };
const fr = { ...frApp, ...frConsole };
const ja = { ...jaApp, ...jaConsole };

const others: Readonly<Record<string, Readonly<Record<string, string>>>> = { de, fr, es, ja };
const english: Readonly<Record<string, string>> = en;
const all = Object.entries({ en: english, ...others });

const stems = Object.keys(en).flatMap((key) => (key.endsWith(".one") ? [key.slice(0, -4)] : []));
/** The key whose English text says the same: a plural form is compared with the general one. */
const sameIn = (key: string): string => {
  const stem = stems.find((one) => key === `${one}.one` || key === `${one}.many`);
  return stem === undefined ? key : `${stem}.other`;
};
const places = (text: string): string[] => (text.match(/\{[\w-]+\}/g) ?? []).toSorted();

test.each(all)(
  "the application in %s has every text, none of them empty, and the plural forms of its language",
  (locale, words) => {
    const forms = new Intl.PluralRules(locale).resolvedOptions().pluralCategories;
    expect(stems.length).toBeGreaterThan(10);
    const expected = Object.keys(en)
      .filter((key) => !stems.some((stem) => key === `${stem}.one` || key === `${stem}.other`))
      .concat(stems.flatMap((stem) => forms.map((form) => `${stem}.${form}`)));
    expect(Object.keys(words).toSorted()).toEqual(expected.toSorted());
    for (const [key, text] of Object.entries(words)) expect(text.trim(), key).not.toBe("");
  },
);

test.each(Object.entries(others))("the application in %s fills in what English fills in", (_locale, words) => {
  for (const [key, text] of Object.entries(words)) {
    // "one person", "1 titre": a form that stands for one number may leave the number out, and need nothing else.
    const needed = places(english[sameIn(key)] ?? "").filter((place) => place !== "{count}" || !key.endsWith(".one"));
    const given = places(text).filter((place) => place !== "{count}" || !key.endsWith(".one"));
    expect(given, key).toEqual(needed);
  }
});

test("a form for several numbers names the number: French counts 0 as one", () => {
  expect(new Intl.PluralRules("fr").select(0)).toBe("one");
  const words: Readonly<Record<string, string>> = fr;
  for (const stem of stems) {
    if (places(english[`${stem}.other`] ?? "").includes("{count}") && stem !== "signals.failures") {
      expect(places(words[`${stem}.one`] ?? ""), stem).toContain("{count}");
    }
  }
});

/** English words that none of the four has, in names and as parts of a sentence. */
const leftOver =
  /(?<!\p{L})(the|and|of|with|your|you|this|that|is|are|was|were|has|have|not|from|sign|password|device|devices|account|letter|case|again|choose|remove|show|other|somebody|everybody|nobody|loading|minutes?|library|back|keys|alarm)(?!\p{L})/iu;
const sameWord: Readonly<Record<string, RegExp>> = {
  de: /(?<!\p{L})(was|alarm|minute)(?!\p{L})/giu,
  fr: /(?<!\p{L})minutes?(?!\p{L})/giu,
};

test.each(Object.entries(others))("the application in %s has no English left in it", (locale, words) => {
  for (const [key, text] of Object.entries(words)) {
    // Names of settings are written as they are set.
    const ownWords = text.replaceAll(/\{[\w-]+\}|[A-Z]+(?:_[A-Z]+)+/g, "").replaceAll(sameWord[locale] ?? /$^/g, "");
    expect(leftOver.exec(ownWords)?.[0], `${key}: ${text}`).toBeUndefined();
    if (locale === "ja" && english[key] !== text) {
      expect(/[\u3040-\u30ff\u4e00-\u9fff]/.test(text) || text.replaceAll(/\{[\w-]+\}/g, "").length < 12, key).toBe(
        true,
      );
    }
  }
});

test("a text that is the same in another language is a name, a unit or a word that both have", () => {
  for (const [locale, words] of Object.entries(others)) {
    const same = Object.keys(words).filter((key) => words[key] === english[key] && /[a-z]{3}/i.test(words[key] ?? ""));
    expect(same.length, `${locale}: ${same.join(", ")}`).toBeLessThan(30);
  }
});

test("the application speaks the language that the pages of the server speak, whatever the browser asks for", () => {
  for (const asked of [
    ["de"],
    ["de-AT", "en"],
    ["sv", "fr-CA", "en-US"],
    ["sv"],
    [],
    ["ja-JP"],
    ["ES-mx"],
    ["pt-BR", "en-GB"],
    ["defoe"],
    ["enm", "ja"],
  ]) {
    const header = asked.map((one, place) => `${one};q=${(1 - place / 10).toFixed(1)}`).join(",");
    expect(chooseLanguage(asked).locale, header).toBe(preferredLocale(header));
  }
  expect(chooseLanguage(["sv", "de-CH"]).tag).toBe("de-CH");
  expect(chooseLanguage(["en-US@posix"])).toEqual({ locale: "en", tag: "en" });
});

test("whatever the service names has words: events, floors, lanes, data, review and deadlines", () => {
  const named = [
    ...eventKinds.map((kind) => `event.${kind}`),
    ...floorKinds.map((kind) => `floor.${kind}`),
    ...lanes.map((lane) => `lane.${lane}`),
    ...DataClass.anyOf.map((one) => `data.${one.const}`),
    ...reviewItems.map(({ item }) => `review.${item}`),
    ...deadlineRules.map(({ rule }) => `deadline.${rule}`),
    ...caseKinds.map((kind) => `record.${kind}`),
    ...findingKinds.map((kind) => `finding.${kind}`),
    ...usePurposes.map((purpose) => `key-use.purpose.${purpose}`),
    `library-jobs.do.film.${fileProblems.forbidden}`,
    // The way in is a link of its own.
    ...Object.values({
      ...missingSays,
      ...unfitSays,
      ...witnessSays,
      ...fileProblems,
      undecodable: undecodable("").split(":")[0] ?? "",
    })
      .filter((sentence) => sentence !== missingSays.wayIn)
      .map((sentence) => `said.${sentence}`),
  ];
  expect(named.filter((key) => english[key] === undefined)).toEqual([]);
  for (const { item, title } of reviewItems) expect(english[`review.${item}`]).toBe(title);
  for (const { rule, title } of deadlineRules) expect(english[`deadline.${rule}`]).toBe(title);
});

/** Refusals that the application never meets, or says in another way: by the kind of failure, or by going elsewhere. */
const saidOtherwise = new Set([
  "not-found",
  "operators-only",
  "not-signed-in",
  "busy",
  "crowded",
  "broken",
  "tool-missing",
  "unplayable",
  "grant-refused",
  // Of plain pages, of programs, and of what the browser itself never sends.
  "sign-in-refused",
  "sign-in-over",
  "receiver-refused",
  "too-many-streams",
  "stream-disabled",
  "too-large",
  "too-slow",
  "headers-too-large",
  "unsupported-media-type",
  // Asked for by a dialog of its own.
  "proof-needed",
  "strong-proof-needed",
  "second-factor-required",
]);

test("every refusal has words of its own, or is named among those that are said otherwise", () => {
  const source = readFileSync("web/app/failed.tsx", "utf8");
  for (const code of Object.keys(problems)) {
    if (saidOtherwise.has(code)) continue;
    expect(english[code], code).toBeDefined();
    expect(source, code).toContain(`"${code}"`);
  }
});

test("what the player's controls say is in our words: every text that their code asks for", () => {
  const ours = readFileSync("web/player/media-words.ts", "utf8");
  const files = [...readFileSync("web/player/controls.ts", "utf8").matchAll(/"(media-chrome\/dist\/[^"]+)"/g)].map(
    ([, file]) => file ?? "",
  );
  expect(files.length).toBeGreaterThan(10);
  const askedFor = [...files, "media-chrome/dist/utils/time.js"].flatMap((file) =>
    [...readFileSync(`node_modules/${file}`, "utf8").matchAll(/\bt\(\s*"([^"]+)"/g)].map(([, text]) => text ?? ""),
  );
  // Hints over buttons begin with a capital, and are not shown: each button has `notooltip`.
  const spoken = new Set(askedFor.filter((text) => !/^[A-Z]/.test(text)));
  expect(spoken.size).toBeGreaterThan(15);
  expect([...spoken].filter((text) => !ours.includes(`"${text}":`) && !ours.includes(`\n  ${text}:`))).toEqual([]);
});

test("a device is described in parts that the account page knows", () => {
  const source = readFileSync("web/account/device-name.ts", "utf8");
  const agents = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0) Gecko Firefox/140",
    "Mozilla/5.0 (iPhone) Safari/604",
    "Mozilla/5.0 (Macintosh) Chrome/1 OPR/1",
    "Mozilla/5.0 (Android) SamsungBrowser/2",
    "Mozilla/5.0 (Windows) Chrome/1 Edg/1",
    "Mozilla/5.0 (CrOS) Chrome/1",
    "Mozilla/5.0 (Tizen) Chrome/1",
    "Mozilla/5.0 (iPad) Safari/1",
    "",
    "x",
  ];
  for (const agent of agents) {
    for (const sessionClass of ["browser", "tv", "app", "tool"] as const) {
      for (const part of describeDevice(agent, sessionClass).split(" on ")) expect(source, part).toContain(part);
    }
  }
});
