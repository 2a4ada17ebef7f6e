import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { AccountId } from "../src/kernel/brand.ts";
import { dayMs, parseInstant, systemClock } from "../src/kernel/clock.ts";
import { Fault } from "../src/kernel/fault.ts";
import { raiseFloors } from "../src/credentials/floors.ts";
import { sessionCookie } from "../src/http/cookies.ts";
import { askLink, claimLink, spacedCode } from "../src/links/links.ts";
import { buildPlainPages, contained, plainBrowser, plainService, type PlainService } from "./plain-service.ts";

let web: Awaited<ReturnType<typeof buildPlainPages>>;
let service: PlainService;

beforeAll(async () => {
  web = await buildPlainPages();
  service = await plainService({ webFolder: web.folder });
});
afterAll(async () => {
  await service.stop();
  await web.remove();
});
afterEach(() => {
  service.state.notice = null;
  service.state.checkFails = null;
});

const password = "a lamp in the window at night";
let people = 0;

async function newestCode(to: string): Promise<string> {
  const letters = await service.letters();
  const letter = letters.findLast((one) => one.to === to && one.code !== undefined);
  if (letter?.code === undefined) throw new Error("no letter with a code");
  return letter.code;
}

/** Signs a new person up through the pages and returns the browser, not signed in. */
async function newPerson(address = `person-${++people}@example.org`) {
  const browser = plainBrowser(service);
  const asked = await browser.submit(await browser.get("/sign-up"), { address, password, name: "Ada" });
  expect(asked.path).toBe("/sign-up/confirm");
  const confirmed = await browser.submit(asked, { code: await newestCode(address) });
  expect(confirmed.path).toBe("/sign-in?done=account-created");
  return { browser, address, confirmed };
}

async function signedInPerson() {
  const person = await newPerson();
  await person.browser.submit(person.confirmed, { address: person.address, password });
  expect(person.browser.jar.get("__Host-houselights")).toBeDefined();
  return person;
}

test("signing up, signing in and signing out work without a script", async () => {
  const { browser, address, confirmed } = await newPerson();
  expect(confirmed.text).toContain("Your account is ready");
  const signedIn = await browser.submit(confirmed, { address, password });
  expect(signedIn.path).toBe("/");
  expect((await browser.get("/sign-in")).path).toBe("/");
  const leaving = await browser.get("/sign-out");
  const left = await browser.submit(leaving);
  expect(left.text).toContain("You are signed out on this device.");
  expect((await browser.get("/")).path).toBe("/sign-in?next=%2F");
});

test("a session signed out by the page opens nothing afterwards, even if the cookie was kept", async () => {
  const { browser } = await signedInPerson();
  const kept = browser.jar.get("__Host-houselights") ?? "";
  expect((await browser.get("/link")).path).toBe("/link");
  await browser.submit(await browser.get("/sign-out"));
  browser.jar.set("__Host-houselights", kept);
  expect((await browser.get("/link")).path).toBe("/sign-in?next=%2Flink");
});

test("signing up with an address that has an account answers the same pages", async () => {
  const { address } = await newPerson();
  const browser = plainBrowser(service);
  const asked = await browser.submit(await browser.get("/sign-up"), { address, password });
  expect(asked.path).toBe("/sign-up/confirm");
  expect(asked.status).toBe(200);
  expect((await service.letters()).findLast(({ to }) => to === address)?.letter).toBe("already registered");
});

test("unknown address, wrong password and a right one that is refused answer the same bytes for the same work", async () => {
  const unknown = "nobody-000@example.org";
  const known = "person-000@example.org";
  const { browser, confirmed } = await newPerson(known);
  const { db, hashPool } = service.needs;
  const answerTo = async (address: string, typed: string) => {
    const before = [db.statements(), hashPool.hashes()] as const;
    const { status, body, headers } = await browser.submit(confirmed, { address, password: typed });
    const { date: _, ...lasting } = headers;
    const work = { statements: db.statements() - before[0], hashes: hashPool.hashes() - before[1] };
    return { status, body: body.replaceAll(address, "ADDRESS"), headers: lasting, work };
  };
  // The right password works a moment before.
  const works = plainBrowser(service);
  expect((await works.submit(await works.get("/sign-in"), { address: known, password })).path).toBe("/");

  const wrong = await answerTo(known, "not the right one at all");
  expect(wrong.status).toBe(401);
  expect(await answerTo(unknown, password)).toEqual(wrong);

  await service.db.transaction((tx) => raiseFloors(tx, ["password"], systemClock.now()));
  expect(await answerTo(known, password)).toEqual(wrong);

  service.state.notice = {
    reference: "HL-2026-0001",
    renewPasswordsSetBefore: parseInstant("2026-11-22T20:41:07.312Z"),
  };
  const told = await answerTo(known, password);
  expect(told.status).toBe(401);
  expect(told.body).not.toBe(wrong.body);
  expect(await answerTo(known, "not the right one at all")).toEqual(told);
  expect(await answerTo(unknown, password)).toEqual(told);
});

