import { join } from "node:path";
import axe from "axe-core";
import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sessionCookie } from "../src/http/cookies.ts";
import { contain } from "../src/incidents/contain.ts";
import { openIncident } from "../src/incidents/open.ts";
import { hourMs, minuteMs, toIso } from "../src/kernel/clock.ts";
import { secretText } from "../src/http/cookies.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { launchChromium, loseSession } from "./chromium.ts";
import { goodPassword, testService } from "./service.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";

/**
 * Passkeys as people meet them, in a real browser with a virtual authenticator (Web Authentication section 11): offered
 * after sign-up, used by the button and by autofill, managed in the account, and what a containment does to them.
 */
const port = await freePort();
const service = await testService({ settings: { PORT: String(port) } });
const { ground, clock } = service;
const origin = ground.config.publicOrigin;
const pictures = process.env["PICTURES"];
let browser: Browser;

beforeAll(async () => {
  expect(origin).toBe(`http://localhost:${port}`);
  await service.web.listen("127.0.0.1", port);
  browser = await launchChromium();
}, 120_000);
afterAll(async () => {
  await browser?.close();
});

interface Device {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly cdp: CDPSession;
  /** The passkeys in the virtual authenticator. */
  readonly credentials: () => Promise<number>;
  /** Whether a touch is pretended whenever one is asked for. */
  readonly touch: (automatically: boolean) => Promise<void>;
  readonly complaints: string[];
}

async function device(size = { width: 390, height: 844 }): Promise<Device> {
  const context = await browser.newContext({ viewport: size });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    // A refusal's status is written there too, and is what some of these tests are about.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  page.on("pageerror", (error) => {
    // The application leaves one page for another while its lights still change.
    if (error.message !== "Transition was skipped") complaints.push(error.message);
  });
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return {
    context,
    page,
    cdp,
    complaints,
    credentials: async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials.length,
    touch: (enabled) =>
      cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled }).then(() => undefined),
  };
}

async function look(page: Page, name: string): Promise<void> {
  // A page that is still fading in has other colours.
  await page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => undefined)))");
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  await page.evaluate(axe.source);
  const found = await page.evaluate<readonly { readonly id: string; readonly nodes: readonly { target: unknown }[] }[]>(
    "axe.run(document).then((result) => result.violations)",
  );
  expect(found.map((one) => `${name}: ${one.id} at ${JSON.stringify(one.nodes.map(({ target }) => target))}`)).toEqual(
    [],
  );
  expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), name).toBeLessThanOrEqual(0);
}

let people = 0;
async function newPerson(): Promise<string> {
  const address = `person-${++people}@example.org`;
  await service.account(address, goodPassword);
  return address;
}

async function signInByPassword(page: Page, address: string, path = "/sign-in"): Promise<void> {
  await page.goto(`${origin}${path}`);
  await page.fill("input[name=address]", address);
  await page.fill("input[name=password]", goodPassword);
  await page.click("form button[type=submit]");
}

const sessionOf = async ({ context }: Device): Promise<string | undefined> =>
  (await context.cookies()).find(({ name }) => name === sessionCookie)?.value;

/** Signed in by password, with a passkey made where it is offered after sign-up. */
async function withPasskey(): Promise<{ readonly address: string; readonly own: Device }> {
  const address = await newPerson();
  const own = await device();
  await signInByPassword(own.page, address, "/sign-in?done=account-created");
  await own.page.waitForURL(/\/passkey/);
  await own.page.click("text=Add a passkey");
  await own.page.waitForURL(`${origin}/`);
  expect(await own.credentials()).toBe(1);
  return { address, own };
}

/** Signed out, with the authenticator waiting for a touch, at the sign-in page. */
async function backAtSignIn({ page, touch }: Device): Promise<void> {
  await loseSession(page);
  await touch(false);
  await page.goto(`${origin}/sign-in`);
  await page.waitForSelector("[data-passkey=sign-in] button:visible");
}

