import { expect, test } from "vitest";
import { en } from "../src/http/catalogue/en.ts";
import { translated, wordsFor } from "../src/http/words.ts";
import { dayMs, minuteMs } from "../src/kernel/clock.ts";
import { browserCookie } from "../src/http/cookies.ts";
import { limits } from "../src/wire/common.ts";
import { containedCase } from "./contained-case.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/** Who got a German letter reads German on every page that the server writes, what is refused included. */
const crowd = { hashesPerSecond: 1_000_000 };
const service = await testService({ lobby: { everyMs: dayMs, hashesPerSecond: () => crowd.hashesPerSecond } });
const languages = Object.entries(translated);

const places = (text: string): string[] => [...text.matchAll(/\{[\w-]+\}/g)].map(([place]) => place).toSorted();

test.each(languages)("%s: every string is there, with the places of the English one", (_lang, words) => {
  for (const [key, text] of Object.entries(words)) {
    expect([key, places(text)]).toEqual([key, places(en[key as keyof typeof en])]);
    expect(text.trim(), key).not.toBe("");
  }
  // The same keys in each: the compiler sees to it that none is missing, and this that none is more.
  expect(Object.keys(words).toSorted()).toEqual(Object.keys(languages[0]![1]).toSorted());
});

test("the language is the reader's, or English", () => {
  const lang = (header: string | undefined) => wordsFor(header).lang;
  expect([lang("fr-CA, en;q=0.5"), lang("it, ja;q=0.5"), lang("it"), lang(undefined)]).toEqual([
    "fr",
    "ja",
    "en",
    "en",
  ]);
});

/** What each form may be sent: its own fields with what is not taken, and some that no form has. */
const refusedForms: readonly Record<string, string>[] = [
  {},
  { unknown: "field" },
  { code: "WRONG-CODES" },
  { code: "WRONG-CODES", decision: "approve" },
  { token: "wrong" },
  { address: "nobody@example.org", password: "short", name: "" },
  { address: "4111 1111 1111 1111", password: "short", name: "" },
  { address: "a\u001bb", password: "short", name: "" },
  { address: "nobody@example.org", password: "password1234567" },
  { code: "WRONG-CODES", password: goodPassword, signOutDevices: "yes" },
];

/** Sentences of the English catalogue, without what is filled in; what is as good in another language is left out. */
const english = Object.values(en).flatMap((text) => text.split(/\{[\w-]+\}/).filter((part) => part.trim().length > 15));

test.each(languages)(
  "%s: the notice and each step of a renewal are in that language alone, and small",
  async (lang) => {
    const headers = { "accept-language": `${lang}-XX,en;q=0.3`, accept: "text/html" };
    const seen: string[] = [];
    async function page(
      path: string,
      cookies: Readonly<Record<string, string>> = {},
      form?: Readonly<Record<string, string>>,
    ) {
      const answer = await service.web.app.inject({
        method: form === undefined ? "GET" : "POST",
        url: path,
        cookies: { ...cookies },
        headers: {
          ...headers,
          ...(form === undefined
            ? {}
            : { "content-type": "application/x-www-form-urlencoded", origin: service.ground.config.publicOrigin }),
        },
        ...(form === undefined ? {} : { payload: new URLSearchParams(form).toString() }),
      });
      if (answer.statusCode === 303) return answer;
      seen.push(path);
      expect(answer.body, path).toContain(`<html lang="${lang}"`);
      expect(
        english.filter((text) => answer.body.includes(text)),
        path,
      ).toEqual([]);
      expect(Buffer.byteLength(answer.body), path).toBeLessThan(15_000);
      return answer;
    }
    const { db, clock, random } = service.ground;
    const incidentId = await containedCase({ db, clock, random });
    const { reference } = (await db.one<{ reference: string }>(`select reference from incident where id = $1`, [
      incidentId,
    ]))!;
    for (const path of ["/notice", `/notice/${reference}`, "/notice/HL-1999-0001", "/renew", "/renew/done"])
      await page(path);

    const asked = await page("/renew", {}, { address: "ada@example.org" });
    const browser = asked.cookies.find(({ name }) => name === browserCookie)?.value ?? "";
    const cookies = { [browserCookie]: browser };
    await page("/renew/code", cookies);
    const wrong = await page("/renew/code", cookies, {
      code: "AAAA-AAAA",
      password: "seven lanterns over the harbour",
    });
    expect(wrong.statusCode).toBe(400);
    expect(wrong.body).toContain(wordsFor(lang).say("refused.code").replaceAll("'", "&#39;"));

    crowd.hashesPerSecond = 0.001;
    await service.web.lobby.advance();
    for (let asks = 0; asks < 50; asks++) await page("/renew", {}, { address: `early-${asks}@example.org` });
    expect((await page("/renew")).body).toContain("data-line");
    crowd.hashesPerSecond = 1_000_000;
    await service.web.lobby.advance();
    await service.web.lobby.advance();
    expect(new Set(seen).size).toBeGreaterThan(5);
    await db.run(`update incident set state = 'closed'`);
  },
  60_000,
);