test("while a case is contained, sign-in and its refusal say what must be renewed, with the way there and the notice", async () => {
  const browser = plainBrowser(service);
  expect((await browser.get("/sign-in")).body).not.toContain("/notice/");
  service.state.notice = {
    reference: "HL-2026-0001",
    renewPasswordsSetBefore: parseInstant("2026-11-22T20:41:07.312Z"),
  };
  expect((await browser.get("/sign-in")).body).not.toContain("<details");
  service.state.letter = { locale: "de", subject: "Mitteilung", text: "Was geschehen ist\n<b>nichts</b>" };
  const page = await browser.get("/sign-in");
  // The letter itself, as it was sent, is one click away on the same page.
  expect(page.body).toContain('<div class="letter" lang="de">');
  expect(page.body).toContain("Was geschehen ist\n&lt;b&gt;nichts&lt;/b&gt;");
  // Who has just renewed has done it: nothing on the page asks for it again.
  const renewed = await browser.get("/sign-in?done=renewed");
  expect(renewed.text).toContain("Your new password is set");
  expect(renewed.body).not.toContain("/notice/HL-2026-0001");
  const refused = await browser.submit(page, { address: "x@example.org", password: "whatever it may be" });
  for (const { body, text } of [page, refused]) {
    expect(text).toContain("Passwords set before 22 November 2026 at 20:41 UTC");
    expect(body).toContain('href="/renew"');
    expect(body).toContain('href="/notice/HL-2026-0001"');
  }
  expect(refused.text).toContain(
    "Wrong address or password. Passwords set before 22 November 2026 at 20:41 UTC must be renewed: set a new password",
  );
});

test("renewal works without a script, signs connected devices out by default, and the new password signs in", async () => {
  const { browser, address } = await signedInPerson();
  const other = plainBrowser(service);
  const asked = await other.submit(await other.get("/renew"), { address });
  expect(asked.path).toBe("/renew/code");
  expect(asked.flat).toContain('name="signOutDevices" value="yes" checked');
  expect((await browser.get("/link")).path).toBe("/link");

  const next = "seven quiet boats in the harbour";
  const done = await other.submit(asked, { code: await newestCode(address), password: next });
  expect(done.path).toBe("/renew/done");
  expect(done.text).toContain("Every connected device has been signed out");
  expect((await browser.get("/link")).path).toBe("/sign-in?next=%2Flink");
  expect((await other.submit(await other.get("/sign-in"), { address, password })).status).toBe(401);
  expect((await other.submit(await other.get("/sign-in"), { address, password: next })).path).toBe("/");
});

test("somebody's tries at an address slow its password down, and the page says what stays open to its owner", async () => {
  const { address } = await newPerson();
  const other = plainBrowser(service);
  const form = await other.get("/sign-in");
  for (let tries = 0; tries < 30; tries++) {
    expect((await other.submit(form, { address, password: `a guess, number ${tries}` })).status).toBe(401);
  }
  const slowed = await plainBrowser(service).submit(form, { address, password });
  expect(slowed.status).toBe(429);
  expect(slowed.text).toContain("Without waiting: sign in with a passkey, or set a new password");
  const owner = plainBrowser(service);
  const asked = await owner.submit(await owner.get("/renew"), { address });
  const renewed = await owner.submit(asked, {
    code: await newestCode(address),
    password: "six slow trams before dawn",
  });
  expect(renewed.path).toBe("/renew/done");
});

test("with the box unticked, devices that are signed in stay", async () => {
  const { browser, address } = await signedInPerson();
  const other = plainBrowser(service);
  const asked = await other.submit(await other.get("/renew"), { address });
  const code = await newestCode(address);
  const done = await other.submit(asked, { code, password: "seven quiet boats in the harbour", signOutDevices: null });
  expect(done.path).toBe("/renew/done?devices=kept");
  expect((await browser.get("/link")).path).toBe("/link");
});

test("asking for a renewal code answers the same for every address and for a text that is none", async () => {
  const { address } = await newPerson();
  const answers = [];
  for (const asked of [address, "stranger@example.org", "no address at all", ""]) {
    const browser = plainBrowser(service);
    const { status, path, body } = await browser.post("/renew", { address: asked });
    answers.push({ status, path, body });
  }
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]?.path).toBe("/renew/code");
});

