import { once } from "node:events";
import { connect } from "node:net";
import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { buildWeb } from "../src/app-web.ts";
import { browserCookie, secretText, sessionCookie } from "../src/http/cookies.ts";
import { dayMs, hourMs, minuteMs, sleep } from "../src/kernel/clock.ts";
import { newLog } from "../src/kernel/log.ts";
import { makeOperatorLink, operatorLinkLifetimeMs } from "../src/sessions/operator-link.ts";
import { asCookie, goodPassword, testService, type Answer, type CallOptions } from "./service.ts";

/** What is sent in bad form, too late, twice or under somebody else's name gets a clear answer, and does nothing. */
const service = await testService();
const { ground, clock } = service;
const port = await service.web.listen("127.0.0.1", 0);
const call: typeof service.call = (...request) => service.call(...request);

const foreignId = "00000000-0000-7000-8000-000000000000";
const freshPassword = "a fresh and longer sentence";

let people = 0;
async function person(): Promise<{ address: string; accountId: string; cookie: string; from: string }> {
  const address = `person-${++people}@example.org`;
  const accountId = await service.account(address, goodPassword);
  return { address, accountId, cookie: await service.signIn(address, goodPassword), from: `10.0.0.${people}` };
}

/** A problem as RFC 9457 has it, with one of our codes and nothing of the inside. */
function expectProblem(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body["code"], text: answer.text }).toEqual({
    status,
    code,
    text: answer.text,
  });
  expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({ type: `/problems/${code}`, status });
  expect(answer.text).not.toMatch(/ {4}at |node_modules|\.ts:|postgres|select |insert /i);
}

/** Bytes on the wire and what comes back, for requests that no client library would send. */
async function raw(sent: string | Uint8Array): Promise<Answer> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.write(typeof sent === "string" ? Buffer.from(sent, "latin1") : sent);
  await Promise.race([once(socket, "close"), once(socket, "end")]);
  socket.destroy();
  const text = Buffer.concat(chunks).toString("latin1");
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const headers = Object.fromEntries(
    head
      .split("\r\n")
      .slice(1)
      .map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  let parsed: Record<string, unknown> = {};
  try {
    parsed = JSON.parse(body) as Record<string, unknown>;
  } catch {
    // No JSON: the assertion shows the text.
  }
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), text: body, body: parsed, headers, cookies: {} };
}

