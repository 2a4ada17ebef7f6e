import { expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { hourMs } from "../src/kernel/clock.ts";
import { goodPassword, testService } from "./service.ts";

/**
 * On a day on which everybody asks, letters are late, and who waits for one asks again: in the same browser, which must not
 * take from the letter that comes first what it is good for.
 */
const service = await testService();
const fresh = "eleven owls above the orchard";

type Cookies = Readonly<Record<string, string>>;

let people = 0;
async function person(): Promise<string> {
  const address = `person-${++people}@example.org`;
  await service.account(address, goodPassword);
  return address;
}

/** Asks as one browser: what it keeps afterwards, and the code that was mailed, if one was. */
async function ask(
  path: string,
  body: Readonly<Record<string, string>>,
  before: Cookies,
): Promise<{ readonly cookies: Cookies; readonly code: string | undefined }> {
  const mailed = new Set((await service.letters()).map(({ code }) => code));
  const asked = await service.call("POST", path, { body, cookies: before });
  expect(asked.status).toBe(202);
  const code = (await service.letters()).find(
    (letter) => letter.letter.endsWith(" code") && !mailed.has(letter.code),
  )?.code;
  return { cookies: { ...before, [browserCookie]: asked.cookies[browserCookie] ?? "" }, code };
}

/** The same, so many times. */
async function askAgain(address: string, times: number) {
  let cookies: Cookies = {};
  const codes: (string | undefined)[] = [];
  for (let asked = 0; asked < times; asked++) {
    const next = await ask("/api/renewals", { address }, cookies);
    cookies = next.cookies;
    codes.push(next.code);
  }
  return { cookies, codes };
}

async function complete(code: string | undefined, cookies: Cookies, password = fresh): Promise<unknown> {
  const answer = await service.call("POST", "/api/renewals/complete", { body: { code, password }, cookies });
  return answer.body["kind"] ?? answer.body["code"];
}

test("who asks again in the same browser can still use the letter that comes first", async () => {
  const { cookies, codes } = await askAgain(await person(), 3);
  expect(new Set(codes).size).toBe(3);
  // Told only to who has proved the mailbox.
  for (const code of codes) expect(await complete(code, cookies, "short")).toBe("password-refused");
  expect(await complete(codes[0], {})).toBe("code-refused");
  expect(await complete(codes[0], cookies)).toBe("renewed");
  for (const code of codes) expect(await complete(code, cookies)).toBe("code-refused");
});

test("also past the limit of letters, where nothing more is mailed", async () => {
  const { cookies, codes } = await askAgain(await person(), 8);
  expect(codes.map((code) => code !== undefined)).toEqual([true, true, true, true, true, true, false, false]);
  expect(await complete(codes[0], cookies)).toBe("renewed");
});

test("each code has five tries, whatever else the browser has asked for", async () => {
  const address = await person();
  const first = await ask("/api/renewals", { address }, {});
  for (let tried = 0; tried < 3; tried++) expect(await complete("BBBBB-BBBBB", first.cookies)).toBe("code-refused");
  const second = await ask("/api/renewals", { address }, first.cookies);
  for (let tried = 0; tried < 2; tried++) expect(await complete("BBBBB-BBBBB", second.cookies)).toBe("code-refused");
  expect(await complete(first.code, second.cookies)).toBe("code-refused");
  expect(await complete(second.code, second.cookies)).toBe("renewed");
});

test("a code that is right uses up no try of another that the same browser has asked for", async () => {
  const mine = await ask("/api/renewals", { address: await person() }, {});
  const { code, cookies } = await ask("/api/renewals", { address: await person() }, mine.cookies);
  for (let tried = 0; tried < 6; tried++) expect(await complete(mine.code, cookies, "short")).toBe("password-refused");
  expect(await complete(mine.code, cookies)).toBe("renewed");
  expect(await complete(code, cookies)).toBe("renewed");
});

test("nor does one of a registration use up a try of another's", async () => {
  let cookies: Cookies = {};
  const codes: (string | undefined)[] = [];
  for (let asked = 0; asked < 6; asked++) {
    const body = { address: `together-${asked}@example.org`, password: goodPassword };
    const next = await ask("/api/accounts", body, cookies);
    cookies = next.cookies;
    codes.push(next.code);
  }
  const confirm = async (code: string | undefined) =>
    (await service.call("POST", "/api/accounts/confirm", { body: { code }, cookies })).status;
  // A wrong one is a guess at each of them, as before.
  for (let tried = 0; tried < 4; tried++) expect(await confirm("BBBBB-BBBBB")).toBe(400);
  for (const code of codes.slice(0, 5)) expect(await confirm(code)).toBe(201);
  expect(await confirm("BBBBB-BBBBB")).toBe(400);
  expect(await confirm(codes[5])).toBe(400);
});

test("each code lives for its own day", async () => {
  const address = await person();
  const first = await ask("/api/renewals", { address }, {});
  service.clock.advance(hourMs);
  const second = await ask("/api/renewals", { address }, first.cookies);
  service.clock.advance(23 * hourMs);
  expect(await complete(first.code, second.cookies)).toBe("code-refused");
  expect(await complete(second.code, second.cookies)).toBe("renewed");
});

test("a registration and a renewal asked for in one browser are both good", async () => {
  const [address, newcomer] = [await person(), `newcomer-${people}@example.org`];
  const renewal = await ask("/api/renewals", { address }, {});
  const early = await ask("/api/accounts", { address: newcomer, password: goodPassword }, renewal.cookies);
  const { cookies } = await ask("/api/accounts", { address: newcomer, password: goodPassword }, early.cookies);
  const confirmed = await service.call("POST", "/api/accounts/confirm", { body: { code: early.code }, cookies });
  expect(confirmed.status).toBe(201);
  expect(await complete(renewal.code, cookies)).toBe("renewed");
});