test("a refused code or password is said beside its field, keeps what was typed except the password, and takes the focus", async () => {
  const { address } = await newPerson();
  const browser = plainBrowser(service);
  const asked = await browser.submit(await browser.get("/renew"), { address });
  const wrong = await browser.submit(asked, {
    code: "BBBBB-BBBBB",
    password: "seven quiet boats",
    signOutDevices: null,
  });
  expect(wrong.status).toBe(400);
  expect(wrong.flat).toContain(
    'name="code" required aria-describedby="code-error" aria-invalid="true" autofocus value="BBBBB-BBBBB"',
  );
  expect(wrong.body).not.toContain("seven quiet boats");
  expect(wrong.flat).not.toContain('name="signOutDevices" value="yes" checked');
  expect(wrong.body).toContain("<title>Error: ");

  const code = await newestCode(address);
  const short = await browser.submit(wrong, { code, password: "too short", signOutDevices: "yes" });
  expect(short.status).toBe(400);
  expect(short.text).toContain("Use at least 15 characters.");
  expect(short.flat).toContain(
    'name="password" required aria-describedby="password-hint password-error" aria-invalid="true" autofocus',
  );
  expect(short.body).not.toContain("too short");
  const old = await browser.submit(short, { code, password });
  expect(old.text).toContain("This is the password that was taken.");
  expect((await browser.submit(old, { code, password: "seven quiet boats in the harbour" })).path).toBe("/renew/done");
});

test("a code answers only in the browser that asked for it", async () => {
  const { address } = await newPerson();
  const asking = plainBrowser(service);
  const asked = await asking.submit(await asking.get("/renew"), { address });
  const code = await newestCode(address);
  const thief = plainBrowser(service);
  await thief.post("/renew", { address: "stranger@example.org" });
  const typed = { code, password: "seven quiet boats in the harbour" };
  expect((await thief.post("/renew/code", typed)).status).toBe(400);
  expect((await plainBrowser(service).post("/renew/code", typed)).path).toBe("/renew");
  expect((await asking.submit(asked, typed)).path).toBe("/renew/done");
});

test("a TV is linked without a script: the code, what it is, approve", async () => {
  const { browser } = await signedInPerson();
  const link = await askLink(service.needs, { class: "tv", label: "Living-room TV", network: "203.0.113.9" });
  const shown = await browser.submit(await browser.get("/link"), { code: spacedCode(link.userCode).toLowerCase() });
  expect(shown.text).toContain("Living-room TV");
  expect(shown.text).toContain("on another network than you");
  // How long it may play as who approves it (ASVS 5.0 10.7.2), as it is set.
  expect(shown.text).toContain(`At most ${service.needs.lifetimesMs.tv / dayMs} days`);
  expect(shown.text).toContain(spacedCode(link.userCode));
  expect((await claimLink(service.needs, link.deviceCode, null)).kind).toBe("refused");
  const approved = await browser.submit(shown, { decision: "approve" });
  expect(approved.path).toBe("/link/approved");
  expect((await claimLink(service.needs, link.deviceCode, null)).kind).toBe("claimed");
  // The code is spent.
  expect((await browser.submit(shown, { decision: "approve" })).status).toBe(400);
});

test("a refused TV gets nothing", async () => {
  const { browser } = await signedInPerson();
  const link = await askLink(service.needs, { class: "app", label: "An app", network: "127.0.0.1" });
  const shown = await browser.submit(await browser.get("/link"), { code: spacedCode(link.userCode) });
  expect(shown.text).toContain("The same as yours");
  expect((await browser.submit(shown, { decision: "deny" })).path).toBe("/link/denied");
  expect(await claimLink(service.needs, link.deviceCode, null)).toEqual({ kind: "refused", reason: "denied" });
});

test("a TV that was linked links no other, and its page says where that can be done", async () => {
  const { browser } = await signedInPerson();
  const first = await askLink(service.needs, { class: "tv", label: "TV", network: "127.0.0.1" });
  const next = await askLink(service.needs, { class: "tv", label: "TV", network: "127.0.0.1" });
  const code = (link: typeof first) => ({ code: spacedCode(link.userCode) });
  const shown = await browser.submit(await browser.get("/link"), code(first));
  expect((await browser.submit(shown, { decision: "approve" })).path).toBe("/link/approved");
  const claimed = await claimLink(service.needs, first.deviceCode, null);
  if (claimed.kind !== "claimed") throw new Error(claimed.kind);
  const tv = plainBrowser(service);
  tv.jar.set(sessionCookie, claimed.token.revealText());
  const refused = await tv.submit(await tv.submit(await tv.get("/link"), code(next)), { decision: "approve" });
  expect(refused.status).toBe(403);
  expect(refused.text).toContain("Approve this on another device");
  expect(refused.body).toContain('href="/sign-out"');
  // The same code is approved where somebody signed in.
  const asked = await browser.submit(await browser.get("/link"), code(next));
  expect((await browser.submit(asked, { decision: "approve" })).path).toBe("/link/approved");
});

