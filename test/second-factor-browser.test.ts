import { join } from "node:path";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { secondMs } from "../src/kernel/clock.ts";
import { launchChromium, loseSession } from "./chromium.ts";
import { goodPassword, testService } from "./service.ts";
import { authenticatorOf } from "./totp-app.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";

/** Second factors as people meet them, in a real browser: set up in the account, asked for at sign-in and renewal. */
const port = await freePort();
const service = await testService({ settings: { PORT: String(port) } });
const origin = service.ground.config.publicOrigin;
const pictures = process.env["PICTURES"];
let browser: Browser;

beforeAll(async () => {
  await service.web.listen("127.0.0.1", port);
  browser = await launchChromium();
}, 120_000);
afterAll(async () => {
  await browser?.close();
});

async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<readonly { readonly id: string; readonly nodes: readonly { target: unknown }[] }[]>(
    "axe.run(document).then((result) => result.violations)",
  );
  return found.map((one) => `${one.id} at ${JSON.stringify(one.nodes.map(({ target }) => target))}`);
}

async function looks(page: Page, name: string): Promise<void> {
  expect(await violations(page), name).toEqual([]);
  expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), name).toBeLessThanOrEqual(0);
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

test("set up in the account, asked for at sign-in and at renewal, a recovery code in its place, and removed", async () => {
  const address = "ada@example.org";
  await service.account(address, goodPassword, "Ada");
  const context = await browser.newContext({
    baseURL: origin,
    viewport: { width: 390, height: 844 },
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  const signIn = async (password: string) => {
    await page.goto("/sign-in?next=/account");
    await page.getByLabel("E-mail address").fill(address);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
  };

  await signIn(goodPassword);
  await page.getByRole("button", { name: "Set up an app" }).click();
  await page.locator(".qr-code").waitFor();
  await looks(page, "second-factor-set-up");
  const key = ((await page.locator(".typed-key").textContent()) ?? "").replaceAll(" ", "");
  const app = authenticatorOf(service, key);
  await page.getByLabel("Code that the app shows").fill(app.code());
  await page.getByRole("button", { name: "Turn it on" }).click();
  await page.locator(".recovery-codes li").first().waitFor();
  const codes = await page.locator(".recovery-codes li").allTextContents();
  expect(codes).toHaveLength(10);
  await looks(page, "second-factor-codes");
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByText("10 codes left").waitFor();
  await looks(page, "second-factor-account");

  await loseSession(page);
  await signIn(goodPassword);
  await page.waitForURL("**/sign-in/code?next=*");
  await looks(page, "second-factor-step");
  await page.getByLabel("Code", { exact: true }).fill("BCDF GHJK LMNP QRST");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("This code is wrong, or was used already.").waitFor();
  await looks(page, "second-factor-wrong");
  service.clock.advance(30 * secondMs);
  await page.getByLabel("Code", { exact: true }).fill(app.code());
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL("**/account");

  await loseSession(page);
  await signIn(goodPassword);
  await page.getByLabel("Code", { exact: true }).fill(codes[0] ?? "");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL("**/account");
  await page.getByText("9 codes left").waitFor();

  await loseSession(page);
  await page.goto("/renew");
  await page.getByLabel("E-mail address").fill(address);
  await page.getByRole("button", { name: "Mail me the code" }).click();
  await page.waitForURL("**/renew/code");
  const mailed = (await service.letters()).find(({ letter, to }) => to === address && letter === "renewal code");
  await page.getByLabel("Code from the letter").fill(mailed?.code ?? "");
  await page.getByLabel("New password").fill("eleven owls above the orchard");
  await page.getByRole("button", { name: "Set my new password" }).click();
  await page.getByText("Your mailbox is proved.").waitFor();
  await looks(page, "second-factor-renewal");
  service.clock.advance(30 * secondMs);
  await page.locator("#secondFactor").fill(app.code());
  await page.getByLabel("New password").fill("eleven owls above the orchard");
  await page.getByRole("button", { name: "Set my new password" }).click();
  await page.waitForURL("**/renew/done");

  service.clock.advance(30 * secondMs);
  await signIn("eleven owls above the orchard");
  await page.getByLabel("Code", { exact: true }).fill(app.code());
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL("**/account");
  // A while later the dialog asks for both.
  service.clock.advance(600 * secondMs);
  await page.getByRole("button", { name: "Make new codes" }).click();
  await page.getByLabel("Code of your second factor").waitFor();
  await looks(page, "second-factor-proof");
  await page.locator("#proof-password").fill("eleven owls above the orchard");
  await page.getByLabel("Code of your second factor").fill(app.code());
  await page.getByRole("button", { name: "Go on" }).click();
  await page.locator(".recovery-codes li").first().waitFor();
  await page.getByRole("button", { name: "I have kept them" }).click();

  // As a containment leaves it that doubts what was added since the copy.
  await service.ground.plainDb.run(`update totp set doubted_at = added_at`);
  await page.reload();
  await page.getByText("and not asked for now").waitFor();
  await looks(page, "second-factor-set-aside");
  service.clock.advance(30 * secondMs);
  await page.getByRole("button", { name: "It is mine, keep it" }).click();
  await page.getByLabel("Code that the app shows").fill(app.code());
  await looks(page, "second-factor-keep");
  await page.locator("dialog").getByRole("button", { name: "It is mine, keep it" }).click();
  await page.getByText("The app is asked for again.").waitFor();

  await page.getByRole("button", { name: "Remove the app" }).click();
  await page.locator("dialog").getByLabel("Current password").fill("eleven owls above the orchard");
  await page.locator("dialog").getByRole("button", { name: "Remove the app" }).click();
  await page.getByText("The app is no longer asked for.").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
}, 180_000);
