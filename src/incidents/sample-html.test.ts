import { expect, test } from "vitest";
import type { EpochMs } from "../kernel/clock.ts";
import { locales } from "../mail/locale.ts";
import { writeLetter, type NoticeFacts } from "../mail/templates.ts";
import { noticeHash } from "./notice.ts";
import { sampleHtml } from "./sample-html.ts";

const at = Date.UTC(2026, 10, 22, 20, 41) as EpochMs;
const service = { name: "Films & <Friends>", origin: "https://films.example", contact: "help@films.example" };
const facts: NoticeFacts = {
  reference: "HL-7K2M",
  copiedAt: at,
  foundAt: at,
  containedAt: at,
  containment: "everyone-out",
  keptTools: false,
  wayInClosedAt: null,
  dataClasses: ["addresses"],
  keysReachable: "no",
};
const notices = locales.map((locale) => ({
  locale,
  ...writeLetter(service, locale, { kind: "incident letter", notice: facts }),
}));
const about = {
  serviceName: service.name,
  origin: service.origin,
  from: "no-reply@films.example",
  reference: "HL-7K2M",
};

test("the sample has the letter in every language as it is sent, with the hash that the timeline names", () => {
  const html = sampleHtml({ ...about, sentFrom: at, madeAt: at }, notices);
  for (const notice of notices) {
    const body = notice.html.slice(notice.html.indexOf("<body>") + 6, notice.html.indexOf("</body>"));
    expect(body.length).toBeGreaterThan(1_000);
    expect(html).toContain(body);
    expect(html).toContain(noticeHash(notice).toString("hex"));
    expect(html).toContain(`<article lang="${notice.locale}">`);
  }
  expect(html).toContain("Sent from 2026-11-22 20:41 UTC on");
  expect(html).toContain("Films &amp; &lt;Friends&gt;");
});

test("nothing in it is fetched or runs, and before the start it says that the words are not fixed", () => {
  const html = sampleHtml({ ...about, sentFrom: null, madeAt: at }, notices);
  expect(html).not.toMatch(/<(script|link|img|iframe)\b|\b(href|src)\s*=|@import|url\(/i);
  expect(html).toContain("Not sent yet");
});
