import { expect, test } from "vitest";
import { systemRandom } from "../kernel/random.ts";
import { signInLog } from "../http/sign-in-log.ts";
import { sessionLifetimesMs } from "../sessions/open-session.ts";
import { asCookie, goodPassword, testService } from "../../test/service.ts";
import { askLink, linkLifetimeMs } from "./links.ts";

/** What whoever types a link's short code is shown, and that it is one link's. */
const service = await testService();
const { ground, web } = service;
let people = 0;
/** Each has ten tries of a code. */
async function somebody() {
  const address = `person-${++people}@example.org`;
  await service.account(address, goodPassword);
  return asCookie(await service.signIn(address, goodPassword));
}
const cookies = await somebody();

const ask = async (clientId: string): Promise<unknown> =>
  (await service.call("POST", "/oauth/device_authorization", { body: { client_id: clientId } })).body["user_code"];
const lookUp = (userCode: unknown, by = cookies) =>
  service.call("POST", "/api/links/lookup", { body: { userCode }, cookies: by });

test.each([
  ["houselights-tv", "tv"],
  ["Attic TV", "tv"],
  ["Backup tool", "tool"],
  ["footstool", "app"],
  ["houselights-telephone", "app"],
])("what calls itself %s is shown as: %s", async (clientId, shown) => {
  expect((await lookUp(await ask(clientId))).body["class"]).toBe(shown);
});

test("what is approved as an app is one: its session is no television's", async () => {
  const body = { client_id: "houselights-telephone" };
  const asked = await service.call("POST", "/oauth/device_authorization", { body });
  const decision = { userCode: asked.body["user_code"], decision: "approve" };
  expect((await service.call("POST", "/api/links/decide", { body: decision, cookies })).status).toBe(200);
  const grant = "urn:ietf:params:oauth:grant-type:device_code";
  const claimed = await service.call("POST", "/oauth/token", {
    body: { ...body, grant_type: grant, device_code: asked.body["device_code"] },
  });
  const session = await service.call("GET", "/api/session", { bearer: String(claimed.body["access_token"]) });
  expect(session.body["class"]).toBe("app");
});

test.each(["approve", "deny"])("after somebody said %s it is shown to nobody", async (decision) => {
  const by = await somebody();
  const userCode = await ask("houselights-tv");
  expect((await lookUp(userCode, by)).status).toBe(200);
  const decided = await service.call("POST", "/api/links/decide", { body: { userCode, decision }, cookies: by });
  expect(decided.status).toBe(200);
  expect((await lookUp(userCode, by)).body["code"]).toBe("link-refused");
});

test("one that is over is shown to nobody", async () => {
  const by = await somebody();
  const userCode = await ask("houselights-tv");
  service.clock.advance(linkLifetimeMs - 1);
  expect((await lookUp(userCode, by)).status).toBe(200);
  service.clock.advance(1);
  expect((await lookUp(userCode, by)).body["code"]).toBe("link-refused");
});

test.each([
  ["by a program", "/api/links/lookup", "userCode"],
  ["in the form", "/link", "code"],
])("ten codes are looked up in ten minutes %s, and then not even the right one", async (_how, path, field) => {
  const [by, other] = [await somebody(), await somebody()];
  const userCode = await ask("houselights-tv");
  const look = async (code: unknown) =>
    (await service.call("POST", path, { body: { [field]: code }, cookies: by })).status;
  expect(await look(userCode)).toBe(200);
  for (let tries = 1; tries < 10; tries++) expect(await look("BBBB-BBBB")).toBe(400);
  expect(await look(userCode)).toBe(429);
  expect((await lookUp(userCode, other)).status).toBe(200);
});

test("one from before a containment is shown to nobody", async () => {
  const userCode = await ask("houselights-tv");
  expect((await lookUp(userCode)).status).toBe(200);
  await ground.plainDb.run(`update floor set epoch = (select max(epoch) + 1 from floor) where kind = 'link'`);
  expect((await lookUp(userCode)).body["code"]).toBe("link-refused");
});

test("a short code that another device has is drawn again, and not for ever", async () => {
  const letters: number[] = [];
  const needs = {
    db: ground.db,
    keyholder: ground.keyholders.web,
    clock: ground.clock,
    random: { ...systemRandom, below: () => letters.shift() ?? 0 },
    lifetimesMs: sessionLifetimesMs(30, 180),
    waiting: web.waitingLinks,
    logSignIn: signInLog(ground),
  };
  const asking = () => askLink(needs, { class: "tv", label: "Attic", network: "192.0.2.7" });
  expect((await asking()).userCode.revealText()).toBe("BBBBBBBB");
  letters.push(...Array<number>(8).fill(0), ...Array<number>(8).fill(1));
  expect((await asking()).userCode.revealText()).toBe("CCCCCCCC");
  await expect(asking()).rejects.toThrow();
});
