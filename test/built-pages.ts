import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
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

const cache = join(import.meta.dirname, "..", "node_modules", ".cache", "houselights-pages");
/** What a run has made may be another's, which goes on. */
const keptMs = 60 * 60_000;

/** The folder of the built application. It is named by all that it is made of, so that it is built once, whoever asks. */
async function builtOnce(): Promise<string> {
  const made = createHash("sha256");
  const sources = globSync(["web/**/*.*", "src/wire/**/*.*"], { exclude: ["web/dist/**"] });
  for (const path of [...sources.toSorted(), "package-lock.json"]) made.update(path).update(await readFile(path));
  const folder = join(cache, made.digest("hex").slice(0, 16));
  if (existsSync(folder)) {
    const now = Date.now() / 1_000;
    await utimes(folder, now, now);
    return folder;
  }
  await mkdir(cache, { recursive: true });
  for (const name of await readdir(cache)) {
    const old = join(cache, name);
    // Another file of the run may be at the same.
    const made = await stat(old).catch(() => undefined);
    if (made !== undefined && Date.now() - made.mtimeMs > keptMs) await rm(old, { recursive: true, force: true });
  }
  const draft = await mkdtemp(join(cache, ".draft-"));
  // In a process of its own: under the tests' NODE_ENV, React would be the development build.
  await promisify(execFile)(
    process.execPath,
    ["node_modules/vite/bin/vite.js", "build", "--config", "web/vite.config.ts", "--outDir", draft],
    { env: { ...process.env, NODE_ENV: "production" } },
  );
  // Somebody else may have been quicker.
  await rename(draft, folder).catch(() => rm(draft, { recursive: true }));
  return folder;
}

/** They are reset before each test, and closed after the last. Call it at the top of a test file. */
export async function builtPages(): Promise<BuiltPages> {
  const folder = await builtOnce();
  const shared = { configFile: "web/vite.config.ts", logLevel: "silent" } as const;
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