const post = (path: string, body: string | Uint8Array, type = "application/json", extra = ""): Promise<Answer> => {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const head = `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${type}\r\ncontent-length: ${bytes.length}\r\n${extra}\r\n`;
  return raw(Buffer.concat([Buffer.from(head, "latin1"), bytes]));
};
const get = (path: string, extra = ""): Promise<Answer> =>
  raw(Buffer.from(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${extra}\r\n`, "latin1"));

describe("bodies", () => {
  const good = JSON.stringify({ address: "nobody@example.org", password: goodPassword });

  test("one in good form is judged", async () =>
    expectProblem(await post("/api/sessions", good), 401, "sign-in-refused"));

  test.each<[string, string | Buffer]>([
    ["no JSON", "{address"],
    ["nothing", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["a number", "7"],
    ["invalid UTF-8", Buffer.from(good.replace("nobody", "nob\u00ffdy"), "latin1")],
    ["an overlong NUL", Buffer.from(good.replace("nobody", "nob\u00c0\u0080dy"), "latin1")],
    ["a missing field", JSON.stringify({ address: "nobody@example.org" })],
    ["an unknown field", JSON.stringify({ address: "nobody@example.org", password: "x", admin: true })],
    ["a wrong type", JSON.stringify({ address: ["nobody@example.org"], password: "x" })],
    ["a number for a text", JSON.stringify({ address: "nobody@example.org", password: 1234 })],
    ["a text for a choice", JSON.stringify({ address: "nobody@example.org", password: "x", class: "browser" })],
    ["a field too long", JSON.stringify({ address: `${"n".repeat(300)}@example.org`, password: "x" })],
    ["__proto__", `{"__proto__":{"address":"nobody@example.org","password":"x"}}`],
    ["__proto__ beside good fields", good.replace("{", `{"__proto__":{"role":"operator"},`)],
    ["constructor.prototype", good.replace("{", `{"constructor":{"prototype":{"role":"operator"}},`)],
    ["a list 30,000 deep", "[".repeat(30_000) + "]".repeat(30_000)],
    ["objects 10,000 deep", `{"a":`.repeat(10_000) + "1" + "}".repeat(10_000)],
  ])("%s", async (_what, body) => {
    expectProblem(await post("/api/sessions", body), 400, "malformed-request");
    expect(({} as Record<string, unknown>)["role"]).toBeUndefined();
  });

  test("a field given twice: the last one counts, here as in every JSON parser of a browser", async () => {
    const twice = good.replace("{", `{"address":7,`);
    expectProblem(await post("/api/sessions", twice), 401, "sign-in-refused");
  });

  test("too large, with a length and without one", async () => {
    const large = JSON.stringify({ address: "nobody@example.org", password: "x".repeat(70_000) });
    expectProblem(await post("/api/sessions", large), 413, "too-large");
    const page = await post("/sign-in", `password=${"x".repeat(70_000)}`, "application/x-www-form-urlencoded");
    expect([page.status, page.headers["content-type"]]).toEqual([413, "text/html; charset=utf-8"]);
    const chunk = `${(40_000).toString(16)}\r\n${"x".repeat(40_000)}\r\n`;
    const head =
      "POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    expectProblem(await raw(`${head}${chunk}${chunk}0\r\n\r\n`), 413, "too-large");
  });

  test("broken off in the middle: no fault of the database, which nothing asked", async () => {
    const lines: string[] = [];
    const write = (line: unknown, _: unknown, done: () => void) => (lines.push(String(line)), done());
    const web = await buildWeb({ ...ground, log: newLog("web", "debug", new Writable({ write })) }, { everyMs: dayMs });
    try {
      const socket = connect(await web.listen("127.0.0.1", 0), "127.0.0.1");
      socket.write(
        `POST /api/renewals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{"addr`,
      );
      await once(web.app.server, "request");
      socket.destroy();
      const about = () => lines.filter((line) => line.includes("/api/renewals"));
      while (about().length === 0) await sleep(10);
      expect(about()).toEqual([expect.stringContaining("broken off")]);
      expect(about()[0]).toContain('"level":20');
    } finally {
      await web.close();
    }
  });

  test.each(["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/json; charset=utf-16"])(
    "of type %s",
    async (type) => {
      const answer = await post("/api/sessions", good, type);
      // JSON is UTF-8 whatever a charset says (RFC 8259 section 8.1).
      if (type.startsWith("application/json")) return expectProblem(answer, 401, "sign-in-refused");
      expectProblem(answer, 415, "unsupported-media-type");
    },
  );

  test.each([
    ["invalid UTF-8, escaped", "address=nob%ffdy%40example.org&password=x"],
    ["half an escape", "address=nob%4&password=x"],
    ["bytes that are no ASCII", Buffer.from("address=nob\u00ffdy&password=x", "latin1")],
    ["a field twice", "address=a%40example.org&address=b%40example.org&password=x"],
    ["an unknown field", "address=a%40example.org&password=x&role=operator"],
    ["__proto__", "address=a%40example.org&password=x&__proto__=1"],
  ])("a form: %s", async (_what, body) => {
    const answer = await post("/sign-in", body, "application/x-www-form-urlencoded");
    expect([answer.status, answer.headers["content-type"]]).toEqual([400, "text/html; charset=utf-8"]);
    expect(answer.text).not.toContain("nob");
  });

  test.each([
    ["reason", "/api/incidents", { reason: "a\u0000b" }],
    ["an instant", "/api/incidents", { reason: "x", foundAt: "yesterday" }],
    ["an instant of no calendar", "/api/incidents", { reason: "x", copiedAt: "2026-02-31T99:00:00Z" }],
    ["an instant of no century", "/api/incidents", { reason: "x", copiedAt: "+275760-01-01T00:00:00Z" }],
  ])("what the database cannot hold: %s", async (_what, path, body) => {
    const operator = await service.operator();
    const answer = await call("POST", path, { body, cookies: asCookie(operator) });
    expect([answer.status, answer.body["code"]]).toEqual([
      400,
      "reason" in body && body.reason.includes("\u0000") ? "text-refused" : "malformed-request",
    ]);
  });
});

test("instants of a case that do not fit together are refused by name; those that do open it", async () => {
  const cookies = asCookie(await service.operator());
  const at = (ms: number) => new Date(clock.now() + ms).toISOString();
  const open = (instants: object) => call("POST", "/api/incidents", { body: { reason: "x", ...instants }, cookies });
  for (const [field, instants] of [
    ["body.copiedAt", { copiedAt: at(1) }],
    ["body.copiedAt", { copiedAt: at(-hourMs + 1), foundAt: at(-hourMs) }],
    ["body.foundAt", { foundAt: at(hourMs) }],
    ["body.foundAt", { copiedAt: at(-hourMs), foundAt: at(365 * dayMs) }],
  ] as const) {
    const refused = await open(instants);
    expectProblem(refused, 400, "malformed-request");
    expect(refused.body["fields"]).toEqual([{ field, rule: expect.stringMatching(/^is not /) }]);
  }
  expect((await open({ copiedAt: at(-hourMs), foundAt: at(-hourMs) })).status).toBe(201);
});

test("a day of no calendar is none, and is not taken for another; the 29th of February is one every four years", async () => {
  const cookies = asCookie(await service.operator());
  const copiedOn = (day: string) =>
    call("POST", "/api/incidents", { body: { reason: "x", copiedAt: `${day}T09:00:00Z` }, cookies });
  for (const day of ["2026-02-30", "2026-02-29", "1900-02-29", "2026-04-31", "2026-13-01", "2026-01-00"]) {
    const answer = await copiedOn(day);
    expectProblem(answer, 400, "malformed-request");
    expect([day, answer.body["fields"]]).toMatchObject([day, [{ field: "body.copiedAt" }]]);
  }
  for (const day of ["2024-02-29", "2000-02-29", "2026-01-31"]) expect((await copiedOn(day)).status).not.toBe(400);
});

describe("a header that there is one of", () => {
  const token = async () => {
    const { address } = await person();
    const body = { address, password: goodPassword, token: true, class: "app" };
    return String((await service.call("POST", "/api/sessions", { body })).body["token"]);
  };

  test("opens what it opens once, and is refused twice, in whatever case and whichever comes first", async () => {
    const own = `authorization: Bearer ${await token()}\r\n`;
    const other = `Authorization: Bearer ${await token()}\r\n`;
    expect((await get("/api/session", own)).status).toBe(200);
    expect((await get("/api/session", other)).status).toBe(200);
    for (const twice of [own + other, other + own, own + own, "HOST: x\r\n", "Host: elsewhere.example\r\n"]) {
      expectProblem(await get("/api/session", (twice.startsWith("H") ? own : "") + twice), 400, "malformed-request");
    }
  });

  test("is refused twice on pages and on the way to one, which are pages then", async () => {
    expect((await get("/sign-in")).status).toBe(200);
    for (const path of ["/sign-in", "/account", "/assets/x", "/nowhere", "/metrics", "/healthz"]) {
      expect((await get(path, "host: elsewhere.example\r\n")).status, path).toBe(400);
    }
  });

  test("is refused twice with a body of two types", async () => {
    const body = JSON.stringify({ address: "nobody@example.org", password: goodPassword });
    expectProblem(await post("/api/sessions", body), 401, "sign-in-refused");
    const types = "Content-Type: text/plain\r\n";
    expectProblem(await post("/api/sessions", body, undefined, types), 400, "malformed-request");
  });

  test("are two hundred at most: what comes after two thousand would be left out in silence", async () => {
    const some = (count: number) => Array.from({ length: count }, (_, n) => `a${n}: 1\r\n`).join("");
    expectProblem(await get("/api/session", some(198)), 401, "not-signed-in");
    expectProblem(await get("/api/session", some(199)), 431, "headers-too-large");
    expectProblem(await get("/api/session", `${"a:1\r\n".repeat(2_000)}host: y\r\n`), 431, "headers-too-large");
  });

  test("whoever sends a request byte by byte has half a minute for all of it", () => {
    // Node waits for a body for the longer of the two; what it does then is its own.
    const { headersTimeout, requestTimeout } = service.web.app.server;
    expect([headersTimeout, requestTimeout]).toEqual([20_000, 30_000]);
  });

  test("what cannot be read gets no second answer behind one that is on its way", async () => {
    const post =
      "POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    const answers = async (sent: string) => (await raw(sent)).text.match(/HTTP\/1\.1/g)?.length ?? 0;
    // One after the other there are two: the first `raw` takes off, the second is counted.
    const get = "GET /api/session HTTP/1.1\r\nhost: x\r\n\r\n";
    expect(await answers(`${get}${get.replace("host: x", "host: x\r\nconnection: close")}`)).toBe(1);
    expect(await answers(`${post.replace("chunked", "identity")}{}`)).toBe(0);
    expect(await answers(`${post.replace("host: x", "host: x\r\nhost: y")}0x2\r\n{}\r\n0\r\n\r\n`)).toBe(0);
  });

  test("an expectation that nobody can meet is answered like any request", async () => {
    const answer = await get("/api/session", "expect: something\r\n");
    expectProblem(answer, 401, "not-signed-in");
    expect(answer.headers).toMatchObject({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
  });

  test("others may come twice, as a proxy may make of one that was too long", async () => {
    const headers = "accept: text/html\r\naccept: */*\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2\r\n";
    expectProblem(await get("/api/session", headers), 401, "not-signed-in");
  });
});

describe("addresses and headers", () => {
  test.each([
    ["/api/titles/%ff"],
    ["/%"],
    ["/%c0%ae%c0%ae/etc/passwd"],
    ["/media/%ff/x"],
    ["/notice/%E0%A4%A"],
    ["/api/titles?search=%ff"],
    ["/api/titles?search=%4"],
    ["/api/titles?%80=1"],
  ])("%s is no UTF-8", async (path) => {
    const answer = await get(path);
    expectProblem(answer, 400, "malformed-request");
    expect(answer.text).not.toContain("%");
  });

  test.each([
    "/assets/..%2f..%2f..%2fpackage.json",
    "/assets/..%5c..%5cpackage.json",
    "/assets/%2e%2e%2f%2e%2e%2fpackage.json",
    "/assets/%252e%252e%252f%252e%252e%252fpackage.json",
    "/assets/../../package.json",
    "/assets/%00",
    "/assets/.vite%2fmanifest.json",
    "/assets//etc/passwd",
    "/../../etc/passwd",
    "//etc/passwd",
    "/web/src/main.tsx",
    "/.env",
    "/data/keys/wrap.json",
    "/api/titles/..%2f..%2fetc/poster",
    "/api/incidents/../../etc",
  ])("%s leads nowhere", async (path) => {
    const answer = await get(path);
    expect([400, 401, 403, 404]).toContain(answer.status);
    expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
    expect(answer.text).not.toMatch(/root:|"dependencies"|etc\/passwd/);
  });

  test("headers larger than they may be", async () => {
    const answer = await get("/api/session", `cookie: ${sessionCookie}=${"x".repeat(20_000)}\r\n`);
    expectProblem(answer, 431, "headers-too-large");
    const many = Array.from({ length: 3_000 }, (_, n) => `x-${n}: 1\r\n`).join("");
    expect((await get("/api/session", many)).status).toBeGreaterThanOrEqual(400);
    // The service is well afterwards.
    expectProblem(await get("/api/session"), 401, "not-signed-in");
  });

  test.each([
    ["a long cookie", `cookie: ${sessionCookie}=${"x".repeat(8_000)}\r\n`],
    ["200 cookies", `cookie: ${Array.from({ length: 200 }, (_, n) => `c${n}=${n}`).join("; ")}\r\n`],
    ["a cookie of bytes", `cookie: ${sessionCookie}=\u00ff\u00fe%ff; =; ;;\r\n`],
    ["two session cookies", `cookie: ${sessionCookie}=a; ${sessionCookie}=b\r\n`],
    ["a bearer of bytes", `authorization: Bearer \u00ff\u00fe\r\n`],
    ["another scheme", `authorization: Basic YTpi\r\n`],
  ])("%s opens nothing", async (_what, header) =>
    expectProblem(await get("/api/session", header), 401, "not-signed-in"),
  );

  test.each([
    ["no HTTP at all", "hello\r\n\r\n"],
    ["another version", "GET / HTTP/9.9\r\nhost: x\r\n\r\n"],
    ["a method of no use", "BREW / HTTP/1.1\r\nhost: x\r\n\r\n"],
    ["two lengths", "POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
    [
      "length and chunks",
      "POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a line break in a header", "GET /api/session HTTP/1.1\r\nhost: x\r\nx-y: a\nb\r\n\r\n"],
    ["no host", "GET /api/session HTTP/1.1\r\nconnection: close\r\n\r\n"],
    ["a space before a colon", "GET /api/session HTTP/1.1\r\nhost: x\r\ncontent-length : 0\r\n\r\n"],
    ["a folded header", "GET /api/session HTTP/1.1\r\nhost: x\r\nx-y: a\r\n b\r\n\r\n"],
    ["a length with a sign", "POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: +2\r\n\r\n{}"],
    ["a length of two", "POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 2, 2\r\n\r\n{}"],
    [
      "chunks under a false name",
      "POST /api/sessions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    ],
    [
      "chunks that are not the last coding",
      "POST /api/sessions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ],
    [
      "a chunk whose size is none",
      "POST /api/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    ],
    [
      "chunks under another coding",
      "POST /api/sessions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: identity\r\n\r\n",
    ],
    ["a tunnel", "CONNECT elsewhere.example:443 HTTP/1.1\r\nhost: elsewhere.example:443\r\n\r\n"],
  ])("on the wire: %s", async (_what, bytes) => {
    const answer = await raw(bytes);
    expectProblem(answer, 400, "malformed-request");
    // What no hook has seen has the headers of every answer all the same.
    expect(answer.headers).toMatchObject({
      "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-store",
      "content-length": String(Buffer.byteLength(answer.text, "latin1")),
    });
  });
});

test("who asks for a tunnel and hangs up before the answer takes nobody else along", async () => {
  const hangUp = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write("CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n", () => socket.resetAndDestroy());
      });
      socket.on("error", () => undefined).on("close", () => resolve());
    });
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 20 }, hangUp));
  expect((await call("GET", "/api/session")).status).toBe(401);
});