test("a session from before a containment that spared sessions may not link, and is told why", async () => {
  const { browser } = await signedInPerson();
  const link = await askLink(service.needs, { class: "tv", label: "TV", network: "127.0.0.1" });
  const shown = await browser.submit(await browser.get("/link"), { code: spacedCode(link.userCode) });
  await service.db.transaction((tx) => raiseFloors(tx, ["password", "ticket", "code", "link"], systemClock.now()));
  const refused = await browser.submit(shown, { decision: "approve" });
  expect(refused.status).toBe(403);
  expect(refused.body).toContain('href="/renew"');
});

test("what comes from outside is escaped wherever it is shown", async () => {
  const nasty = `<script>alert("x")</script>'"&`;
  const { browser } = await signedInPerson();
  const stranger = plainBrowser(service);
  const link = await askLink(service.needs, { class: "tv", label: nasty, network: "127.0.0.1" });
  const pages = [
    await stranger.post("/sign-in", { address: nasty, password: "x", next: `/a"><script>` }),
    await stranger.get(`/sign-in?next=${encodeURIComponent(`/a"onfocus=alert(1)'<b>`)}`),
    await stranger.post("/sign-up", { address: nasty, password: "x", name: nasty }),
    await browser.submit(await browser.get("/link"), { code: nasty }),
    await browser.submit(await browser.get("/link"), { code: spacedCode(link.userCode) }),
    await stranger.get(`/notice/${encodeURIComponent(nasty)}`),
    await stranger.get(`/nothing/${encodeURIComponent(nasty)}`),
  ];
  for (const { body, text, path } of pages) {
    expect(body, path).toContain("<!doctype html>");
    expect(body, path).not.toContain("<script>");
    expect(body, path).not.toMatch(/"\s*onfocus=/);
    expect(text.length).toBeGreaterThan(100);
  }
  expect(pages[0]?.body).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&quot;&amp;");
  expect(pages[4]?.text).toContain(nasty);
});

test("a busy service answers a page with Retry-After to people and a problem to programs", async () => {
  const { browser } = await signedInPerson();
  expect((await browser.get("/link")).status).toBe(200);
  service.state.checkFails = new Fault("KEYHOLDER_UNAVAILABLE", "the key process does not answer");
  const busy = await browser.get("/link");
  expect(busy.status).toBe(503);
  expect(busy.headers["retry-after"]).toBe("2");
  expect(busy.headers["content-type"]).toContain("text/html");
  expect(busy.body).toContain('href="/link"');
  const program = await service.app.inject({
    url: "/openapi.json",
    headers: { cookie: `__Host-houselights=${browser.jar.get("__Host-houselights") ?? ""}` },
  });
  expect(program.statusCode).toBe(503);
  expect(program.headers["content-type"]).toContain("application/problem+json");
});

test("a form from another site, one with unknown fields and one that repeats a field are refused as pages", async () => {
  const foreign = await service.app.inject({
    method: "POST",
    url: "/sign-in",
    headers: { "content-type": "application/x-www-form-urlencoded", origin: "https://evil.example" },
    payload: "address=a@example.org&password=x",
  });
  expect(foreign.statusCode).toBe(403);
  expect(foreign.headers["content-type"]).toContain("text/html");
  const browser = plainBrowser(service);
  expect((await browser.post("/sign-in", { address: "a@example.org", password: "x", role: "operator" })).status).toBe(
    400,
  );
  const repeated = await service.app.inject({
    method: "POST",
    url: "/sign-in",
    headers: { "content-type": "application/x-www-form-urlencoded", origin: service.publicOrigin },
    payload: "address=a@example.org&password=x&password=y",
  });
  expect(repeated.statusCode).toBe(400);
  expect(repeated.body).toContain("This form could not be read");
});

test("the notice page shows the letter as it was sent, in the reader's language, and knows what is not ours", async () => {
  const browser = plainBrowser(service);
  expect((await browser.get("/notice/HL-2026-9XYZ")).status).toBe(404);
  await contained(service, "HL-2026-9XYZ");
  const genuine = await browser.get("/notice/hl-2026-9xyz");
  expect(genuine.status).toBe(200);
  expect(genuine.text).toContain("This reference is genuine");
  expect(genuine.text).toContain("somebody had copied our account database");
  expect(genuine.body).toContain("&lt;b&gt;Reference&lt;/b&gt;");
  // No link of the page leads to a password field but through the page that asks for the address first.
  expect(genuine.body).not.toContain('type="password"');
  const german = await service.app.inject({ url: "/notice/HL-2026-9XYZ", headers: { "accept-language": "de-CH,de" } });
  expect(german.body).toContain('<div class="letter" lang="de">');
  expect(german.body).toContain("Was geschehen ist");
  // The letter says that what is found out of the way in is told here.
  expect(genuine.text).toContain("It is still being examined");
  await service.db.run(
    `update incident set way_in_what = 'a key in a bucket', way_in_evidence = 'none', way_in_closed_at = '2026-11-22T18:00Z'
      where reference = 'HL-2026-9XYZ'`,
  );
  const told = await browser.get("/notice/HL-2026-9XYZ");
  expect(told.text).toContain("The way in was closed on 22 November 2026 at 18:00 UTC");
  expect(told.text).not.toContain("It is still being examined");
  expect(told.text).not.toContain("bucket");
  // A genuine reference is not called a fraud for how it is typed.
  for (const typed of ["hl2026 9xyz", "HL20269XYZ", " hl 2026 9xyz ", "HL\u20132026\u20139XYZ"]) {
    const found = await browser.get(`/notice?reference=${encodeURIComponent(typed)}`);
    expect(found.text, typed).toContain("This reference is genuine");
  }
  for (const bad of ["%00", "..%2F..%2Fetc", "a".repeat(199), "%F0%9F%92%A9", "HL-2026-9XY"]) {
    expect((await browser.get(`/notice/${bad}`)).status, bad).toBe(404);
  }
});

test("script and style of the plain pages stay under 15 KB compressed together", () => {
  const files = readdirSync(join(web.folder, "assets")).filter((name) => /\.(js|css)$/.test(name));
  const bytes = files.map((name) => gzipSync(readFileSync(join(web.folder, "assets", name))).length);
  expect(files.length).toBe(2);
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(15_000);
});

test("well-known addresses: change-password leads to where the account has it, security.txt names a contact and expires", async () => {
  const change = await service.app.inject({ url: "/.well-known/change-password" });
  expect([change.statusCode, change.headers.location]).toEqual([302, "/account#password"]);
  const security = await service.app.inject({ url: "/.well-known/security.txt" });
  expect(security.body).toMatch(/^Contact: mailto:help@example.org\nExpires: \d{4}-/);
  expect((await service.app.inject({ url: "/.well-known/resource-that-should-not-exist" })).statusCode).toBe(404);
});

test("built files are served for ever and compressed, nothing outside their folder is, and a missing build says so", async () => {
  const page = await plainBrowser(service).get("/sign-in");
  const style = /href="(\/assets\/plain-[^"]+\.css)"/.exec(page.body)?.[1] ?? "";
  const plain = await service.app.inject({ url: style });
  const small = await service.app.inject({ url: style, headers: { "accept-encoding": "br, gzip" } });
  expect(plain.statusCode).toBe(200);
  expect(plain.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
  expect(small.headers["content-encoding"]).toBe("br");
  expect(small.rawPayload.length).toBeLessThan(plain.rawPayload.length / 2);
  for (const path of [
    "/assets/../.vite/manifest.json",
    "/assets/..%2f.vite%2fmanifest.json",
    "/assets/%2e%2e/%2e%2e/etc/passwd",
  ]) {
    const { statusCode, body } = await service.app.inject({ url: path });
    expect([400, 403, 404]).toContain(statusCode);
    expect(body).not.toMatch(/plain\.ts|root:/);
  }
  const { browser } = await signedInPerson();
  const unbuilt = await browser.get("/");
  expect(unbuilt.status).toBe(503);
  expect(unbuilt.text).toContain("npm run build:web");
});

test("each page's account id and code stay out of its address", async () => {
  const { browser } = await signedInPerson();
  const link = await askLink(service.needs, { class: "tv", label: "TV", network: "127.0.0.1" });
  const shown = await browser.submit(await browser.get("/link"), { code: spacedCode(link.userCode) });
  const approved = await browser.submit(shown, { decision: "approve" });
  expect(approved.path).not.toContain(spacedCode(link.userCode));
  const ids = await service.db.many<{ id: AccountId }>("select id from account");
  for (const { id } of ids) expect(approved.body).not.toContain(id);
});
