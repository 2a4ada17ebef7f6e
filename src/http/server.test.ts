import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { roomServer } from "../../test/room-server.ts";
import { aViewer } from "../../test/viewers-fixture.ts";
import { plus, systemClock } from "../kernel/clock.ts";
import { newLog } from "../kernel/log.ts";
import { sessionCookie } from "./cookies.ts";
import { refuse } from "./problem.ts";
import { freshProofMs } from "./viewer.ts";

const now = systemClock.now();
const viewer = aViewer(now, { provedAt: plus(now, -2 * freshProofMs) });

const lines: Record<string, unknown>[] = [];
const counted: unknown[][] = [];
const app = roomServer(
  (presented) => Promise.resolve("token" in presented && presented.token.revealText() === "good" ? viewer : null),
  {
    log: newLog("web", "debug", { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) }),
    finished: (method, route, status) => void counted.push([method, route, status]),
  },
);
app.get("/page", { config: { access: "anyone", page: true } }, () => "a page");
app.get("/data", { config: { access: "anyone" } }, () => "data");
app.get("/thing/:id", { config: { access: "anyone" } }, () => "a thing");
app.get("/mine/:id", { config: { access: "fresh viewer" } }, () => "mine");
app.get("/operators/:id", { config: { access: "operator" } }, () => "theirs");
app.get("/away", { config: { access: "anyone" } }, (_request, reply) => refuse(reply, "busy"));
afterAll(() => app.close());
beforeEach(() => {
  lines.length = 0;
  counted.length = 0;
});
const signedIn = { cookie: `${sessionCookie}=good` };

describe("a route", () => {
  test("that does not say who may call it is none: the server does not start", () => {
    const own = roomServer(() => Promise.resolve(null));
    const answer = (): string => "";
    expect(() => own.get("/unsaid", answer)).toThrow("GET /unsaid does not name its access");
    expect(() => own.post("/unsaid", { config: { page: true } }, answer)).toThrow("does not name its access");
    own.get("/said", { config: { access: "viewer" } }, answer);
    expect(own.routeTable).toContainEqual({ method: "GET", url: "/said", access: "viewer" });
  });

  test("that does something takes more than the access to read as an operator", () => {
    const own = roomServer(() => Promise.resolve(null));
    const answer = (): string => "";
    own.get("/read", { config: { access: "operator" } }, answer);
    own.post("/act", { config: { access: "operator act" } }, answer);
    for (const method of ["POST", "PUT", "PATCH", "DELETE"] as const) {
      const route = { method, url: "/act-by-reading", config: { access: "operator" }, handler: answer } as const;
      expect(() => own.route(route)).toThrow("its access is for reading");
    }
  });
});

describe("a session cookie that opens nothing", () => {
  const setBy = async (url: string, headers: Readonly<Record<string, string>>) => {
    const answer = await app.inject({ url, headers });
    expect(answer.statusCode).toBe(200);
    return answer.headers["set-cookie"];
  };
  const old = { cookie: `${sessionCookie}=old` };

  test("is taken back with a page, and one that opens something is not", async () => {
    expect(await setBy("/page", old)).toEqual([expect.stringMatching(`^${sessionCookie}=; Max-Age=0;`)]);
    expect(await setBy("/page", signedIn)).toBeUndefined();
    expect(await setBy("/page", {})).toBeUndefined();
  });

  test("is left alone with data, whose answer may come after the one that brings a new token, and beside a program's token", async () => {
    expect(await setBy("/data", old)).toBeUndefined();
    expect(await setBy("/page", { ...old, authorization: "Bearer old" })).toBeUndefined();
  });
});

describe("the log", () => {
  test("says who was refused what, by the route and the session, and never by what was asked for", async () => {
    expect((await app.inject({ url: "/mine/film-of-mine", headers: signedIn })).statusCode).toBe(403);
    expect((await app.inject({ url: "/operators/film-of-mine", headers: signedIn })).statusCode).toBe(403);
    expect((await app.inject({ url: "/operators/film-of-mine" })).statusCode).toBe(401);
    const refused = lines.filter(({ msg }) => msg === "refused");
    expect(refused).toMatchObject([
      { level: 30, method: "GET", route: "/mine/:id", session: viewer.sessionId, missing: "proof-needed" },
      { level: 30, method: "GET", route: "/operators/:id", session: viewer.sessionId, missing: "operators-only" },
    ]);
    expect(JSON.stringify(lines)).not.toContain("film-of-mine");
  });

  test("and the metrics name an answer by its route, one of no route by none, and warn of failures alone", async () => {
    for (const url of ["/thing/film-of-mine", "/away", "/film-of-mine"]) await app.inject({ url });
    expect(counted).toEqual([
      ["GET", "/thing/:id", 200],
      ["GET", "/away", 503],
      ["GET", "unknown", 404],
    ]);
    const answered = lines.filter(({ msg }) => msg === "request");
    expect(answered).toMatchObject([
      { level: 20, route: "/thing/:id", status: 200 },
      { level: 40, route: "/away", status: 503 },
      { level: 20, route: "unknown", status: 404 },
    ]);
    expect(JSON.stringify(lines)).not.toContain("film-of-mine");
  });
});

test("a part of a path that is longer than any that leads somewhere is refused, with the headers of every answer", async () => {
  expect((await app.inject({ url: `/thing/${"x".repeat(2_000)}` })).statusCode).toBe(200);
  const { statusCode, headers, body } = await app.inject({ url: `/thing/${"x".repeat(2_001)}` });
  expect([statusCode, JSON.parse(body)]).toMatchObject([400, { code: "malformed-request" }]);
  expect(headers).toMatchObject({
    "content-security-policy": expect.stringContaining("default-src 'none'") as unknown,
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  });
});
