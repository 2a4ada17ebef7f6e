import { chromium, type Browser, type Page } from "playwright-core";

/** Debian's Chromium without a screen, playing at once and asking nobody on the network for anything. */
export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--autoplay-policy=no-user-gesture-required",
    ],
  });

/**
 * Loses the page's session as a browser does whose cookies are cleared, outside of the application: there it would notice, and leave for the
 * sign-in page by itself while the test leads it elsewhere.
 */
export async function loseSession(page: Page): Promise<void> {
  await page.goto("about:blank").catch(async () => {
    // It was leaving at this very moment, for another reason.
    await page.waitForURL(/\/sign-in/);
    await page.goto("about:blank");
  });
  await page.context().clearCookies();
}
