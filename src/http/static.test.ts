import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { roomServer } from "../../test/room-server.ts";
import { aViewer } from "../../test/viewers-fixture.ts";
import { dayMs, systemClock } from "../kernel/clock.ts";
import type { PageFrame } from "./page.ts";
import { readBuiltPages, staticRoutes } from "./static.ts";

const viewer = aViewer(systemClock.now());

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-static-"));
  await mkdir(join(folder, ".vite"));
  await mkdir(join(folder, "assets"));
  await writeFile(
    join(folder, "index.html"),
    '<!doctype html>\n<html lang="en">\n  <head>\n    <title>the application</title>\n  </head>\n</html>',
  );
  await writeFile(join(folder, "assets/plain-abc.js"), "export {};");
  await writeFile(join(folder, "assets/.hidden"), "no part of the application");
  const manifest = {
    "index.html": { file: "assets/app-abc.js" },
    "plain/plain.ts": { file: "assets/plain-abc.js", css: ["assets/plain-abc.css"] },
    "style/icon.svg": { file: "assets/icon-abc.svg" },
    "text/de.ts": { file: "assets/de-abc.js" },
  };
  await writeFile(join(folder, ".vite/manifest.json"), JSON.stringify(manifest));
});
afterAll(() => rm(folder, { recursive: true }));

async function server(contact: string | null = null) {
  const built = readBuiltPages(folder);
  const frame: PageFrame = { assets: built?.assets ?? null, serviceName: "Houselights", contactAddress: null };
  const app = roomServer(() => Promise.resolve(viewer), { publicOrigin: "http://127.0.0.1:8400", pageFrame: frame });
  const security = { contact, policy: "https://films.example/holes", languages: ["en", "de"] };
  staticRoutes(app, { clock: systemClock, frame, built, publicOrigin: "http://127.0.0.1:8400", security });
  await app.ready();
  return app;
}
const signedIn = { cookie: "__Host-houselights=x" };

test("each route of the application answers its document, to viewers only where it is theirs", async () => {
  const app = await server();
  for (const url of [
    "/",
    "/title/1",
    "/watch/1",
    "/account",
    "/console",
    "/console/incident/1",
    "/console/copy",
    "/mailbox",
  ]) {
    expect((await app.inject({ url, headers: signedIn })).body, url).toContain("the application");
    const out = await app.inject({ url });
    expect([out.statusCode, out.headers.location], url).toEqual([303, `/sign-in?next=${encodeURIComponent(url)}`]);
  }
  for (const url of ["/tv", "/operate"]) expect((await app.inject({ url })).body, url).toContain("the application");
});

test("the application's document is in the language that the browser asks for, and names its words to be fetched at once", async () => {
  const app = await server();
  const answered = async (language: string) =>
    (await app.inject({ url: "/tv", headers: { "accept-language": language } })).body;
  const german = await answered("de-AT,en;q=0.5");
  expect(german).toContain('<html lang="de">');
  expect(german).toContain('<link rel="modulepreload" crossorigin href="/assets/de-abc.js">');
  for (const language of ["en-GB", "sv", "ja"]) {
    const body = await answered(language);
    expect(body, language).toContain('<html lang="en">');
    expect(body, language).not.toContain("modulepreload");
  }
});

test("a path that is nothing is a page for a person and a problem for a program", async () => {
  const app = await server();
  const person = await app.inject({ url: "/nothing", headers: { accept: "text/html,*/*" } });
  expect([person.statusCode, person.headers["content-type"]]).toEqual([404, "text/html; charset=utf-8"]);
  const program = await app.inject({ url: "/nothing" });
  expect([program.statusCode, program.headers["content-type"]]).toEqual([404, "application/problem+json"]);
  // A path with two slashes names another host when a browser follows it: it is not offered as a link.
  const trick = await app.inject({ url: "//evil.example/", headers: { accept: "text/html" } });
  expect(trick.body).not.toContain('href="//evil.example');
});

test("security.txt is there only where there is somebody to write to", async () => {
  expect((await (await server()).inject({ url: "/.well-known/security.txt" })).statusCode).toBe(404);
  const named = await (await server("mailto:help@example.org")).inject({ url: "/.well-known/security.txt" });
  expect([named.statusCode, named.headers["content-type"]]).toEqual([200, "text/plain; charset=utf-8"]);
  // RFC 9116 section 2: each field on a line of its own; Expires once and less than a year ahead.
  const fields = named.body
    .trimEnd()
    .split("\n")
    .map((line) => line.split(": "));
  const { Expires, ...rest } = Object.fromEntries(fields) as Record<string, string>;
  expect(rest).toEqual({
    Contact: "mailto:help@example.org",
    Policy: "https://films.example/holes",
    "Preferred-Languages": "en, de",
    Canonical: "http://127.0.0.1:8400/.well-known/security.txt",
  });
  expect(fields).toHaveLength(5);
  const ahead = Date.parse(Expires ?? "") - systemClock.now();
  expect(ahead).toBeGreaterThan(30 * dayMs);
  expect(ahead).toBeLessThan(365 * dayMs);
});

test("only files of the build are served; icon and manifest are found where browsers look", async () => {
  const app = await server();
  expect((await app.inject({ url: "/assets/plain-abc.js" })).statusCode).toBe(200);
  for (const url of ["/assets", "/assets/", "/assets/.", "/.vite/", "/.git/", "/.git/config"]) {
    const { statusCode, body } = await app.inject({ url });
    expect([url, statusCode]).toEqual([url, 404]);
    // No list of what lies there either.
    expect([url, body]).not.toEqual([url, expect.stringContaining("plain-abc")]);
  }
  for (const url of ["/assets/other.js", "/assets/.hidden", "/assets/%2e%2e%2findex.html", "/assets/..%5cindex.html"]) {
    const { statusCode, body } = await app.inject({ url });
    expect(statusCode, url).toBeGreaterThanOrEqual(400);
    expect(body, url).not.toContain("the application");
  }
  expect((await app.inject({ url: "/favicon.ico" })).headers.location).toBe("/assets/icon-abc.svg");
  expect((await app.inject({ url: "/app.webmanifest" })).json()).toMatchObject({ name: "Houselights", start_url: "/" });
});

test("a folder without a build is no reason not to start", () => {
  expect(readBuiltPages(join(folder, "nothing"))).toBeNull();
});