/** One person on the screen and 25 bytes: as many as a form takes are above what the keyholder indexes. */
const family = "\u{1F469}\u200D\u{1F469}\u200D\u{1F467}\u200D\u{1F466}";
test.each([3, 20, 40, 110])("an address of %i families is asked for like any other", async (count) => {
  const body = new URLSearchParams({ address: family.repeat(count) }).toString();
  const answer = await post("/renew", body, "application/x-www-form-urlencoded");
  expect([answer.status, answer.headers["location"]]).toEqual([303, "/renew/code"]);
});

describe("ids", () => {
  const idRoutes = service.web.app.routeTable.filter(
    ({ url, method, access }) =>
      url.includes(":id") &&
      method !== "HEAD" &&
      access !== "grant" &&
      access !== "receiver" &&
      !/^\/(title|watch|console)/.test(url),
  );

  test("every route with an id is walked", () => expect(idRoutes.length).toBeGreaterThan(10));

  test.each(idRoutes.map(({ method, url }) => [method, url]))(
    "%s %s: one of nobody's, and one that is none",
    async (method, url) => {
      const operator = await service.operator();
      const bodies: Readonly<Record<string, object>> = {
        contain: { dryRun: true },
        notify: { action: "plan" },
        "way-in": { what: "a hole", closedAt: "2026-11-22T20:00:00.000Z", evidence: "closed" },
        review: { item: "passwords", state: "done" },
        progress: { positionSeconds: 1, durationSeconds: 2 },
        "passkeys/:id": { name: "The blue key" },
      };
      const parts = url.split("/");
      const body = bodies[parts.at(-1) ?? ""] ?? bodies[parts.slice(-2).join("/")] ?? {};
      const ask = (id: string): Promise<Answer> =>
        call(method as "GET", url.replace(":id", id).replaceAll(/:[a-zA-Z]+/g, foreignId), {
          cookies: asCookie(operator),
          ...(method === "GET" || method === "DELETE" ? {} : { body }),
        });
      const foreign = await ask(foreignId);
      expect([404, 409]).toContain(foreign.status);
      expect(["not-found", "wrong-state", "cannot-close"]).toContain(foreign.body["code"]);
      for (const id of [
        "x",
        "..",
        "%2e%2e%2f",
        "1 or 1=1",
        `${foreignId}0`,
        foreignId.toUpperCase().replace("8", "Z"),
        "%00",
        "'",
      ]) {
        const none = await ask(encodeURI(id));
        expect([400, 404], `${id} ${none.text}`).toContain(none.status);
        expect(none.headers["content-type"]).toMatch(/^application\/problem\+json/);
      }
    },
  );

  test("another account's session is not found, and lives on", async () => {
    const [ada, eve] = [await person(), await person()];
    const session = (await call("GET", "/api/session", { cookies: asCookie(ada.cookie) })).body["sessionId"];
    expectProblem(
      await call("DELETE", `/api/sessions/${String(session)}`, { cookies: asCookie(eve.cookie) }),
      404,
      "not-found",
    );
    expect((await call("GET", "/api/session", { cookies: asCookie(ada.cookie) })).status).toBe(200);
    expect((await call("DELETE", `/api/sessions/${String(session)}`, { cookies: asCookie(ada.cookie) })).status).toBe(
      200,
    );
    // Ended once, gone for good.
    expectProblem(
      await call("DELETE", `/api/sessions/${String(session)}`, { cookies: asCookie(ada.cookie) }),
      401,
      "not-signed-in",
    );
  });
});

