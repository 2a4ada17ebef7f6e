import { mkdir, rename } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sessionCookie } from "../src/http/cookies.ts";
import { makeFixture, type FixtureKind } from "./media-fixtures.ts";
import { launchChromium } from "./chromium.ts";
import { eventually, runningService, type RunningService } from "./running-service.ts";

/**
 * P16: what lies in the folder plays in a browser. Each difficult file is scanned by the real worker, streamed by the
 * real web process, and its picture advances in Chromium. (That every segment decodes with ffmpeg is the engine's test.)
 */
let service: RunningService;
let browser: Browser;
let page: Page;
let cookie = "";

/** Fixture → the title's name in the library. */
const films: Partial<Record<FixtureKind, string>> = {
  "h264-aac-mp4": "Plain",
  "mkv-bframes-ac3-51": "Loud",
  "vp9-opus-webm": "Web",
  "mpeg2-ts": "Broadcast",
  "h264-23976-subtitles-mkv": "Spoken",
  "truncated-mp4": "Cut Short",
  "hostile-name": "Hostile",
};

beforeAll(async () => {
  service = await runningService({}, async (libraryDir) => {
    for (const [kind, name] of Object.entries(films)) {
      const folder = join(libraryDir, `${name} (2020)`);
      await mkdir(folder, { recursive: true });
      const made = await makeFixture(kind as FixtureKind, folder);
      // The hostile one keeps its own name: quotes, a line end and a leading dash are what it is about.
      if (kind !== "hostile-name") await rename(made, join(folder, `${name} (2020)${extname(made)}`));
      else expect(basename(made)).toMatch(/^-/);
    }
  });
  browser = await launchChromium();
  const operator = await service.api("POST", "/api/operator-sessions", { body: { secret: service.operatorLink() } });
  cookie = operator.cookie ?? "";
  const context = await browser.newContext({ viewport: { width: 960, height: 540 } });
  await context.addCookies([
    {
      name: sessionCookie,
      value: cookie,
      domain: new URL(service.origin).hostname,
      path: "/",
      secure: true,
      httpOnly: true,
      sameSite: "Lax",
    },
  ]);
  page = await context.newPage();
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await service?.remove();
}, 60_000);

interface ListedTitle {
  readonly id: string;
  readonly name: string;
  readonly playable: boolean;
  readonly problem: string | null;
}

const listed = (wanted: string): Promise<ListedTitle> =>
  eventually(
    `the title ${wanted}`,
    async () => {
      const list = await service.api("GET", "/api/titles", { cookie });
      const titles = (list.body["titles"] ?? []) as ListedTitle[];
      return titles.find(
        ({ name, playable }) => playable && (name === wanted || (wanted === "Hostile" && /[-"']/.test(name))),
      );
    },
    90_000,
  );

test.each(Object.values(films))(
  "%s: the picture advances",
  async (name) => {
    const { id } = await listed(name);
    await page.goto(`${service.origin}/watch/${id}`);
    const state = `(() => {
      const video = document.querySelector("video");
      return video === null ? null : [video.currentTime, video.getVideoPlaybackQuality().totalVideoFrames, video.error?.message ?? ""];
    })()`;
    const shown = await eventually(
      `${name} to play`,
      async () => {
        const now = (await page.evaluate(state)) as [number, number, string] | null;
        if (now === null) return undefined;
        expect(now[2]).toBe("");
        return now[0] > 2.5 && now[1] > 30 ? now : undefined;
      },
      90_000,
    );
    expect(shown[1]).toBeGreaterThan(30);
  },
  120_000,
);
