import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, type SecureVersion } from "node:tls";
import { describe, expect, test } from "vitest";
import { buildWeb } from "../src/app-web.ts";
import { sessionCookie } from "../src/http/cookies.ts";
import type { RouteRow } from "../src/http/viewer.ts";
import { codeAlphabet } from "../src/kernel/random.ts";
import { codeLength, codeTries as mailedTries } from "../src/credentials/sign-up.ts";
import { linkLifetimeMs, userCodeLength } from "../src/links/links.ts";
import { codeTries } from "../src/links/routes.ts";
import { newCertificate } from "./certificate.ts";
import { copyOf } from "./copy-search.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/** What every answer of every route must have, and what no route may do; the routes are those of the table. */
const service = await testService();
const { app } = service.web;
const origin = service.ground.config.publicOrigin;
const someId = "00000000-0000-7000-8000-000000000000";
const elsewhere = "elsewhere.example";
const unsafe = new Set(["POST", "PUT", "PATCH", "DELETE"]);
/** A stream of events never ends. */
const routes = app.routeTable.filter(({ url }) => url !== "/api/events");
const pathOf = ({ url }: RouteRow): string => url.replaceAll(/:[a-zA-Z]+/g, someId).replace("*", "x");

interface Got {
  readonly where: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  readonly text: string;
}

async function ask(
  row: RouteRow,
  cookie: string | undefined,
  headers: Readonly<Record<string, string>> = {},
  query = "",
  on: Pick<typeof app, "inject"> = app,
): Promise<Got> {
  const { method, url } = row;
  const answer = await on.inject({
    method: method as "GET",
    url: pathOf(row) + query,
    headers: { accept: "text/html", ...headers },
    ...(cookie === undefined ? {} : { cookies: asCookie(cookie) }),
  });
  return { where: `${method} ${url}`, status: answer.statusCode, headers: answer.headers, text: answer.body };
}

/** Every route, as nobody and as an operator, and some paths that are none. */
async function everyAnswer(headers: Readonly<Record<string, string>> = {}, query = ""): Promise<Got[]> {
  const got: Got[] = [];
  for (const row of routes) {
    got.push(await ask(row, undefined, headers, query));
    // Again for each: signing out is among the routes.
    got.push(await ask(row, await service.operator(), headers, query));
  }
  for (const url of ["/nothing", "/api/nothing", "/%ff", "/.git/config"]) {
    got.push(await ask({ method: "GET", url, access: "anyone" }, undefined, headers, query));
  }
  return got;
}