/** A code that was mailed, and how it is redeemed. `good` says what the answer of the first time is. */
interface Mailed {
  readonly code: string;
  readonly good: number;
  readonly redeem: (code: string) => Promise<Answer>;
}

async function newest(to: string): Promise<string> {
  return (await service.letters()).find((letter) => letter.to === to)?.code ?? "";
}

const mailed: Readonly<Record<string, () => Promise<Mailed>>> = {
  "sign-up": async () => {
    const address = `new-${++people}@example.org`;
    const asked = await call("POST", "/api/accounts", {
      body: { address, password: goodPassword },
      from: `10.1.0.${people}`,
    });
    const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
    const redeem = (code: string) => call("POST", "/api/accounts/confirm", { body: { code }, cookies });
    return { code: await newest(address), good: 201, redeem };
  },
  renewal: async () => {
    const { address, from } = await person();
    const asked = await call("POST", "/api/renewals", { body: { address }, from });
    const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
    const redeem = (code: string) =>
      call("POST", "/api/renewals/complete", { body: { code, password: freshPassword }, cookies });
    return { code: await newest(address), good: 200, redeem };
  },
  "address claim": async () => {
    const { cookie } = await person();
    const address = `second-${people}@example.org`;
    const asked = await call("POST", "/api/account/addresses", { body: { address }, cookies: asCookie(cookie) });
    expect(asked.status, asked.text).toBe(202);
    const redeem = (code: string) =>
      call("POST", "/api/account/addresses/confirm", { body: { code }, cookies: asCookie(cookie) });
    return { code: await newest(address), good: 200, redeem };
  },
};
const wrongCode = "BCDFGHJKLM";

