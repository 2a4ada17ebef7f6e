import { expect, test } from "vitest";
import { asCookie, goodPassword, testService } from "../../test/service.ts";
import { bearerIn } from "./bearer.ts";
import { sessionCookie } from "./cookies.ts";

test.each([
  ["Bearer abc", "abc"],
  ["bearer abc", "abc"],
  ["BEARER   abc", "abc"],
  ["Bearer", undefined],
  ["Bearer ", undefined],
  ["Bearer abc def", undefined],
  ["Bearerabc", undefined],
  ["Basic abc", undefined],
])("of %j the token is %j", (authorization, token) => {
  expect(bearerIn({ authorization })).toBe(token);
});

test("a token is taken however its scheme is written, and never a cookie beside one that is not good", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const signIn = (token: boolean) =>
    service.call("POST", "/api/sessions", { body: { address: "ada@example.org", password: goodPassword, token } });
  const token = String((await signIn(true)).body["token"]);
  const cookies = asCookie((await signIn(false)).cookies[sessionCookie] ?? "");
  const ask = async (authorization: string): Promise<number> =>
    (await service.call("GET", "/api/session", { headers: { authorization }, cookies })).status;
  expect([await ask(`Bearer ${token}`), await ask(`bearer ${token}`)]).toEqual([200, 200]);
  expect([await ask("Bearer"), await ask(`Bearer ${token}x`), await ask(`Basic ${token}`)]).toEqual([401, 401, 401]);
});
