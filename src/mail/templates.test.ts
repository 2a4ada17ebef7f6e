import fc from "fast-check";
import { expect, test } from "vitest";
import type { EpochMs } from "../kernel/clock.ts";
import { changeLetterKinds } from "../jobs/jobs.ts";
import type { DataClass } from "../wire/incidents.ts";
import { locales } from "./locale.ts";
import { writeLetter } from "./templates.ts";
import type { LetterContent, NoticeFacts, ServiceFacts, WrittenLetter } from "./templates.ts";

const at = Date.UTC(2022, 7, 24, 9, 30) as EpochMs;
const service: ServiceFacts = {
  name: "House of Films",
  origin: "https://films.example",
  contact: "help@films.example",
};
const allClasses: readonly DataClass[] = [
  "addresses",
  "names",
  "password records",
  "sessions",
  "second factors",
  "viewing history",
];
const full: NoticeFacts = {
  reference: "HL-7K2M",
  copiedAt: at,
  foundAt: at,
  containedAt: at,
  containment: "everyone-out",
  keptTools: true,
  wayInClosedAt: at,
  dataClasses: allClasses,
  keysReachable: "no",
};

const notices: readonly NoticeFacts[] = [
  full,
  {
    ...full,
    copiedAt: null,
    wayInClosedAt: null,
    keptTools: false,
    dataClasses: ["addresses"],
    keysReachable: "unknown",
  },
  { ...full, containment: "with-renewal", keysReachable: "yes" },
  { ...full, containment: "account" },
  { ...full, containment: null, containedAt: null },
];

const contents: readonly LetterContent[] = [
  { kind: "sign-up code", code: "BCDFGHJKLM" },
  { kind: "renewal code", code: "BCDFGHJKLM" },
  { kind: "already registered" },
  { kind: "address doubted" },
  ...changeLetterKinds.flatMap((kind): LetterContent[] => [
    { kind, at },
    { kind, at, undo: "c2VjcmV0" },
  ]),
  ...notices.flatMap((notice): LetterContent[] => [
    { kind: "incident letter", notice },
    { kind: "incident test send", notice },
  ]),
];

const services: readonly ServiceFacts[] = [
  service,
  { ...service, contact: null },
  { name: 'Films & <Friends> "at home"', origin: "http://127.0.0.1:8080", contact: null },
];

const letters = locales.flatMap((locale) =>
  contents.flatMap((content) =>
    services.map((from) => ({
      name: `${locale}, ${content.kind}`,
      locale,
      content,
      from,
      letter: writeLetter(from, locale, content),
    })),
  ),
);

const unescaped = (html: string): string =>
  html
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");

const wordsOfHtml = (html: string): string =>
  unescaped(html.slice(html.indexOf("<body")).replace(/<[^>]*>/g, " "))
    .replace(/\s+/g, " ")
    .trim();

/** Without what text needs to stand for markup: numbers of steps, marks of lists, lines under headings. */
const wordsOfText = (text: string): string =>
  text
    .replace(/^(?:\d\. |- |-+$)/gm, "")
    .replace(/\s+/g, " ")
    .trim();

test("text and HTML of every letter say the same words", () => {
  for (const { letter, name } of letters) expect(wordsOfText(letter.text), name).toBe(wordsOfHtml(letter.html));
});