test("a passkey is offered after sign-up, may be left for later, and signs in by the button", async () => {
  const address = await newPerson();
  const own = await device();
  await signInByPassword(own.page, address, "/sign-in?done=account-created");
  await own.page.waitForURL(/\/passkey/);
  await look(own.page, "passkey-offer");
  await own.page.click("text=Not now");
  await own.page.waitForURL(`${origin}/`);
  expect(await own.credentials()).toBe(0);

  await own.page.goto("about:blank");
  await loseSession(own.page);
  await signInByPassword(own.page, address, "/sign-in?done=renewed");
  await own.page.waitForURL(/\/passkey/);
  await own.page.click("text=Add a passkey");
  await own.page.waitForURL(`${origin}/`);
  expect(await own.credentials()).toBe(1);

  await backAtSignIn(own);
  await look(own.page, "sign-in-with-passkey");
  await own.touch(true);
  await own.page.click("text=Sign in with a passkey");
  await own.page.waitForURL(`${origin}/`);
  expect(await sessionOf(own)).toBeDefined();
  expect(own.complaints).toEqual([]);
}, 120_000);

test("a passkey signs in by autofill, without any button", async () => {
  const { own } = await withPasskey();
  await own.page.goto("about:blank");
  await loseSession(own.page);
  await own.page.goto(`${origin}/sign-in?next=%2Faccount`);
  // The page asks by itself; the virtual authenticator answers what autofill would have offered.
  await own.page.waitForURL(`${origin}/account`);
  expect(await sessionOf(own)).toBeDefined();
}, 120_000);

test("the account page lists, renames, adds and removes passkeys; a removed one signs in no more", async () => {
  const { own } = await withPasskey();
  const { page } = own;
  await page.goto(`${origin}/account`);
  await page.waitForSelector(".passkeys .device-list li");
  await look(page, "account-with-passkey");
  await page.click("text=Rename");
  await page.fill("dialog input[name=name]", "The blue key");
  await page.click("dialog button[type=submit]");
  await page.waitForSelector(".passkeys strong:has-text('The blue key')");
  await page.click(".passkeys button:has-text('Add a passkey')");
  await page.click("dialog button[type=submit]");
  // This authenticator has one already, and says so.
  await page.waitForSelector("dialog [role=alert]");
  expect(await page.textContent("dialog [role=alert]")).toContain("has a passkey for your account already");
  await page.click("dialog >> text=Cancel");

  await page.click("[aria-label='Remove The blue key']");
  await look(page, "passkey-remove");
  await page.click("dialog button[type=submit]");
  await page.waitForSelector(".passkeys .empty");
  await backAtSignIn(own);
  await own.touch(true);
  await page.click("text=Sign in with a passkey");
  await page.waitForSelector("[data-passkey] [role=alert]:visible");
  expect(await sessionOf(own)).toBeUndefined();
  await look(page, "sign-in-refused-passkey");
}, 120_000);

test("after five minutes the account asks again, and takes the passkey", async () => {
  const { own } = await withPasskey();
  clock.advance(6 * minuteMs);
  await own.page.goto(`${origin}/account`);
  await own.page.waitForSelector(".passkeys .device-list li");
  await own.page.click("[aria-label='Remove Chrome on Linux']");
  await own.page.click("dialog button[type=submit]");
  await own.page.waitForSelector("text=Use a passkey");
  await look(own.page, "proof-by-passkey");
  await own.page.click("text=Use a passkey");
  await own.page.waitForSelector(".passkeys .empty");
}, 120_000);

