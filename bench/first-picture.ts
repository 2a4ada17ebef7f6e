import { access, copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium, type Browser } from "playwright-core";
import { sessionCookie } from "../src/http/cookies.ts";
import { eventually, runningService } from "../test/running-service.ts";
import type { Bench, Measured } from "./bench.ts";
import { median } from "./report.ts";

const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Puts the film into a library as a person would. */
export const asLibrary =
  (film: string) =>
  async (libraryDir: string): Promise<void> => {
    const folder = join(libraryDir, "The Long Evening (2026)");
    await mkdir(folder, { recursive: true });
    await copyFile(film, join(folder, "The Long Evening (2026).mp4"));
  };

/**
 * Milliseconds from the navigation's start to the first frame of the film on the screen, by the page's own clock: a
 * signed-in browser with nothing in its cache opens the watch page of a service that has served it before.
 */
export async function measureFirstPicture(bench: Bench, film: string, pictures: number): Promise<Measured> {
  const service = await runningService({ HASH_THREADS: "", LOG_LEVEL: "warn" }, asLibrary(film));
  bench.onEnd(() => service.remove());
  const { cookie = "" } = await service.api("POST", "/api/operator-sessions", {
    body: { secret: service.operatorLink() },
  });
  const titleId = await eventually("the film in the library", async () => {
    const { body } = await service.api("GET", "/api/titles", { cookie });
    const [title] = (body["titles"] ?? []) as { readonly id: string }[];
    return title?.id;
  });

  const browser = await chromium.launch({
    executablePath: await installedBrowser(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--autoplay-policy=no-user-gesture-required",
    ],
  });
  bench.onEnd(() => browser.close());
  const look = () => firstPictureMs(browser, { origin: service.origin, titleId, cookie });
  for (let warm = 0; warm < 2; warm++) await look();
  const took: number[] = [];
  for (let picture = 0; picture < pictures; picture++) took.push(await look());
  return {
    figures: { firstPictureMs: median(took), firstPictureWorstMs: Math.max(...took) },
    what: {
      firstPictureMs: "in Chromium with an empty cache, from the navigation to the first frame of a film served before",
      firstPictureWorstMs: `the slowest of ${pictures}`,
    },
  };
}

interface Visit {
  readonly origin: string;
  readonly titleId: string;
  readonly cookie: string;
}

/** Each visit in a context of its own, which has an empty cache. */
async function firstPictureMs(browser: Browser, { origin, titleId, cookie }: Visit): Promise<number> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 } });
  try {
    await context.addCookies([
      { name: sessionCookie, value: cookie, url: origin.replace("http:", "https:"), secure: true, httpOnly: true },
    ]);
    const page = await context.newPage();
    await page.goto(`${origin}/watch/${titleId}`, { waitUntil: "commit" });
    await page.waitForSelector("[data-first-picture-at]", { timeout: 20_000 });
    // Written as text: it runs in the page, whose types are not this program's.
    const ms: unknown = await page.evaluate(
      `Number(document.querySelector("[data-first-picture-at]").dataset.firstPictureAt) - performance.timeOrigin`,
    );
    if (typeof ms !== "number" || !(ms > 0)) throw new Error("the page does not say when its first picture was");
    return ms;
  } finally {
    await context.close();
  }
}

async function installedBrowser(): Promise<string> {
  for (const path of browsers) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new Error("no Chromium on this machine; hint: as root: apt-get install chromium");
}
