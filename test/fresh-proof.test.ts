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

test("a linked device links no other until somebody proves in it who they are; it may deny", async () => {
  await service.account("grace@example.org", goodPassword);
  const session = await service.signIn("grace@example.org", goodPassword);
  const ask = async () =>
    (await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } })).body;
  const claim = async (deviceCode: unknown) => {
    const grant = "urn:ietf:params:oauth:grant-type:device_code";
    const body = { grant_type: grant, device_code: deviceCode, client_id: "houselights-tv" };
    return service.call("POST", "/oauth/token", { body });
  };
  const decide = (
    asked: Record<string, unknown>,
    decision: "approve" | "deny",
    by: { bearer?: string; cookies?: Readonly<Record<string, string>> },
  ) => service.call("POST", "/api/links/decide", { body: { userCode: asked["user_code"], decision }, ...by });

  const [first, second, third] = [await ask(), await ask(), await ask()];
  expect((await decide(first, "approve", { cookies: asCookie(session) })).body).toEqual({ kind: "approved" });
  const bearer = String((await claim(first["device_code"])).body["access_token"]);
  const refused = await decide(second, "approve", { bearer });
  expect([refused.status, refused.body["code"]]).toEqual([403, "proof-needed"]);
  const byForm = { body: { code: String(second["user_code"]), decision: "approve" }, bearer };
  expect((await service.call("POST", "/link", byForm)).status).toBe(403);
  expect((await claim(second["device_code"])).body["error"]).toBe("authorization_pending");
  expect((await decide(third, "deny", { bearer })).body).toEqual({ kind: "denied" });

  const proved = await service.call("POST", "/api/session/proof", { body: { password: goodPassword }, bearer });
  const next = { bearer: String(proved.body["token"]) };
  expect((await decide(second, "approve", next)).body).toEqual({ kind: "approved" });
  expect((await claim(second["device_code"])).status).toBe(200);
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