describe.each(Object.keys(mailed))("a mailed code for %s", (kind) => {
  const make = (): Promise<Mailed> => {
    const found = mailed[kind];
    if (found === undefined) throw new Error("unreachable");
    return found();
  };

  test("works once", async () => {
    const { code, good, redeem } = await make();
    expect((await redeem(code.toLowerCase().replace(/(.{5})/, "$1 - "))).status).toBe(good);
    expectProblem(await redeem(code), 400, "code-refused");
  });

  test("works after four wrong ones, and never after five", async () => {
    const [four, five] = [await make(), await make()];
    for (let tries = 0; tries < 4; tries++) expectProblem(await four.redeem(wrongCode), 400, "code-refused");
    expect((await four.redeem(four.code)).status).toBe(four.good);
    for (let tries = 0; tries < 5; tries++) expectProblem(await five.redeem(wrongCode), 400, "code-refused");
    expectProblem(await five.redeem(five.code), 400, "code-refused");
    expectProblem(await five.redeem(five.code), 400, "code-refused");
  });

  test("raced by ten at once, is redeemed once", async () => {
    const { code, good, redeem } = await make();
    const answers = await Promise.all(Array.from({ length: 10 }, () => redeem(code)));
    expect(answers.filter(({ status }) => status === good)).toHaveLength(1);
  });
});

