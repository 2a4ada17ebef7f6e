import type { Plan } from "../../src/wire/campaign.ts";
import { ago, hourMs } from "./pretended-data.ts";

/** A plan with something in each of its parts: good and bad findings, a limit that cannot be met, no promise. */
export function pretendedPlan(isWhole: boolean): Plan {
  return {
    inScope: 4_812_077,
    withAddress: 4_790_310,
    withoutAddress: 21_767,
    byLocale: [
      { locale: "en", accounts: 2_901_440 },
      { locale: "de", accounts: 1_204_331 },
      { locale: "fr", accounts: 706_306 },
    ],
    lacks: [],
    leavesBy: "relay",
    measured: null,
    allowance: { letters: 20_000, per: "hour", campaignPercent: 90 },
    price: "0.1 USD",
    terms: [
      {
        kind: "allowance",
        term: "the relay's allowance",
        hours: 266.1,
        reason: "4,790,310 letters at 20,000 an hour, of which a campaign uses 90 %: 267 h",
      },
      {
        kind: "speed",
        term: "this relay's speed",
        hours: null,
        reason: "not known: no campaign of a hundred letters or more was ever handed to it",
      },
    ],
    end: {
      kind: "sender doubted",
      notBefore: ago(-267 * hourMs),
      isLikely: false,
      says: "not before 2026-12-06 07:12 UTC; no end can be promised while receivers have a reason to refuse the letters (see the sender's domain)",
    },
    cost: { kind: "price", amount: "479.03 USD", says: "479.03 USD: 4,790,310 letters at 0.1 USD a thousand" },
    deadlines: [
      {
        rule: "gdpr-34",
        title: "GDPR: tell people without undue delay",
        dueAt: null,
        outlook: "not known",
        kind: "no time",
        says: "it sets no time, and each hour until the letters end has to have its reason",
      },
      {
        rule: "gdpr-33",
        title: "GDPR: tell the authority within 72 hours",
        dueAt: ago(-41 * hourMs),
        outlook: "yours",
        kind: "authority",
        says: "letters do not meet it: the authority is told by you",
      },
      {
        rule: "ca-people",
        title: "California: tell people within 30 days",
        dueAt: ago(-689 * hourMs),
        outlook: "not known",
        kind: "unpromised",
        says: "nothing known speaks against it, and nothing is promised",
      },
      {
        rule: "example",
        title: "A contract: tell people within 5 days",
        dueAt: ago(-90 * hourMs),
        outlook: "cannot be met",
        kind: "too late",
        says: "the letters end 6 days after it at the earliest",
      },
    ],
    survey: isWhole
      ? {
          counted: 4_812_077,
          doneAt: ago(0),
          providers: [
            { provider: "Gmail", accounts: 2_201_330 },
            { provider: "Outlook", accounts: 810_200 },
            { provider: "GMX and web.de", accounts: 604_120 },
            { provider: "university.example", accounts: 31_020 },
            { provider: "other", accounts: 1_143_640 },
          ],
          findings: [
            {
              about: "return path",
              verdict: "good",
              kind: "returns go to",
              facts: { domain: "films.example", host: "mx.films.example" },
              found: "letters that come back go to mx.films.example, the mail server of films.example",
            },
            {
              about: "SPF",
              verdict: "good",
              kind: "spf lets",
              facts: { domain: "films.example", relays: "", result: "pass" },
              found: "the SPF record of films.example lets the relay send",
            },
            {
              about: "DKIM",
              verdict: "bad",
              kind: "no key",
              facts: { name: "houselights._domainkey.films.example" },
              found: "there is no record at houselights._domainkey.films.example: no signature can be checked",
              advice: "houselights mail dkim prints the record that belongs there",
            },
            {
              about: "DMARC",
              verdict: "weak",
              kind: "passes, none asked",
              facts: { at: "films.example", trial: "" },
              found: "letters pass; _dmarc.films.example asks receivers to do nothing with letters that fail",
              advice: "p=reject keeps others from writing in your name, which they will try on such a day",
            },
            {
              about: "receivers",
              verdict: "unknown",
              kind: "receivers not known",
              facts: {},
              found: "whether large mailboxes take the letters rests on what could not be looked up",
            },
          ],
        }
      : { counted: 120_000, doneAt: null, providers: [], findings: [] },
  };
}