test("every answer has a strict policy without inline, may not be framed or sniffed, is not cached, and allows no other origin", async () => {
  const got = await everyAnswer({ origin });
  expect(got.length).toBeGreaterThan(150);
  for (const { where, headers, text, status } of got) {
    const policy = String(headers["content-security-policy"]);
    expect([where, policy]).toEqual([where, expect.stringContaining("default-src 'none'")]);
    expect([where, policy]).toEqual([where, expect.stringContaining("frame-ancestors 'none'")]);
    expect([where, policy]).toEqual([where, expect.stringContaining("base-uri 'none'")]);
    expect([where, policy]).not.toEqual([where, expect.stringMatching(/unsafe-|\*|http:|https:/)]);
    expect([where, headers["x-content-type-options"]]).toEqual([where, "nosniff"]);
    expect([where, headers["cross-origin-resource-policy"]]).toEqual([where, "same-origin"]);
    for (const name of ["access-control-allow-origin", "access-control-allow-credentials", "server", "x-powered-by"]) {
      expect([where, name, headers[name]]).toEqual([where, name, undefined]);
    }
    const type = String(headers["content-type"] ?? "");
    if (text !== "") expect([where, type]).not.toEqual([where, ""]);
    if (type.startsWith("text/")) expect([where, type]).toEqual([where, expect.stringContaining("charset=utf-8")]);
    if (type.startsWith("text/html")) {
      expect([where, policy]).toEqual([where, expect.stringContaining("object-src 'none'")]);
      expect([where, headers["cross-origin-opener-policy"]]).toEqual([where, "same-origin"]);
      expect([where, headers["referrer-policy"]]).toEqual([
        where,
        expect.stringMatching(/^(no-referrer|same-origin)$/),
      ]);
      expect([where, text]).not.toEqual([where, expect.stringMatching(/<script(?![^>]*\ssrc=)[^>]*>/i)]);
      expect([where, text]).not.toEqual([
        where,
        expect.stringMatching(/<[^>]+\s(?:on[a-z]+|style)\s*=|<style|javascript:/i),
      ]);
      // No other host is named as a source of anything.
      expect([where, text]).not.toEqual([where, expect.stringMatching(/(?:src|action)="(?:https?:)?\/\//i)]);
    }
    // Public keys are meant to be kept for a while; they say nothing of anybody.
    if (status < 400 && !/^GET \/(assets|favicon|app\.webmanifest|signals\/jwks)|^HEAD/.test(where)) {
      expect([where, headers["cache-control"]]).toEqual([where, expect.stringMatching(/no-store/)]);
    }
  }
}, 120_000);

test("the report, a document with a style of its own, lets in that style and nothing else", async () => {
  const operator = await service.operator();
  const opened = await service.call("POST", "/api/incidents", {
    body: { reason: "a copy is for sale" },
    cookies: asCookie(operator),
  });
  const row: RouteRow = {
    method: "GET",
    url: `/api/incidents/${String(opened.body["id"])}/report`,
    access: "operator",
  };
  const { status, headers, text } = await ask(row, operator);
  expect([status, headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
  const styles = [...text.matchAll(/<style>([^<]*)<\/style>/g)].map(([, style = ""]) =>
    createHash("sha256").update(style).digest("base64"),
  );
  expect(styles).toHaveLength(1);
  expect(String(headers["content-security-policy"]).split("; ").toSorted()).toEqual(
    [
      "base-uri 'none'",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "object-src 'none'",
      `style-src 'sha256-${styles[0]}'`,
    ].toSorted(),
  );
  expect(headers).toMatchObject({
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
  });
  expect(text).not.toMatch(/\sstyle=|<script|\son[a-z]+=/i);
}, 60_000);

test("every cookie is __Host-, Secure, HttpOnly, SameSite=Lax, for the whole site and short, and its value is in no body", async () => {
  await service.account("cookie@example.org", goodPassword);
  const signedIn = await service.call("POST", "/api/sessions", {
    body: { address: "cookie@example.org", password: goodPassword },
  });
  const asked = await service.call("POST", "/api/renewals", { body: { address: "cookie@example.org" } });
  const got = [...(await everyAnswer({ origin })), { where: "sign-in", ...signedIn }, { where: "renewal", ...asked }];
  // A program is answered in the body, a browser by cookies, and a page that claims to be a program learns no cookie's value.
  const jar = new Map<string, string>();
  const session = signedIn.cookies[sessionCookie] ?? "";
  let told = 0;
  for (const token of [false, true]) {
    const asks: readonly (readonly [string, object])[] = [
      ["/api/sessions", { address: "cookie@example.org", password: goodPassword }],
      ["/api/accounts", { address: "another@example.org", password: goodPassword }],
      ["/api/renewals", { address: "cookie@example.org" }],
      ["/api/sessions/passkey/options", {}],
      ["/api/session/proof/passkey/options", {}],
      ["/api/account/passkeys/options", {}],
    ];
    for (const [path, body] of asks) {
      const answer = await service.call("POST", path, {
        body: token ? { ...body, token } : body,
        cookies: { ...Object.fromEntries(jar), [sessionCookie]: session },
      });
      expect([path, token, answer.status < 300]).toEqual([path, token, true]);
      const secret = answer.body["token"] ?? answer.body["browser"];
      if (token && typeof secret === "string") {
        told++;
        expect([path, answer.headers["set-cookie"]]).toEqual([path, undefined]);
      }
      got.push({ where: path, ...answer });
      for (const [name, value] of Object.entries(answer.cookies)) jar.set(name, value);
      for (const value of jar.values()) expect([path, answer.text]).not.toEqual([path, expect.stringContaining(value)]);
    }
  }
  expect(told).toBe(6);
  let seen = 0;
  for (const { where, headers, text } of got) {
    for (const cookie of [(headers as Got["headers"])["set-cookie"] ?? []].flat().map(String)) {
      seen++;
      const value = /^[^=]*=([^;]*)/.exec(cookie)?.[1] ?? "";
      if (value !== "") expect([where, text]).not.toEqual([where, expect.stringContaining(value)]);
      expect([where, cookie]).toEqual([where, expect.stringMatching(/^__Host-[a-z-]+=/)]);
      expect([where, cookie.length < 4_096]).toEqual([where, true]);
      const attributes = cookie
        .split(";")
        .slice(1)
        .map((part) => part.trim().toLowerCase());
      for (const wanted of ["secure", "httponly", "samesite=lax", "path=/"])
        expect([where, attributes]).toEqual([where, expect.arrayContaining([wanted])]);
      expect([where, attributes.filter((part) => part.startsWith("domain"))]).toEqual([where, []]);
    }
  }
  expect(seen).toBeGreaterThan(3);
}, 120_000);

test("no request from another site does anything, on any route that changes something", async () => {
  const changing = routes.filter(({ method }) => unsafe.has(method));
  expect(changing.length).toBeGreaterThan(25);
  const rows = async () => (await copyOf(service.ground.db)).columns.map(({ name, text }) => `${name} ${text.length}`);
  const operator = await service.operator();
  const before = await rows();
  for (const row of changing) {
    for (const headers of [
      { origin: `https://${elsewhere}` },
      { origin: "null" },
      { origin: `${origin}.${elsewhere}` },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ] as Readonly<Record<string, string>>[]) {
      const { where, status } = await ask(row, operator, headers);
      expect([where, headers, status]).toEqual([where, headers, 403]);
    }
  }
  expect(await rows()).toEqual(before);
  // From our own pages the same requests get further.
  for (const row of changing) {
    const { where, text } = await ask(row, await service.operator(), { origin });
    expect([where, text]).not.toEqual([where, expect.stringContaining("another site")]);
  }
}, 120_000);

test("no answer leads to another site, whatever host, forwarding or next page a request names", async () => {
  const headers = { host: elsewhere, "x-forwarded-host": elsewhere, "x-forwarded-proto": "http", origin };
  for (const next of [
    `//${elsewhere}`,
    `https://${elsewhere}/`,
    `/\\${elsewhere}`,
    `/%09/${elsewhere}`,
    `javascript:alert(1)`,
  ]) {
    const query = `?next=${encodeURIComponent(next)}&url=${encodeURIComponent(next)}&redirect_uri=${encodeURIComponent(next)}`;
    for (const row of routes.filter(({ method }) => method === "GET")) {
      for (const cookie of [undefined, await service.operator()]) {
        const got = await ask(row, cookie, headers, query);
        const { location } = got.headers;
        if (location !== undefined) {
          expect([got.where, location]).toEqual([got.where, expect.stringMatching(/^\/(?![/\\])/)]);
        }
        expect([got.where, /(?:href|action|src|content)="[^"]*\/\/elsewhere/.test(got.text)]).toEqual([
          got.where,
          false,
        ]);
      }
    }
  }
}, 120_000);

test("reading changes nothing, on any route", async () => {
  const operator = await service.operator();
  // When a session was last seen, what was refused and how often the keyholder is called is counted by reading; nothing else
  // may change.
  const counted = /^public\.(session|refusal_count|throttle|key_caller)\./;
  const rows = async () => {
    const { columns } = await copyOf(service.ground.db);
    return new Map(columns.filter(({ name }) => !counted.test(name)).map(({ name, text }) => [name, text]));
  };
  const before = await rows();
  for (const row of routes.filter(({ method }) => method === "GET" || method === "HEAD")) await ask(row, operator);
  const after = await rows();
  expect([...after.keys()].filter((name) => after.get(name) !== before.get(name))).toEqual([]);
}, 120_000);

test("what is an operator's is refused to a viewer who has just proved themselves, and what is somebody's to nobody in particular", async () => {
  await service.account("only-a-viewer@example.org", goodPassword);
  const viewer = await service.signIn("only-a-viewer@example.org", goodPassword);
  const json = { origin, accept: "application/json" };
  const judged = app.routeTable.filter(({ access }) => !["anyone", "grant", "receiver"].includes(access));
  const operators = judged.filter(({ access }) => access.includes("operator"));
  expect([judged.length > 60, operators.length > 20]).toEqual([true, true]);
  for (const row of judged) {
    const { where, status, headers } = await ask(row, undefined, json);
    const isSentToSignIn = status === 303 && String(headers["location"]).startsWith("/sign-in?next=");
    expect([where, status === 401 || isSentToSignIn]).toEqual([where, true]);
  }
  for (const row of operators) {
    const { where, status, text } = await ask(row, viewer, json);
    const says = row.method === "HEAD" ? "" : expect.stringContaining('"operators-only"');
    expect([where, status, text]).toEqual([where, 403, says]);
  }
}, 60_000);

test("a method that a path has no route for is not found, whoever asks", async () => {
  const operator = await service.operator();
  const pattern = ({ url }: RouteRow) =>
    new RegExp(
      `^${url
        .replaceAll(/[.]/g, "\\.")
        .replaceAll(/:[a-zA-Z]+/g, "[^/]+")
        .replace("*", ".*")}$`,
    );
  const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
  let refused = 0;
  for (const path of new Set(app.routeTable.map(pathOf))) {
    const taken = new Set(app.routeTable.filter((row) => pattern(row).test(path)).map(({ method }) => method));
    for (const method of methods.filter((one) => !taken.has(one))) {
      const answer = await app.inject({ method, url: path, cookies: asCookie(operator), headers: { origin } });
      expect([method, path, answer.statusCode]).toEqual([method, path, 404]);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(200);
}, 60_000);

test("TRACE and methods of no use are refused; on an https origin every answer asks for https for two years, subdomains too", async () => {
  for (const url of ["/", "/api/session", "/sign-in"]) {
    const answer = await app.inject({ method: "TRACE" as "GET", url });
    expect([url, answer.statusCode >= 400]).toEqual([url, true]);
  }
  const { ground } = service;
  const web = await buildWeb({ ...ground, config: { ...ground.config, publicOrigin: "https://films.example.org" } });
  try {
    for (const row of routes.filter(({ method }) => method !== "HEAD")) {
      const { where, headers } = await ask(row, undefined, {}, "", web.app);
      expect([where, headers["strict-transport-security"]]).toEqual([where, "max-age=63072000; includeSubDomains"]);
    }
  } finally {
    await web.close();
  }
  const plain = await ask({ method: "GET", url: "/sign-in", access: "anyone" }, undefined);
  expect(plain.headers["strict-transport-security"]).toBeUndefined();
}, 60_000);

describe.each(["ec", "rsa"] as const)("with a certificate (%s)", (kind) => {
  const key = { ec: "ECDSA", rsa: "RSA" }[kind];

  test("it speaks TLS 1.2 and 1.3, nothing older, and no HTTP in clear that could lead anybody there", async (context) => {
    const pair = newCertificate("localhost", kind);
    if (pair === undefined) return context.skip("no openssl here");
    const { ground, folder } = service;
    const tls = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
    await writeFile(tls.certFile, pair.cert);
    await writeFile(tls.keyFile, pair.key, { mode: 0o600 });
    const web = await buildWeb({ ...ground, config: { ...ground.config, publicOrigin: "https://localhost", tls } });
    try {
      const port = await web.listen("127.0.0.1", 0);
      /** What both agree on, when this end offers these versions and suites. */
      const agreed = (versions: readonly [SecureVersion, SecureVersion], suites = "DEFAULT") =>
        new Promise<readonly [string, string]>((resolve) => {
          // This end would speak it: OpenSSL's own floor is lowered.
          const ciphers = `${suites}@SECLEVEL=0`;
          const options = { minVersion: versions[0], maxVersion: versions[1], ciphers, ca: pair.cert };
          const socket = connect({ host: "127.0.0.1", port, servername: "localhost", ...options }, () => {
            resolve([socket.getProtocol() ?? "nothing", socket.getCipher().name]);
            socket.destroy();
          });
          socket.once("error", () => resolve(["refused", ""]));
        });
      const speaks = async (version: SecureVersion, suites?: string) => (await agreed([version, version], suites))[0];
      expect([await speaks("TLSv1.2"), await speaks("TLSv1.3")]).toEqual(["TLSv1.2", "TLSv1.3"]);
      expect([await speaks("TLSv1"), await speaks("TLSv1.1")]).toEqual(["refused", "refused"]);
      expect(await agreed(["TLSv1", "TLSv1.3"])).toEqual(["TLSv1.3", "TLS_AES_256_GCM_SHA384"]);
      // Without authenticated encryption, or without forward secrecy; with both, the same key is taken.
      expect(await speaks("TLSv1.2", `ECDHE-${key}-AES128-GCM-SHA256`)).toBe("TLSv1.2");
      expect(await speaks("TLSv1.2", `ECDHE-${key}-AES128-SHA256:ECDHE-${key}-AES256-SHA`)).toBe("refused");
      expect(await speaks("TLSv1.2", "AES256-GCM-SHA384:AES128-GCM-SHA256")).toBe("refused");
      // Whoever asks names the weakest first; what is taken is the strongest.
      const weakestFirst = ["AES128-GCM-SHA256", "CHACHA20-POLY1305", "AES256-GCM-SHA384"];
      const offered = weakestFirst.map((suite) => `ECDHE-${key}-${suite}`).join(":");
      expect(await agreed(["TLSv1.2", "TLSv1.2"], offered)).toEqual(["TLSv1.2", `ECDHE-${key}-AES256-GCM-SHA384`]);
      await expect(fetch(`http://127.0.0.1:${port}/sign-in`, { redirect: "manual" })).rejects.toThrow();
    } finally {
      await web.close();
    }
  });
});

test("signing out clears what the browser kept", async () => {
  await service.account("leaving@example.org", goodPassword);
  const cookie = await service.signIn("leaving@example.org", goodPassword);
  const { body } = await service.call("GET", "/api/session", { cookies: asCookie(cookie) });
  const out = await service.call("DELETE", `/api/sessions/${String(body["sessionId"])}`, { cookies: asCookie(cookie) });
  expect(out.headers["clear-site-data"]).toBe('"cache"');
  expect(out.cookies[sessionCookie]).toBe("");
});

test("a guess at a code is right less than once in 2^30 for the tries that there are", () => {
  const bits = (length: number): number => Math.log2(codeAlphabet.length ** length);
  const windows = Math.ceil(linkLifetimeMs / codeTries.windowMs) + 1;
  expect(bits(userCodeLength) - Math.log2(windows * codeTries.limit)).toBeGreaterThan(30);
  expect(linkLifetimeMs).toBeLessThanOrEqual(10 * 60_000);
  expect(bits(codeLength) - Math.log2(mailedTries)).toBeGreaterThan(40);
});