test("a mailed code is over after a day; one that was used stays used when the clock jumps back", async () => {
  const started = clock.now();
  const [late, used, kept] = await Promise.all([mailed["sign-up"]!(), mailed["sign-up"]!(), mailed["sign-up"]!()]);
  expect((await used.redeem(used.code)).status).toBe(201);
  clock.advance(dayMs + minuteMs);
  expectProblem(await late.redeem(late.code), 400, "code-refused");
  clock.set(started - hourMs);
  expectProblem(await used.redeem(used.code), 400, "code-refused");
  expect((await kept.redeem(kept.code)).status).toBe(201);
  clock.set(started);
});

describe("a link", () => {
  const ask = async (from: string) => {
    const { body } = await call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" }, from });
    return { userCode: String(body["user_code"]), deviceCode: String(body["device_code"]) };
  };
  const decide = (cookie: string, userCode: string) =>
    call("POST", "/api/links/decide", { body: { userCode, decision: "approve" }, cookies: asCookie(cookie) });
  const claim = (deviceCode: string) =>
    call("POST", "/oauth/token", {
      body: {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: deviceCode,
        client_id: "houselights-tv",
      },
    });

  test("is approved once and claimed once", async () => {
    const { cookie } = await person();
    const { userCode, deviceCode } = await ask("10.2.0.1");
    expect((await decide(cookie, userCode)).status).toBe(200);
    expectProblem(await decide(cookie, userCode), 400, "link-refused");
    const answers = await Promise.all(Array.from({ length: 8 }, () => claim(deviceCode)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await claim(deviceCode)).body).toEqual({ error: "expired_token" });
  });

  test("is claimed by the device grant and by no other, which leaves it as it was", async () => {
    const { cookie } = await person();
    const { userCode, deviceCode } = await ask("10.2.0.4");
    expect((await decide(cookie, userCode)).status).toBe(200);
    for (const grant of ["password", "authorization_code", "client_credentials", "refresh_token", "token", ""]) {
      const body = { grant_type: grant, device_code: deviceCode, client_id: "houselights-tv" };
      const { status, body: said } = await call("POST", "/oauth/token", { body });
      expect([grant, status, said]).toEqual([grant, 400, { error: "unsupported_grant_type" }]);
    }
    expect((await claim(deviceCode)).status).toBe(200);
  });

  test("that nobody approved in time is over, and so is one that was not claimed in time", async () => {
    const { cookie } = await person();
    const [waiting, approved] = [await ask("10.2.0.2"), await ask("10.2.0.2")];
    expect((await decide(cookie, approved.userCode)).status).toBe(200);
    clock.advance(hourMs);
    expectProblem(await decide(cookie, waiting.userCode), 400, "link-refused");
    expect((await claim(approved.deviceCode)).body).toEqual({ error: "expired_token" });
  });

  test("code that is wrong may be tried ten times in ten minutes, then 429 says when to come back", async () => {
    const { cookie } = await person();
    for (let tries = 0; tries < 10; tries++) expectProblem(await decide(cookie, "BBBB-BBBB"), 400, "link-refused");
    const refused = await decide(cookie, "BBBB-BBBB");
    expectProblem(refused, 429, "too-many");
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    clock.advance(10 * minuteMs);
    expectProblem(await decide(cookie, "BBBB-BBBB"), 400, "link-refused");
  });
});

