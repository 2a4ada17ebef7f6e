import { expect, test } from "vitest";
import { operatorIds } from "../src/accounts/accounts.ts";
import { secretText } from "../src/http/cookies.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { testService } from "./service.ts";

const service = await testService();
const { db } = service.ground;

/** Uses a new link in a browser that speaks a language. */
async function useLink(language: string) {
  const { secret } = await makeOperatorLink(service.ground);
  return () =>
    service.call("POST", "/api/operator-sessions", {
      body: { secret: secretText(secret) },
      headers: { "accept-language": language },
    });
}
const locales = async (): Promise<string[]> =>
  (await db.many<{ locale: string }>(`select locale from account`)).map(({ locale }) => locale);

test("of first links used at once, one makes the first operator, who is written to in the language of that browser", async () => {
  const links = [];
  for (let i = 0; i < 6; i++) links.push(await useLink("fr-CH, en;q=0.8"));
  const answers = await Promise.all(links.map((use) => use()));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(await operatorIds(db)).toHaveLength(1);
  expect(await locales()).toEqual(["fr"]);
  const later = await useLink("ja");
  expect((await later()).status).toBe(201);
  expect(await locales()).toEqual(["fr"]);
});
