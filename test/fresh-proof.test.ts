import { expect, test } from "vitest";
import { minuteMs } from "../src/kernel/clock.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/** What asks for a fresh proof gets one from the person, never from a device that was handed its session. */
const service = await testService();
const { clock } = service;

const addOperator = (credential: { bearer?: string; cookies?: Readonly<Record<string, string>> }) =>
  service.call("POST", "/api/operators", { body: { address: "nobody@example.org" }, ...credential });

test("a device that was linked by an operator's session has proved nothing itself", async () => {
  const operator = await service.operator();
  expect((await addOperator({ cookies: asCookie(operator) })).body["code"]).toBe("not-found");
  clock.advance(6 * minuteMs);
  expect((await addOperator({ cookies: asCookie(operator) })).body["code"]).toBe("proof-needed");

  const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
  const decided = await service.call("POST", "/api/links/decide", {
    body: { userCode: asked.body["user_code"], decision: "approve" },
    cookies: asCookie(operator),
  });
  expect(decided.body).toEqual({ kind: "approved" });
  const claimed = await service.call("POST", "/oauth/token", {
    body: {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: asked.body["device_code"],
      client_id: "houselights-tv",
    },
  });
  const bearer = String(claimed.body["access_token"]);
  expect((await service.call("GET", "/api/session", { bearer })).body["role"]).toBe("operator");
  expect((await addOperator({ bearer })).body["code"]).toBe("proof-needed");
});