describe("an operator's link", () => {
  const use = (secret: string) => call("POST", "/api/operator-sessions", { body: { secret } });
  const make = async (): Promise<string> => secretText((await makeOperatorLink(ground)).secret);

  test("opens once, whoever is first", async () => {
    const secret = await make();
    const answers = await Promise.all(Array.from({ length: 6 }, () => use(secret)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expectProblem(await use(secret), 400, "link-refused");
  });

  test("is over after ten minutes; no other secret opens", async () => {
    const secret = await make();
    expectProblem(await use("A".repeat(43)), 400, "link-refused");
    expectProblem(await use(`${secret}A`), 400, "link-refused");
    clock.advance(operatorLinkLifetimeMs + 1);
    expectProblem(await use(secret), 400, "link-refused");
    expect((await use(await make())).status).toBe(201);
  });
});

describe("the clock jumps", () => {
  test("back: a session made before still works, and its proof does not last the longer for it", async () => {
    const operator = await service.operator();
    const fresh: CallOptions = { body: { address: "nobody-at-all@example.org" }, cookies: asCookie(operator) };
    const started = clock.now();
    expectProblem(await call("POST", "/api/operators", fresh), 404, "not-found");
    clock.set(started - 3 * dayMs);
    expect((await call("GET", "/api/session", { cookies: asCookie(operator) })).status).toBe(200);
    expectProblem(await call("POST", "/api/operators", fresh), 403, "second-factor-required");
    const ada = await person();
    expect((await call("GET", "/api/session", { cookies: asCookie(ada.cookie) })).status).toBe(200);
    clock.set(started);
    expect((await call("GET", "/api/session", { cookies: asCookie(ada.cookie) })).status).toBe(200);
    expect((await call("GET", "/api/account", { cookies: asCookie(ada.cookie) })).status).toBe(200);
  });

  test("forward: what is over is over; what was signed out stays so when it jumps back", async () => {
    const [ada, bob] = [await person(), await person()];
    const started = clock.now();
    expect((await call("DELETE", "/api/sessions?except=current", { cookies: asCookie(ada.cookie) })).status).toBe(200);
    const other = await service.signIn(bob.address, goodPassword);
    expect((await call("DELETE", "/api/sessions?except=current", { cookies: asCookie(bob.cookie) })).status).toBe(200);
    clock.advance(500 * dayMs);
    for (const cookie of [ada.cookie, bob.cookie]) {
      expectProblem(await call("GET", "/api/session", { cookies: asCookie(cookie) }), 401, "not-signed-in");
    }
    // Signing in works whatever the year is.
    expect(
      (await call("POST", "/api/sessions", { body: { address: ada.address, password: goodPassword } })).status,
    ).toBe(201);
    clock.set(started - dayMs);
    expectProblem(await call("GET", "/api/session", { cookies: asCookie(other) }), 401, "not-signed-in");
    expect(
      (await call("POST", "/api/sessions", { body: { address: ada.address, password: goodPassword } })).status,
    ).toBe(201);
    clock.set(started);
  });
});