test("P12: no letter has a link, an image, a script, a style sheet or anything else that is fetched", () => {
  for (const { letter, name } of letters) {
    expect(letter.html, name).not.toMatch(/<(a|img|script|link|iframe|object|video|form|input|base|style|svg)\b/i);
    expect(letter.html, name).not.toMatch(
      /\b(href|src|srcset|background|action|ping)\s*=|url\(|@import|\bon[a-z]+\s*=\s*"/i,
    );
  }
});

test("P12: no letter names a host but the service's own, or an address but its contact", () => {
  for (const { letter, name, from } of letters) {
    for (const [url] of `${letter.text}\n${unescaped(letter.html)}`.matchAll(/\bhttps?:\/\/[^\s<"]+/g)) {
      expect(url.startsWith(from.origin), `${name}: ${url}`).toBe(true);
    }
    for (const [address] of letter.text.matchAll(/[\w.+-]+@[\w.-]+\w/g)) expect(address, name).toBe(from.contact);
  }
});

test("no placeholder is left open and nothing is undefined", () => {
  for (const { letter, name } of letters) {
    for (const part of [letter.subject, letter.text, unescaped(letter.html)]) {
      expect(part, name).not.toMatch(/undefined|null|NaN|\[object|\$\{|\{\{|Invalid Date|TODO/);
    }
    expect(letter.subject, name).not.toMatch(/[\r\n]/);
    expect(letter.subject.length, name).toBeLessThanOrEqual(140);
  }
});

const headings: Readonly<Record<string, readonly string[]>> = {
  // Cal. Civ. Code 1798.82(d)(1): title and headings word for word.
  en: [
    "Notice of Data Breach",
    "What Happened",
    "What Information Was Involved",
    "What We Are Doing",
    "What You Can Do",
    "For More Information",
  ],
};

const headingsOf = (html: string): string[] =>
  [...html.matchAll(/<h[12][^>]*>([^<]*)<\/h[12]>/g)].map(([, text]) => text!);

test("P12: every notice has the title and the five headings of the law, in order, conspicuous and large enough", () => {
  for (const { letter, name, locale, content } of letters) {
    if (content.kind !== "incident letter") continue;
    const found = headingsOf(letter.html);
    expect(found, name).toHaveLength(6);
    if (headings[locale] !== undefined) expect(found, name).toEqual(headings[locale]);
    let from = 0;
    for (const each of found) {
      const place = letter.text.indexOf(each, from);
      expect(place, `${name}: ${each}`).toBeGreaterThanOrEqual(0);
      from = place + each.length;
    }
    for (const [, size] of letter.html.matchAll(/font-size:(\d+)pt/g)) expect(Number(size)).toBeGreaterThanOrEqual(10);
    expect(letter.html).not.toMatch(/font-size:\d+(?!\d*pt)/);
  }
});

test("P12: a notice of a service that names nobody to ask promises nobody, here or on its page", () => {
  for (const locale of locales)
    for (const kind of ["incident letter", "incident test send"] as const) {
      const [named, unnamed] = [service, { ...service, contact: null }].map((from) =>
        writeLetter(from, locale, { kind, notice: full }).text.split("\n\n"),
      );
      expect(unnamed, locale).toEqual(named!.filter((part) => !part.includes("help@films.example")));
      expect(named!.length - unnamed!.length, locale).toBe(1);
    }
});

test("P12: every notice has at most three numbered steps, the reference, the page to check it, and the promise not to ask", () => {
  for (const { letter, name, content, from } of letters) {
    if (content.kind !== "incident letter") continue;
    const numbered = letter.text.match(/^\d+\. /gm) ?? [];
    expect(numbered.length, name).toBeGreaterThan(0);
    expect(numbered.length, name).toBeLessThanOrEqual(3);
    expect(letter.text).toContain(`/notice/${content.notice.reference}`);
    expect(letter.subject).toContain(content.notice.reference);
    if (from.contact !== null) expect(letter.text).toContain(from.contact);
  }
  const { text } = writeLetter(service, "en", { kind: "incident letter", notice: full });
  expect(text).toContain("Nobody from House of Films will ever ask you for your password or a card number");
  expect(text).toContain("Card and bank details were not taken");
  expect(text).toContain("August 24, 2022 at 9:30 AM UTC");
  // Nothing is recommended that this version does not have.
  expect(text).not.toContain("passkey");
  expect(text).toContain("second factor");
});

test("a notice tells exactly the data classes of the case, in every language", () => {
  for (const locale of locales) {
    const linesOf = (dataClasses: readonly DataClass[]): string[] =>
      writeLetter(service, locale, { kind: "incident letter", notice: { ...full, dataClasses } }).text.match(
        /^- .*$/gm,
      ) ?? [];
    const all = linesOf(allClasses);
    expect(new Set(all).size).toBe(allClasses.length);
    for (const [index, each] of allClasses.entries()) expect(linesOf([each])).toEqual([all[index]]);
  }
});

test("no notice calls the viewing history encrypted, which it is not; what is sealed is called so, in every language", () => {
  for (const locale of locales) {
    const paragraphs = (dataClasses: readonly DataClass[]): string[] =>
      writeLetter(service, locale, { kind: "incident letter", notice: { ...full, dataClasses } }).text.split("\n\n");
    const [sealed, both, clear] = [["names"], ["names", "viewing history"], ["viewing history"]] as const;
    const added = paragraphs(both).filter((one) => !one.startsWith("- ") && !paragraphs(sealed).includes(one));
    expect([locale, added.length]).toEqual([locale, 1]);
    const missing = paragraphs(both).filter((one) => !one.startsWith("- ") && !paragraphs(clear).includes(one));
    expect([locale, missing.length]).toEqual([locale, 1]);
  }
  const { text } = writeLetter(service, "en", {
    kind: "incident letter",
    notice: { ...full, dataClasses: ["viewing history"] },
  });
  expect(text).toContain("Only what you have watched is not encrypted.");
  expect(text).not.toContain("stored encrypted");
});

test("languages differ: none is a copy of another left untranslated", () => {
  for (const content of contents) {
    expect(new Set(locales.map((locale) => writeLetter(service, locale, content).text)).size).toBe(locales.length);
    expect(new Set(locales.map((locale) => writeLetter(service, locale, content).subject)).size).toBe(locales.length);
  }
});

test("a code stands in the letter once, in groups, and not in the subject", () => {
  for (const locale of locales) {
    const { subject, text } = writeLetter(service, locale, { kind: "renewal code", code: "BCDFGHJKLM" });
    expect(text.split("BCDFG-HJKLM")).toHaveLength(2);
    expect(subject).not.toContain("BCDFG");
  }
});

test("whatever the service is called, it cannot write markup into a letter", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 60 }), (name) => {
      const write = (text: string): WrittenLetter => writeLetter({ ...service, name: text }, "en", contents[0]!);
      const tagsOf = (html: string): number => (html.match(/</g) ?? []).length;
      expect(tagsOf(write(name).html)).toBe(tagsOf(write("x").html));
    }),
  );
  expect(
    writeLetter({ ...service, name: '<img src="https://evil.example/x.png">' }, "en", contents[0]!).html,
  ).not.toContain("<img");
});

test("a notice fits into one mail without attachments: text and HTML below 16 KiB together", () => {
  for (const { letter, name } of letters) {
    expect(Buffer.byteLength(letter.text) + Buffer.byteLength(letter.html), name).toBeLessThan(16 * 1024);
  }
});
