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
  expect((await addOperator({ cookies: asCookie(operator) })).body["code"]).toBe("second-factor-required");

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
  expect((await addOperator({ bearer })).body["code"]).toBe("second-factor-required");
  const asksAddress = await service.call("POST", "/api/account/addresses", {
    body: { address: "x@example.org" },
    bearer,
  });
  expect(asksAddress.body["code"]).toBe("proof-needed");
});

test("an address is added after a fresh proof only: it is a way to the account", async () => {
  await service.account("ada@example.org", goodPassword);
  const session = await service.signIn("ada@example.org", goodPassword);
  const claim = (address: string) =>
    service.call("POST", "/api/account/addresses", { body: { address }, cookies: asCookie(session) });
  expect((await claim("ada@work.example")).status).toBe(202);
  clock.advance(6 * minuteMs);
  const refused = await claim("thief@example.net");
  expect(refused.body["code"]).toBe("proof-needed");
  expect((await service.letters()).some(({ to }) => to === "thief@example.net")).toBe(false);
  const proved = await service.call("POST", "/api/session/proof", {
    body: { password: goodPassword },
    cookies: asCookie(session),
  });
  expect(proved.status).toBe(200);
  expect((await claim("ada@home.example")).status).toBe(202);
});
