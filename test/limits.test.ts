import { expect, test } from "vitest";
import { goodPassword, testService, type Answer } from "./service.ts";

/** What counts tries: it cannot be got around by one network, and nobody can use it up for somebody else. */
const service = await testService();

/** A request from a peer of that address. */
async function from(remoteAddress: string, path: string, body: object): Promise<Pick<Answer, "status" | "body">> {
  const answer = await service.web.app.inject({ method: "POST", url: path, payload: body, remoteAddress });
  return { status: answer.statusCode, body: answer.json() };
}

test("a whole IPv6 /64 is one network", async () => {
  const ask = (i: number) =>
    from(`2001:db8:1:2::${i.toString(16)}`, "/oauth/device_authorization", { client_id: "houselights-tv" });
  expect((await ask(1)).status).toBe(200);
  for (let i = 2; i <= 60; i++) await ask(i);
  expect((await ask(61)).status).toBe(429);
  expect((await from("2001:db8:1:3::1", "/oauth/device_authorization", { client_id: "houselights-tv" })).status).toBe(
    200,
  );
});

test("a TV and a phone with two addresses of one /64 are on the same network", async () => {
  await service.account("ada@example.org", goodPassword);
  const cookie = await service.signIn("ada@example.org", goodPassword);
  const asked = await from("2001:db8:7:8::51", "/oauth/device_authorization", { client_id: "houselights-tv" });
  const look = async (remoteAddress: string) =>
    (
      await service.web.app.inject({
        method: "POST",
        url: "/api/links/lookup",
        payload: { userCode: asked.body["user_code"] },
        cookies: { "__Host-houselights": cookie },
        remoteAddress,
      })
    ).json<{ sameNetwork: boolean }>().sameNetwork;
  expect(await look("2001:db8:7:8:1111:2222:3333:4444")).toBe(true);
  expect(await look("2001:db8:7:9::51")).toBe(false);
});
