import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { builtPages, leave, pretendedId } from "./built-pages.ts";

/*
 * The built application where the service says nothing, stops answering in the middle of something, or is lost with the network:
 * a page never waits for ever, says whether something was done, and keeps what was typed. The browser's clock is moved on, so
 * that nobody waits for the limits.
 */
const { origin, browser: chrome, set } = await builtPages();
const id = pretendedId;
const film = id(101);
const [phone, television] = [
  { width: 390, height: 844 },
  { width: 1_920, height: 1_080 },
];

async function newPage(viewport = phone): Promise<Page> {
  const context = await chrome.newContext({ baseURL: origin, viewport, locale: "en-US", reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.clock.install();
  return page;
}

const saysNothing = () => undefined;

test.each([
  { path: "/", asks: "**/api/titles*", shows: ".shelf-grid img" },
  { path: "/?search=signal", asks: "**/api/titles*", shows: ".shelf-grid" },
  { path: `/title/${film}`, asks: `**/api/titles/${film}`, shows: ".title-words h1" },
  { path: "/account", asks: "**/api/account", shows: "#event-list" },
  { path: "/account", asks: "**/api/account/events", shows: "#event-list" },
  { path: "/console", asks: "**/api/console", shows: ".figures" },
  { path: `/console/incident/${id(7_000)}`, asks: "**/api/incidents/*", shows: ".state-steps" },
  { path: "/console/copy", asks: "**/api/stolen-copy", shows: ".copy-table" },
  { path: "/mailbox", asks: "**/api/mailbox", shows: ".letter-frame" },
  { path: "/tv", asks: "**/api/titles*", shows: ".tv-row button" },
  { path: `/watch/${film}`, asks: "**/grants", shows: "[data-state=playing]" },
])("$path without an answer to $asks says so, and asks again when told to", async ({ path, asks, shows }) => {
  if (path.includes("incident")) await set("case?state=notifying");
  const page = await newPage();
  await page.route(asks, saysNothing);
  const asked = page.waitForRequest(asks);
  await page.goto(path);
  await asked;
  const failed = page.locator(".failed", { hasText: "The service does not answer" });
  expect(await failed.count()).toBe(0);
  await page.clock.fastForward(61_000);
  await failed.waitFor();
  await page.unroute(asks);
  await failed.getByRole("button", { name: "Try again" }).click();
  await page.waitForSelector(shows, { state: "attached" });
  await leave(page);
});

test("a page whose code does not come says that it takes long, and can be asked for anew", async () => {
  const page = await newPage();
  let asked = 0;
  await page.route("**/assets/account-page-*.js", (route) => (asked++ === 0 ? undefined : route.continue()));
  await page.goto("/");
  await page.getByRole("link", { name: "Account" }).click();
  const isSlow = page.getByText("This is taking longer than usual");
  await expect
    .poll(
      async () => {
        await page.clock.fastForward(3_000);
        return isSlow.count();
      },
      { timeout: 15_000 },
    )
    .toBe(1);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.waitForSelector("#event-list", { state: "attached" });
  await leave(page);
});

async function typePasswords(page: Page) {
  const section = page.locator("section[aria-labelledby=password]");
  await section.locator("[name=currentPassword]").fill("what it was before this evening");
  await section.locator("[name=newPassword]").fill("what it is going to be from now on");
  return section;
}

test("an act that gets no answer is said to have been done or not, and what was typed stays", async () => {
  const page = await newPage();
  await page.goto("/account");
  await page.waitForSelector("#event-list", { state: "attached" });
  for (const loses of [saysNothing, "gone", 504] as const) {
    await page.route("**/api/password", (route) =>
      loses === "gone" ? route.abort() : loses === 504 ? route.fulfill({ status: 504, body: "" }) : undefined,
    );
    const section = await typePasswords(page);
    const asked = page.waitForRequest("**/api/password");
    await page.keyboard.press("Enter");
    await asked;
    if (loses === saysNothing) await page.clock.fastForward(61_000);
    await section.getByRole("alert").filter({ hasText: "this may have been done or not" }).waitFor();
    expect(await section.locator("[name=newPassword]").inputValue()).toBe("what it is going to be from now on");
    expect(await section.getByRole("button", { name: "Change password" }).isEnabled()).toBe(true);
    await page.unroute("**/api/password");
  }
  // Without a network it was certainly not sent.
  await page.context().setOffline(true);
  const section = await typePasswords(page);
  await page.keyboard.press("Enter");
  const told = section.getByRole("alert").filter({ hasText: "Nothing was lost" });
  await told.waitFor();
  // Above the word about the lost network, which stands over the page's end.
  const [under, over] = [await told.boundingBox(), await page.locator(".offline").boundingBox()];
  expect((under?.y ?? 0) + (under?.height ?? 0)).toBeLessThanOrEqual(over?.y ?? 0);
  await leave(page);
});

test("what was typed into a page stays when something on it cannot be asked for again", async () => {
  const page = await newPage();
  await page.goto("/account");
  await page.waitForSelector("#event-list", { state: "attached" });
  const section = await typePasswords(page);
  let refused = 0;
  await page.route("**/api/sessions", (route) => {
    refused += 1;
    return route.fulfill({ status: 500, body: "{}" });
  });
  for (let tries = 0; refused < 4 && tries < 20; tries++) await page.clock.runFor(5_000);
  expect(refused).toBeGreaterThanOrEqual(4);
  expect(await section.locator("[name=newPassword]").inputValue()).toBe("what it is going to be from now on");
  expect(await page.locator(".failed").count()).toBe(0);
  await leave(page);
});

test("whoever signs out is told when that did not reach the service, in the manner of what went wrong", async () => {
  const page = await newPage();
  await page.goto("/account");
  await page.waitForSelector("#event-list", { state: "attached" });
  await page.route("**/api/sessions/*", (route) => route.abort());
  const devices = page.locator("section[aria-labelledby=devices]");
  // Of this device, and of another.
  for (const place of [0, 1]) {
    const button = devices.locator(".device-list button").nth(place);
    const asked = page.waitForRequest("**/api/sessions/*");
    await button.click();
    await asked;
    await devices.locator(".error-text[role=alert]").waitFor();
    expect(new URL(page.url()).pathname).toBe("/account");
    // It can be tried again.
    await expect.poll(() => button.isEnabled()).toBe(true);
  }
  await leave(page);
});

test("a dialog stays open when words are marked from inside to beyond its edge, and closes by a press beside it", async () => {
  const page = await newPage({ width: 1_366, height: 768 });
  await page.goto("/console");
  await page.getByRole("button", { name: "Find an account" }).click();
  const field = page.locator("dialog[open] input");
  await field.fill("somebody@example.org");
  const box = await field.boundingBox();
  if (box === null) throw new Error("no field");
  await page.mouse.move(box.x + 40, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(20, box.y, { steps: 4 });
  await page.mouse.up();
  expect(await field.inputValue()).toBe("somebody@example.org");
  await page.mouse.click(20, box.y);
  await expect.poll(() => page.locator("dialog[open]").count()).toBe(0);
  await leave(page);
});

test("a film that cannot be played on a TV leads back to the library by OK and by the back key, and to no other page", async () => {
  const page = await newPage(television);
  await page.route("**/grants", (route) =>
    route.fulfill({ status: 409, contentType: "application/problem+json", body: '{"code":"unplayable"}' }),
  );
  for (const leaves of ["ArrowRight", "Backspace"]) {
    await page.goto("/tv");
    await page.waitForSelector(".tv-row button:focus");
    await page.keyboard.press("Enter");
    await page.getByText("The file cannot be played").waitFor();
    await page.waitForSelector(".failed button:focus");
    expect(await page.locator(".failed a").count()).toBe(0);
    await page.keyboard.press(leaves);
    if (leaves === "ArrowRight") await page.keyboard.press("Enter");
    await page.waitForSelector(".tv-row button");
  }
  await leave(page);
});

test("a command is not torn inside of a word at twice the size of text", async () => {
  const page = await newPage();
  await page.route("**/api/console", async (route) => {
    const answer = (await (await route.fetch()).json()) as { disk: object };
    await route.fulfill({
      json: { ...answer, disk: { ...answer.disk, freeBytes: 0, reserveBytes: 0, state: "full" } },
    });
  });
  await page.goto("/console");
  await page.locator(".command").first().waitFor();
  await page.evaluate("document.documentElement.style.fontSize = '200%'");
  const pieces = await page
    .locator(".command > span")
    .evaluateAll((words) => words.map((word) => word.getClientRects().length));
  expect(pieces.length).toBeGreaterThan(3);
  expect(new Set(pieces)).toEqual(new Set([1]));
  expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
  await leave(page);
});
