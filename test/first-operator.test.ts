import { expect, test } from "vitest";
import { operatorIds } from "../src/accounts/accounts.ts";
import { secretText } from "../src/http/cookies.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { testService } from "./service.ts";

test("of first links used at once, one makes the first operator", async () => {
  const service = await testService();
  const links = [];
  for (let i = 0; i < 6; i++) links.push(await makeOperatorLink(service.ground));
  const answers = await Promise.all(
    links.map(({ secret }) => service.call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } })),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(await operatorIds(service.ground.db)).toHaveLength(1);
});