test("after a containment an old passkey signs in at once, and one added since the copy does not until it is kept", async () => {
  const { address, own } = await withPasskey();
  clock.advance(hourMs);
  const copiedAt = clock.now();
  clock.advance(hourMs);
  // Somebody else, who has the password, adds one of theirs.
  const thief = await device();
  await signInByPassword(thief.page, address);
  await thief.page.waitForURL(`${origin}/`);
  await thief.page.goto(`${origin}/account`);
  await thief.page.click(".passkeys button:has-text('Add a passkey')");
  await thief.page.click("dialog button[type=submit]");
  await thief.page.waitForSelector(".passkeys .device-list li:nth-child(2)");
  for (const one of [own, thief]) {
    await backAtSignIn(one);
    await one.touch(true);
    await one.page.click("text=Sign in with a passkey");
    await one.page.waitForURL(`${origin}/`);
  }
  clock.advance(hourMs);
  await openIncident(ground, { reason: "test", copiedAt: toIso(copiedAt) }, "test");
  await contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });

  await backAtSignIn(thief);
  await thief.touch(true);
  await thief.page.click("text=Sign in with a passkey");
  await thief.page.waitForSelector("[data-passkey] [role=alert]:visible");
  expect(await sessionOf(thief)).toBeUndefined();

  await backAtSignIn(own);
  await own.touch(true);
  await own.page.click("text=Sign in with a passkey");
  await own.page.waitForURL(`${origin}/`);
  await own.page.goto(`${origin}/account`);
  await own.page.waitForSelector(".passkeys .doubt");
  await look(own.page, "account-with-doubted-passkey");
  await own.page.click("text=It is mine, keep it");
  await own.page.waitForSelector(".passkeys .doubt", { state: "detached" });
  await ground.plainDb.run(`update incident set state = 'closed'`);
}, 180_000);

test("an operator's first visit leads to a passkey; the console asks for it again after five minutes", async () => {
  const own = await device({ width: 1_440, height: 900 });
  const { secret } = await makeOperatorLink(ground);
  await own.page.goto(`${origin}/operate#${secretText(secret)}`);
  await own.page.waitForSelector("text=Add a passkey");
  await look(own.page, "operate-passkey");
  await own.page.click("main button[type=submit]");
  await own.page.waitForSelector("input[name=address]");
  expect(await own.credentials()).toBe(1);
  await own.page.click("text=Later");
  await own.page.waitForURL(/\/console/);
  clock.advance(6 * minuteMs);
  await openIncident(ground, { reason: "test" }, "test");
  await own.page.goto(`${origin}/console`);
  await own.page.click("main button:has-text('Contain')");
  await own.page.waitForSelector("text=Use a passkey");
  expect(await own.page.$("dialog input[type=password]")).toBeNull();
  await look(own.page, "strong-proof");
  await own.page.click("text=Use a passkey");
  await own.page.waitForSelector("dialog .counts dl");
  await ground.plainDb.run(`update incident set state = 'closed'`);
}, 120_000);

test("an operator without a second factor is led to add one when the act is refused", async () => {
  const own = await device({ width: 1_440, height: 900 });
  await ground.plainDb.run(`delete from passkey`);
  await ground.plainDb.run(`delete from passkey_way`);
  const { secret } = await makeOperatorLink(ground);
  await own.page.goto(`${origin}/operate#${secretText(secret)}`);
  await own.page.waitForSelector("text=Add a passkey");
  await own.page.click("text=Later");
  await own.page.waitForSelector("input[name=address]");
  await own.page.click("text=Later");
  await own.page.waitForURL(/\/console/);
  // As if a password had opened this session, a moment ago.
  await ground.plainDb.run(`update session set proof = 'password'`);
  await openIncident(ground, { reason: "test" }, "test");
  await own.page.goto(`${origin}/console`);
  await own.page.click("main button:has-text('Contain')");
  await own.page.waitForSelector("dialog >> text=Operators need a second factor");
  await look(own.page, "second-factor-required");
  await own.page.click("dialog button:has-text('Add a passkey')");
  await own.page.waitForSelector("dialog .counts dl");
  await ground.plainDb.run(`update incident set state = 'closed'`);
}, 120_000);

test("at a number instead of the name, the page says where passkeys work", async () => {
  const own = await device();
  await own.page.goto(`http://127.0.0.1:${port}/sign-in`);
  await own.page.waitForSelector("[data-passkey] a:visible");
  expect(await own.page.isVisible("[data-passkey] button")).toBe(false);
  await look(own.page, "sign-in-elsewhere");
  await own.page.click("[data-passkey] a");
  await own.page.waitForURL(`${origin}/sign-in`);
  expect(await own.page.isVisible("[data-passkey] button")).toBe(true);
}, 120_000);
