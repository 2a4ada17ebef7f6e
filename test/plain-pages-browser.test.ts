import axe from "axe-core";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../src/kernel/clock.ts";
import { askLink, claimLink, spacedCode } from "../src/links/links.ts";
import { launchChromium } from "./chromium.ts";
import { buildPlainPages, contained, plainService, type PlainService } from "./plain-service.ts";

let web: Awaited<ReturnType<typeof buildPlainPages>>;
let service: PlainService;
let chrome: Browser;

beforeAll(async () => {
  web = await buildPlainPages();
  service = await plainService({ webFolder: web.folder });
  await service.app.listen({ host: "127.0.0.1", port: service.port });
  chrome = await launchChromium();
});
afterAll(async () => {
  await chrome.close();
  await service.stop();
  await web.remove();
});

const phone = { width: 390, height: 844 };
const desk = { width: 1440, height: 900 };
const password = "a lamp in the window at night";

/** A page that fails the test for anything the content security policy refuses and for any script error. */
async function open(
  options: { readonly javaScriptEnabled?: boolean; readonly viewport?: typeof phone; readonly locale?: string } = {},
): Promise<{
  readonly context: BrowserContext;
  readonly page: Page;
  readonly complaints: string[];
}> {
  const context = await chrome.newContext({ baseURL: service.publicOrigin, viewport: phone, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    // Chromium reports each answer of 400 and above here too; those are what some of these tests ask for.
    const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
    if (message.type() === "error" && !isStatus) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return { context, page, complaints };
}

async function newestCode(to: string): Promise<string> {
  const letter = (await service.letters()).findLast((one) => one.to === to && one.code !== undefined);
  if (letter?.code === undefined) throw new Error("no letter with a code");
  return letter.code;
}

async function signUp(page: Page, address: string): Promise<void> {
  await page.goto("/sign-up");
  await page.getByLabel("E-mail address").fill(address);
  await page.getByLabel("New password").fill(password);
  await page.getByRole("button", { name: "Mail me the code" }).click();
  await page.waitForURL("**/sign-up/confirm");
  await page.getByLabel("Code from the letter").fill(await newestCode(address));
  await page.getByRole("button", { name: "Create my account" }).click();
  await page.waitForURL("**/sign-in?done=account-created");
}

async function signIn(page: Page, address: string, typed = password): Promise<void> {
  await page.getByLabel("E-mail address").fill(address);
  await page.getByLabel("Password").fill(typed);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** With scripts, who has just set a password is offered a passkey, once, and may leave it. */
async function leaveThePasskey(page: Page, javaScriptEnabled: boolean): Promise<void> {
  if (javaScriptEnabled) {
    await page.waitForURL("**/passkey");
    await page.getByRole("link", { name: "Not now" }).click();
  }
  await page.waitForURL(`${service.publicOrigin}/`);
}

for (const javaScriptEnabled of [true, false]) {
  test(`a real browser ${javaScriptEnabled ? "with" : "without"} scripts signs up, in, and renews`, async () => {
    const { context, page, complaints } = await open({ javaScriptEnabled });
    const address = `browser-${String(javaScriptEnabled)}@example.org`;
    await signUp(page, address);
    await signIn(page, address, "the wrong one entirely");
    await page.getByText("Wrong address or password.").waitFor();
    expect(await page.locator(":focus").getAttribute("id")).toBe("password");
    expect(await page.getByRole("button", { name: "Show" }).count()).toBe(javaScriptEnabled ? 1 : 0);
    await signIn(page, address);
    await leaveThePasskey(page, javaScriptEnabled);

    await page.goto("/renew");
    await page.getByLabel("E-mail address").fill(address);
    await page.getByRole("button", { name: "Mail me the code" }).click();
    await page.waitForURL("**/renew/code");
    expect(await page.getByRole("checkbox").isChecked()).toBe(true);
    const keeps = () => page.evaluate("[...Object.values(sessionStorage), ...Object.values(localStorage)]");
    if (javaScriptEnabled) expect(await keeps()).toEqual([address]);
    await page.getByLabel("Code from the letter").fill(await newestCode(address));
    await page.getByLabel("New password").fill("seven quiet boats in the harbour");
    await page.getByRole("button", { name: "Set my new password" }).click();
    await page.waitForURL("**/renew/done");
    if (javaScriptEnabled) expect(await keeps()).toEqual([]);
    await page.getByRole("link", { name: "Sign in" }).click();
    await signIn(page, address, "seven quiet boats in the harbour");
    await leaveThePasskey(page, javaScriptEnabled);
    expect(complaints.filter((text) => !text.includes("503"))).toEqual([]);
    await context.close();
  });
}

/** More come than can be served just now: strangers walk in until one of them has to wait, and the line stands still. */
async function crowd(): Promise<void> {
  service.crowd.hashesPerSecond = 200;
  await service.lobby.advance();
  for (let strangers = 0; strangers < 200; strangers++) {
    const { kind } = await service.lobby.admit("ask", { presented: undefined, network: "127.0.0.1" });
    if (kind === "waiting") return;
  }
  throw new Error("the crowd found no end");
}

async function crowdGoes(): Promise<void> {
  service.crowd.hashesPerSecond = 1_000_000;
  await service.lobby.advance();
  await service.lobby.advance();
}

for (const javaScriptEnabled of [true, false]) {
  test(`a real browser ${javaScriptEnabled ? "with" : "without"} scripts waits in line and is let in by itself`, async () => {
    await crowd();
    const { context, page, complaints } = await open({ javaScriptEnabled });
    await page.goto("/renew");
    await page.getByRole("heading", { name: "You have a place in line" }).waitFor();
    // Somebody who leaves the page and comes back has the same number.
    const number = await page.locator(".line-number dd").textContent();
    await page.goto("/sign-in");
    await page.goto("/renew");
    expect(await page.locator(".line-number dd").textContent()).toBe(number);
    if (javaScriptEnabled) {
      // Whose place is gone, as when a case opens, is given another, and the page shows that.
      await context.clearCookies();
      await page.locator(".line-number dd", { hasNotText: number ?? "" }).waitFor();
    }
    await crowdGoes();
    // Nobody touches anything: the page asks again by itself.
    await page.getByLabel("E-mail address").waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });
}

test("a page in line asks again after a while, however whoever answers in between says when", async () => {
  await crowd();
  const { context, page } = await open();
  await page.clock.install();
  await page.goto("/renew");
  await page.locator("[data-line]").waitFor();
  let asked = 0;
  await page.route("**/renew", (route) => {
    asked++;
    return route.fulfill({ status: 503, headers: { "retry-after": "Fri, 27 Nov 2026 20:00:00 GMT" }, body: "" });
  });
  while (asked === 0) await page.clock.runFor(1_000);
  for (let steps = 0; steps < 10; steps++) await page.clock.runFor(500);
  expect(asked).toBe(1);
  await page.unroute("**/renew");
  await crowdGoes();
  const field = page.getByLabel("E-mail address");
  while (!(await field.isVisible())) await page.clock.runFor(1_000);
  await context.close();
});

test("a scanned code survives signing in, and the TV that it links was approved by a person who saw its name", async () => {
  const { context, page } = await open();
  await signUp(page, "scans@example.org");
  const link = await askLink(service.needs, { class: "tv", label: "Living-room TV", network: "127.0.0.1" });
  await page.goto(`/link#${spacedCode(link.userCode)}`);
  await page.waitForURL("**/sign-in?next=*");
  await signIn(page, "scans@example.org");
  await page.waitForURL("**/link");
  expect(await page.getByLabel("Code on the screen").inputValue()).toBe(spacedCode(link.userCode));
  await page.getByRole("button", { name: "Continue" }).click();
  expect(await page.getByText("Living-room TV").isVisible()).toBe(true);
  await page.getByRole("button", { name: "Approve" }).click();
  await page.waitForURL("**/link/approved");
  expect((await claimLink(service.needs, link.deviceCode, null)).kind).toBe("claimed");
  await context.close();
});

for (const javaScriptEnabled of [true, false]) {
  test(`the button of a letter takes a renewal back ${javaScriptEnabled ? "with" : "without"} scripts`, async () => {
    const { context, page } = await open({ javaScriptEnabled });
    const address = `not-me-${String(javaScriptEnabled)}@example.org`;
    await signUp(page, address);
    await page.goto("/renew");
    await page.getByLabel("E-mail address").fill(address);
    await page.getByRole("button", { name: "Mail me the code" }).click();
    await page.waitForURL("**/renew/code");
    await page.getByLabel("Code from the letter").fill(await newestCode(address));
    await page.getByLabel("New password").fill("seven quiet boats in the harbour");
    await page.getByRole("button", { name: "Set my new password" }).click();
    await page.waitForURL("**/renew/done");
    const undo = (await service.letters()).findLast(({ to, letter }) => to === address && letter === "renewed")?.undo;
    await page.goto(`/not-me#${undo}`);
    if (!javaScriptEnabled) await page.getByLabel("The last part of the letter's address").fill(undo ?? "");
    await page.getByRole("button", { name: "It was not me" }).click();
    await page.waitForURL("**/not-me/done");
    await page.goto("/sign-in");
    await signIn(page, address, "seven quiet boats in the harbour");
    await page.getByText("Wrong address or password.").waitFor();
    await context.close();
  });
}

test("a refused field has the focus with its error as description; passwords can be pasted, shown and hidden", async () => {
  const { context, page } = await open();
  await page.goto("/sign-up");
  await page.getByLabel("E-mail address").fill("not an address");
  await page.getByLabel("New password").fill(password);
  await page.getByRole("button", { name: "Mail me the code" }).click();
  await page.getByText("An address looks like name@example.org.").waitFor();
  expect(await page.locator(":focus").getAttribute("id")).toBe("address");
  expect(await page.locator(":focus").getAttribute("aria-describedby")).toBe("address-error");
  expect(await page.locator("#address-error").textContent()).toBe("An address looks like name@example.org.");
  expect(await page.getByLabel("E-mail address").inputValue()).toBe("not an address");

  const field = page.getByLabel("New password");
  expect(await field.inputValue()).toBe("");
  await field.focus();
  await page.keyboard.insertText("pasted from a manager, 40 characters long");
  expect(await field.inputValue()).toBe("pasted from a manager, 40 characters long");
  await page.getByRole("button", { name: "Show" }).click();
  expect(await field.getAttribute("type")).toBe("text");
  await page.getByRole("button", { name: "Hide" }).click();
  expect(await field.getAttribute("type")).toBe("password");
  await context.close();
});

test("axe finds nothing on any page, and nothing is wider than a small phone", { timeout: 120_000 }, async () => {
  const { context, page, complaints } = await open();
  const look = async (name: string) => {
    const shots = process.env["SHOTS"];
    for (const [size, viewport] of shots === undefined ? [] : Object.entries({ desk, phone })) {
      await page.setViewportSize(viewport);
      await page.screenshot({ path: `${shots}/${name}-${size}.png`, fullPage: true, animations: "disabled" });
    }
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
    expect(violations.map(({ id, nodes }) => `${name}: ${id} ${nodes[0]?.html}`)).toEqual([]);
    await page.setViewportSize({ width: 320, height: 640 });
    const wider = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth");
    expect(wider, `${name} is wider than 320 px`).toBe(false);
    await page.setViewportSize(phone);
  };

  await page.goto("/sign-in");
  await look("sign-in");
  await crowd();
  await page.goto("/renew");
  await page.locator("[data-line]").waitFor();
  await look("line");
  await crowdGoes();
  await page.goto("/sign-up");
  await look("sign-up");
  await page.getByLabel("E-mail address").fill("looks@example.org");
  await page.getByLabel("New password").fill("houselights houselights");
  await page.getByLabel("Your name").fill("Ada");
  await page.getByRole("button", { name: "Mail me the code" }).click();
  await page.locator("#password-error").waitFor();
  await look("sign-up-refused");
  await signUp(page, "looks@example.org");
  await look("account-created");
  await page.goto("/sign-up/confirm");
  await look("confirm");

  await page.goto("/sign-in");
  await signIn(page, "looks@example.org");
  await page.waitForURL(`${service.publicOrigin}/`);
  await look("unbuilt");
  await page.goto("/sign-out");
  await look("sign-out");
  await page.goto("/link");
  await look("link");
  await page.getByLabel("Code on the screen").fill("BBBB-BBBB");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.locator("#code-error").waitFor();
  await look("link-refused");
  for (const network of ["127.0.0.1", "203.0.113.9"]) {
    const link = await askLink(service.needs, { class: "tv", label: "Living-room TV", network });
    await page.goto("/link");
    await page.getByLabel("Code on the screen").fill(spacedCode(link.userCode));
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("button", { name: "Approve" }).waitFor();
    await look(network === "127.0.0.1" ? "link-same-network" : "link-other-network");
    await page.getByRole("button", { name: network === "127.0.0.1" ? "Approve" : "Refuse" }).click();
    await page.waitForURL(/\/link\/(approved|denied)/);
    await look(network === "127.0.0.1" ? "link-approved" : "link-denied");
  }
  await page.goto("/renew/done");
  await look("renew-done");
  await page.goto(`/not-me#${"A".repeat(64)}`);
  expect(await page.getByLabel("The last part of the letter's address").isVisible()).toBe(false);
  expect(page.url()).toBe(`${service.publicOrigin}/not-me`);
  await look("not-me");
  await page.getByRole("button", { name: "It was not me" }).click();
  await page.locator("#token-error").waitFor();
  await look("not-me-refused");
  await page.goto("/not-me/done?rest=gone");
  await look("not-me-done");

  await context.clearCookies();
  await contained(service);
  await page.goto("/sign-in");
  await look("sign-in-contained");
  await signIn(page, "looks@example.org", "the wrong one entirely");
  await page.locator("#password-error").waitFor();
  await look("sign-in-contained-refused");
  await page.goto("/renew");
  await look("renew");
  await page.getByLabel("E-mail address").fill("looks@example.org");
  await page.getByRole("button", { name: "Mail me the code" }).click();
  await page.waitForURL("**/renew/code");
  expect(await page.getByLabel("E-mail address").inputValue()).toBe("looks@example.org");
  await look("renew-code");
  await page.getByLabel("Code from the letter").fill("BBBBB-BBBBB");
  await page.getByLabel("New password").fill("seven quiet boats in the harbour");
  await page.getByRole("button", { name: "Set my new password" }).click();
  await page.locator("#code-error").waitFor();
  await look("renew-code-refused");
  await page.goto("/notice");
  await look("notice-check");
  await page.getByLabel("Reference").fill("hl-2026-7kq4");
  await page.getByRole("button", { name: "Check" }).click();
  await page.getByText("This reference is genuine").waitFor();
  expect(await page.locator(".letter b").count()).toBe(0);
  // The facts' names are long: what they name has room for whole words all the same.
  const shares = await page
    .locator(".facts")
    .evaluate((list) => [...list.querySelectorAll("dd")].map((fact) => fact.clientWidth / list.clientWidth));
  expect(shares.length).toBeGreaterThan(1);
  for (const share of shares) expect(share).toBeGreaterThan(0.5);
  await look("notice");
  await page.goto("/notice/HL-2026-0000");
  await look("notice-unknown");
  await page.goto("/nothing/here");
  await look("not-found");
  expect(complaints.filter((text) => !text.includes("503"))).toEqual([]);
  await context.close();
});

test("after a containment the page to sign in is no wider than a telephone at twice the size of text, in any language", async () => {
  service.state.notice = { reference: "HL-2026-9ZZZ", renewPasswordsSetBefore: systemClock.now() };
  for (const locale of ["en", "de", "fr", "es", "ja"]) {
    const { context, page } = await open({ locale });
    await page.goto("/sign-in");
    await page.getByText("HL-2026-9ZZZ").waitFor();
    await page.evaluate("document.documentElement.style.fontSize = '200%'");
    const wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    expect(await page.evaluate(wider), locale).toBe(0);
    await context.close();
  }
});
