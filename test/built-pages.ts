import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser, Page } from "playwright-core";
import { preview } from "vite";
import { afterAll, beforeEach } from "vitest";
import { launchChromium } from "./chromium.ts";

/** The built application under the real content security policy, with the pretended API of web/dev. */
export interface BuiltPages {
  readonly origin: string;
  readonly browser: Browser;
  /** Has the pretended service be in a state, as web/dev names them. */
  readonly set: (state: string) => Promise<unknown>;
}

/** As it is while nothing has happened. */
const quiet = ["sign-in", "events?state=full", "deletion?state=none", "case?state=none", "library?state=full"];

/** They are reset before each test, and closed after the last. Call it at the top of a test file. */
export async function builtPages(): Promise<BuiltPages> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-web-"));
  const shared = { configFile: "web/vite.config.ts", logLevel: "silent" } as const;
  // In a process of its own: under the tests' NODE_ENV, React would be the development build.
  await promisify(execFile)(
    process.execPath,
    ["node_modules/vite/bin/vite.js", "build", "--config", "web/vite.config.ts", "--outDir", folder],
    { env: { ...process.env, NODE_ENV: "production" } },
  );
  const server = await preview({ ...shared, build: { outDir: folder }, preview: { port: 0 } });
  const origin = server.resolvedUrls?.local[0]?.replace(/\/$/, "") ?? "";
  const browser = await launchChromium();
  const set = (state: string) => fetch(`${origin}/dev/${state}`);
  beforeEach(async () => {
    for (const state of quiet) await set(state);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { origin, browser, set };
}

/** Ids of the pretended service, by number. */
export const pretendedId = (number: number): string => `0190aaaa-bbbb-7ccc-8ddd-${String(number).padStart(12, "0")}`;

/** Closes a page with everything around it. What answers in place of the service may be at it still: its failing then is nobody's. */
export async function leave(page: Page): Promise<void> {
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.context().close();
}
