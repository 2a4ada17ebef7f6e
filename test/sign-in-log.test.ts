import { describe, expect, test } from "vitest";
import { secretText, sessionCookie } from "../src/http/cookies.ts";
import { newLog } from "../src/kernel/log.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { askPasskey } from "./ask-passkey.ts";
import { authenticator } from "./authenticator.ts";
import { peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";
import { beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";

/** Every sign-in and proof is one line of the log, right or wrong, and the log is no list of who has an account (ASVS 5.0 16.3.1). */
interface Line {
  readonly msg: string;
  readonly time: string;
  readonly way: string;
  readonly end: string;
  readonly session?: string;
  readonly from?: string;
  readonly tried?: string;
}
let said = "";
const log = newLog("test", "info", { write: (text: string) => (said += text) });
const service = await testService({ log });
const { person } = peopleOf(service);
const call: typeof service.call = (...request) => service.call(...request);

async function logged(act: () => Promise<Answer>): Promise<{ readonly answer: Answer; readonly lines: Line[] }> {
  said = "";
  const answer = await act();
  const lines = said.split("\n").filter((line) => line !== "");
  return { answer, lines: lines.map((line) => JSON.parse(line) as Line).filter(({ msg }) => msg === "sign-in") };
}

const signIn = (address: string, password: string, from = "203.0.113.7") =>
  logged(() => call("POST", "/api/sessions", { body: { address, password }, from }));

/** The session that an answer opened, or that was proved again. */
async function sessionOf(answer: Answer): Promise<unknown> {
  const token = answer.cookies[sessionCookie] ?? "";
  return (await call("GET", "/api/session", { cookies: asCookie(token) })).body["sessionId"];
}

async function passkeyOf(ada: Person) {
  const device = authenticator(service.ground.config.publicOrigin);
  const ask = (path: string, cookies = asCookie(ada.session)) => askPasskey({ call }, path, cookies);
  const { options, cookies } = await ask("/api/account/passkeys/options");
  const body = { answer: device.create(options), name: "A key" };
  expect((await call("POST", "/api/account/passkeys", { body, cookies })).status).toBe(201);
  return { device, ask };
}

/** Each way, made right and made wrong. */
const ways: Readonly<Record<string, () => Promise<{ right: () => Promise<Answer>; wrong: () => Promise<Answer> }>>> = {
  password: async () => {
    const { address } = await person();
    const by = (password: string) => () => call("POST", "/api/sessions", { body: { address, password } });
    return { right: by(goodPassword), wrong: by("not it at all, not it") };
  },
  "second factor": async () => {
    const { address, session } = await person();
    const { app } = await setUpTotp(service, session);
    const step = await beginSignIn(service, address);
    const other = await beginSignIn(service, address);
    return {
      right: () => completeSignIn(service, step, app.code()),
      wrong: () => completeSignIn(service, other, "BBBB-BBBB-BBBB-BBBB"),
    };
  },
  passkey: async () => {
    const { device, ask } = await passkeyOf(await person());
    const by = async (wrong?: "signature") => {
      const { options, cookies } = await ask("/api/sessions/passkey/options", {});
      const answer = device.get(options, wrong === undefined ? undefined : { signature: "broken" });
      return () => call("POST", "/api/sessions/passkey", { body: { answer }, cookies });
    };
    return { right: await by(), wrong: await by("signature") };
  },
  proof: async () => {
    const { session } = await person();
    const by = (password: string) => () =>
      call("POST", "/api/session/proof", { body: { password }, cookies: asCookie(session) });
    return { right: by(goodPassword), wrong: by("not it at all, not it") };
  },
  "passkey proof": async () => {
    const { device, ask } = await passkeyOf(await person());
    const by = async (wrong?: "signature") => {
      const { options, cookies } = await ask("/api/session/proof/passkey/options");
      const answer = device.get(options, wrong === undefined ? undefined : { signature: "broken" });
      return () => call("POST", "/api/session/proof/passkey", { body: { answer }, cookies });
    };
    return { wrong: await by("signature"), right: await by() };
  },
  "operator link": async () => {
    const { secret } = await makeOperatorLink(service.ground);
    const use = () => call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } });
    return { right: use, wrong: use };
  },
};

describe("one line says how it ended, and of which session, for a", () => {
  test.each(Object.entries(ways))("%s", async (way, make) => {
    const { right, wrong } = await make();
    const good = await logged(right);
    expect(good.lines, good.answer.text).toHaveLength(1);
    expect(good.lines).toMatchObject([
      { way, end: way.includes("proof") ? "proved" : "signed-in", session: await sessionOf(good.answer) },
    ]);
    const bad = await logged(wrong);
    expect(bad.answer.status).toBeGreaterThanOrEqual(400);
    expect(bad.lines).toMatchObject([{ way }]);
    expect(["refused", "wrong-password"]).toContain(bad.lines[0]?.end);
  });
});

test("a wrong try says the same of an address that nobody has, and no address or network stands in it", async () => {
  const { address } = await person();
  const known = await signIn(address, "not it at all, not it");
  const unknown = await signIn("nobody@example.org", "not it at all, not it");
  const shape = ({ lines }: { lines: Line[] }) =>
    lines.map(({ way, end, from, ...rest }) => [way, end, from, Object.keys(rest).toSorted()]);
  expect(known.lines).toHaveLength(1);
  expect(shape(unknown)).toEqual(shape(known));
  const right = await signIn(address, goodPassword);
  expect(said).not.toMatch(/person-|nobody|example|203\.0/);
  // What is equal is marked equal, so that a series of guesses and what came of it can be followed.
  expect(right.lines[0]).toMatchObject({ tried: known.lines[0]?.tried, from: known.lines[0]?.from });
  expect(unknown.lines[0]?.tried).not.toBe(known.lines[0]?.tried);
  const elsewhere = await signIn(address.toUpperCase(), "not it at all, not it", "198.51.100.9");
  expect([
    elsewhere.lines[0]?.tried === known.lines[0]?.tried,
    elsewhere.lines[0]?.from === known.lines[0]?.from,
  ]).toEqual([true, false]);
});

test("somebody who is signed in and asks for what is not theirs is a line, with the route and what is missing", async () => {
  const { session } = await person();
  const cookies = asCookie(session);
  const [own, theirs] = ["/api/account", "/api/operators"];
  said = "";
  expect((await call("GET", own, { cookies })).status).toBe(200);
  expect(said).not.toContain("refused");
  const refused = await call("GET", `${theirs}?of=nobody@example.org`, { cookies });
  expect(refused.status).toBeGreaterThanOrEqual(400);
  const lines = said.split("\n").filter((line) => line.includes('"refused"'));
  const sessionId = (await call("GET", "/api/session", { cookies })).body["sessionId"];
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { msg: "refused", route: theirs, session: sessionId, missing: "operators-only" },
  ]);
  expect(said).not.toContain("nobody@");
});

test("a device that was let in by another one is a line with its session", async () => {
  const { session } = await person();
  const asked = await call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
  const body = { userCode: asked.body["user_code"], decision: "approve" };
  expect((await call("POST", "/api/links/decide", { body, cookies: asCookie(session) })).status).toBe(200);
  const claim = {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: asked.body["device_code"],
    client_id: "houselights-tv",
    use_cookie: true,
  };
  const { answer, lines } = await logged(() => call("POST", "/oauth/token", { body: claim }));
  expect(lines).toMatchObject([{ way: "link", end: "signed-in", session: await sessionOf(answer) }]);
  expect((await logged(() => call("POST", "/oauth/token", { body: claim }))).lines).toEqual([]);
});