/** Every plain page and every refusal that is one, found in the route table, as nobody, a viewer and an operator. */
test.each(languages)(
  "%s: every page of the route table, and every refused form, is in that language alone",
  async (lang) => {
    const headers = { "accept-language": `${lang},en;q=0.3`, accept: "text/html" };
    const address = `${lang}@example.org`;
    await service.account(address, goodPassword);
    const seen = new Set<string>();
    async function look(method: "GET" | "POST", url: string, who: string | undefined, form?: Record<string, string>) {
      const answer = await service.web.app.inject({
        method,
        url,
        headers: {
          ...headers,
          ...(form === undefined
            ? {}
            : { "content-type": "application/x-www-form-urlencoded", origin: service.ground.config.publicOrigin }),
        },
        ...(who === undefined ? {} : { cookies: asCookie(who) }),
        ...(form === undefined ? {} : { payload: new URLSearchParams(form).toString() }),
      });
      if (!answer.body.includes('class="wordmark"')) return answer;
      seen.add(`${method} ${url} ${answer.statusCode}`);
      expect([method, url, answer.body.includes(`<html lang="${lang}"`)]).toEqual([method, url, true]);
      expect([method, url, english.filter((text) => answer.body.includes(text))]).toEqual([method, url, []]);
      return answer;
    }
    const pages = service.web.app.routeTable.filter(
      ({ url }) => !/^\/(?:api|oauth|signals|timeline|media)\//.test(url),
    );
    for (const { method, url } of pages) {
      const path = url.replaceAll(/:[a-z]+/g, "00000000-0000-7000-8000-000000000000").replace("*", "x");
      const signedIn = () => service.signIn(address, goodPassword);
      const everybody = [() => undefined, signedIn, ...(method === "GET" ? [() => service.operator()] : [])];
      for (const who of everybody) {
        // Again for each: signing out is among them.
        if (method === "GET") await look("GET", path, await who());
        if (method !== "POST") continue;
        const session = await who();
        for (const form of refusedForms) await look("POST", path, session, form);
        service.clock.advance(minuteMs);
      }
    }
    await look("GET", "/nothing-here", undefined);
    await look("GET", "/%ff", undefined);
    const refused = await look("POST", "/sign-up", undefined, { address: "x@", password: goodPassword, name: "" });
    expect(refused.body).toContain(wordsFor(lang).say("refused.address.domain"));
    const wrong = await look("POST", "/sign-in", undefined, { address, password: "not the password" });
    expect(wrong.body).toContain(wordsFor(lang).say("sign-in.refused").replaceAll("'", "&#39;"));
    expect(seen.size).toBeGreaterThan(20);
    // A TV asks, and its code is typed on a phone.
    const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
    const phone = await service.signIn(address, goodPassword);
    const shown = await look("POST", "/link", phone, { code: String(asked.body["user_code"]) });
    expect(shown.body).toContain(wordsFor(lang).say("link.show.title"));
  },
  60_000,
);

test("a new password that is too short is told so in the reader's language, with the number", () => {
  for (const [lang] of languages) {
    const count = limits.passwordLengthAlone;
    expect(wordsFor(lang).say("refused.password.too-short", { count })).toContain(String(count));
  }
});
