import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sessionCookie } from "../src/http/cookies.ts";
import type { Grant } from "../src/wire/titles.ts";
import { launchChromium } from "./chromium.ts";
import { eventually, runningService, type RunningService } from "./running-service.ts";

/** Pictures of a film's places, made by the real worker, as people see them who look for a place: by pointer, finger, keys, remote. */
const run = promisify(execFile);
const colours = ["red", "lime", "blue", "white", "yellow", "magenta"] as const;
const rgbOf: readonly (readonly number[])[] = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
  [255, 255, 255],
  [255, 255, 0],
  [255, 0, 255],
];
let service: RunningService;
let browser: Browser;
let cookie = "";
let titleId = "";

beforeAll(async () => {
  service = await runningService({}, async (libraryDir) => {
    await mkdir(libraryDir, { recursive: true });
    const sources = colours.flatMap((colour) => [
      "-f",
      "lavfi",
      "-i",
      `color=${colour}:size=640x360:rate=12:duration=10`,
    ]);
    const graph = `${colours.map((_colour, at) => `[${at}:v]`).join("")}concat=n=${colours.length}`;
    const codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "24"];
    const path = join(libraryDir, "Colours (2020).mp4");
    await run("ffmpeg", ["-v", "error", "-nostdin", ...sources, "-filter_complex", graph, ...codec, path]);
  });
  browser = await launchChromium();
  cookie = await service.operatorCookie();
  const listed = await eventually(
    "the film",
    async () => {
      const { body } = await service.api("GET", "/api/titles", { cookie });
      return (body["titles"] as { id: string; playable: boolean }[]).find(({ playable }) => playable);
    },
    60_000,
  );
  titleId = listed.id;
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await service?.remove();
}, 60_000);

const grant = async (): Promise<Grant> => {
  const { status, body } = await service.api("POST", `/api/titles/${titleId}/grants`, { cookie, body: {} });
  expect(status).toBe(201);
  return body as unknown as Grant;
};

async function open(width: number, height: number, path: string, hasTouch = false): Promise<Page> {
  const context = await browser.newContext({ viewport: { width, height }, hasTouch });
  const domain = new URL(service.origin).hostname;
  await context.addCookies([
    { name: sessionCookie, value: cookie, domain, path: "/", secure: true, httpOnly: true, sameSite: "Lax" },
  ]);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  faultsOf.set(page, faults);
  await page.goto(`${service.origin}${path}`);
  return page;
}
const faultsOf = new WeakMap<Page, string[]>();

const playing = (page: Page) =>
  expect
    .poll(
      () =>
        page.evaluate(
          "document.querySelector('video')?.currentTime > 0.2 && customElements.get('media-time-range') !== undefined",
        ),
      { timeout: 60_000 },
    )
    .toBe(true);

/** What a canvas shows in its middle, as a place in the list of colours; undefined while it shows nothing or is not seen. */
async function shown(page: Page, slot: "preview" | "current"): Promise<number | undefined> {
  const rgb = (await page.evaluate(`(() => {
    const canvas = document.querySelector("canvas[slot=${slot}]");
    if (canvas === null || canvas.hidden || !canvas.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return null;
    const box = canvas.getBoundingClientRect();
    if (box.left < 0 || box.right > innerWidth || box.top < 0 || box.width < 100) return null;
    const pixel = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    return pixel[3] === 0 ? null : [...pixel.slice(0, 3)];
  })()`)) as number[] | null;
  if (rgb === null) return undefined;
  const distances = rgbOf.map((one) => one.reduce((sum, value, at) => sum + Math.abs(value - (rgb[at] ?? 0)), 0));
  return distances.indexOf(Math.min(...distances));
}

async function pointAt(page: Page, share: number): Promise<void> {
  const box = (await page.locator("media-time-range").boundingBox()) ?? expect.fail("no time line");
  const [padding, y] = [10, box.y + box.height / 2];
  await page.mouse.move(box.x + padding + share * (box.width - 2 * padding), y, { steps: 3 });
}

test("the worker makes them once the film can be played, and only the grant opens them", async () => {
  const { pictures } = await eventually(
    "the pictures",
    async () => {
      const found = await grant();
      return found.pictures === null ? undefined : found;
    },
    60_000,
  );
  const cues = await fetch(`${service.origin}${pictures}`);
  expect([cues.status, cues.headers.get("cache-control")]).toEqual([200, "private, no-store"]);
  expect((await cues.text()).match(/0\.jpg#xywh=/g)).toHaveLength(6);
}, 90_000);

test.each([
  ["a laptop", 1280, 720],
  ["a telephone", 390, 780],
])(
  "on %s the picture of the place that is pointed at stands over the time line",
  async (what, width, height) => {
    const page = await open(width, height, `/watch/${titleId}?from=start`);
    await playing(page);
    for (const place of [3, 0, 5, 2]) {
      await pointAt(page, (place + 0.5) / 6);
      await expect.poll(() => shown(page, "preview"), { timeout: 10_000 }).toBe(place);
    }
    if (process.env["SCRUB_SCREENSHOTS"] !== undefined) {
      await page.screenshot({ path: join(process.env["SCRUB_SCREENSHOTS"], `${what.replace(" ", "-")}.png`) });
    }
    expect(await shown(page, "current")).toBeUndefined();
    await page.mouse.move(width / 2, 100);
    await expect.poll(() => shown(page, "preview")).toBeUndefined();
    expect(faultsOf.get(page)).toEqual([]);
    await page.context().close();
  },
  90_000,
);

test("a finger that drags along the time line shows the place under it, until it is lifted", async () => {
  const page = await open(390, 780, `/watch/${titleId}?from=start`, true);
  await playing(page);
  const line = (await page.locator("media-time-range").boundingBox()) ?? expect.fail("no time line");
  const touches = await page.context().newCDPSession(page);
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", share?: number) =>
    touches.send("Input.dispatchTouchEvent", {
      type,
      touchPoints:
        share === undefined ? [] : [{ x: line.x + 10 + share * (line.width - 20), y: line.y + line.height / 2 }],
    });
  // The controls are hidden until the film is touched.
  await page.touchscreen.tap(195, 390);
  await expect.poll(() => page.locator("media-controller").getAttribute("userinactive")).toBeNull();
  await touch("touchStart", 0.5 / 6);
  for (const place of [1, 4, 2]) {
    await touch("touchMove", (place + 0.5) / 6);
    await expect.poll(() => shown(page, "preview"), { timeout: 10_000 }).toBe(place);
  }
  await touch("touchEnd");
  await expect.poll(() => shown(page, "preview")).toBeUndefined();
  await expect
    .poll(async () => Math.trunc(((await page.evaluate("document.querySelector('video').currentTime")) as number) / 10))
    .toBe(2);
  expect(faultsOf.get(page)).toEqual([]);
  await page.context().close();
}, 90_000);

test("keys show the place that they reach, for a while", async () => {
  const page = await open(1280, 720, `/watch/${titleId}?from=start`);
  await playing(page);
  await page.keyboard.press("k");
  for (const place of [1, 2, 3]) {
    await page.keyboard.press("ArrowRight");
    await expect.poll(() => shown(page, "current"), { timeout: 10_000 }).toBe(place);
  }
  await page.keyboard.press("ArrowLeft");
  await expect.poll(() => shown(page, "current")).toBe(2);
  if (process.env["SCRUB_SCREENSHOTS"] !== undefined) {
    await page.screenshot({ path: join(process.env["SCRUB_SCREENSHOTS"], "keys.png") });
  }
  // Over the place itself.
  const [picture, line] = [
    await page.locator("canvas[slot=current]").boundingBox(),
    await page.locator("media-time-range").boundingBox(),
  ];
  const middle = (picture?.x ?? 0) + (picture?.width ?? 0) / 2;
  const share = (middle - (line?.x ?? 0)) / (line?.width ?? 1);
  expect(Math.abs(share - 20 / 60)).toBeLessThan(0.05);
  await expect.poll(() => shown(page, "current"), { timeout: 10_000 }).toBeUndefined();
  expect(faultsOf.get(page)).toEqual([]);
  await page.context().close();
}, 90_000);

test("on a television the remote's keys show it, large enough for the room", async () => {
  const page = await open(1920, 1080, "/tv");
  await page.locator(".tv-card, [data-title], button, a").first().waitFor({ timeout: 30_000 });
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await playing(page);
  await page.keyboard.press("Enter");
  const from = Math.round((await page.evaluate("document.querySelector('video').currentTime")) as number);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => shown(page, "current"), { timeout: 10_000 }).toBe(Math.trunc((from + 20) / 10));
  expect((await page.locator("canvas[slot=current]").boundingBox())?.width).toBeGreaterThan(400);
  if (process.env["SCRUB_SCREENSHOTS"] !== undefined) {
    await page.screenshot({ path: join(process.env["SCRUB_SCREENSHOTS"], "tv.png") });
  }
  expect(faultsOf.get(page)).toEqual([]);
  await page.context().close();
}, 90_000);

test("after a containment not one of them is seen or given any more", async () => {
  const { pictures } = await grant();
  const page = await open(1280, 720, `/watch/${titleId}`);
  await playing(page);
  await pointAt(page, 0.5);
  await expect.poll(() => shown(page, "preview"), { timeout: 10_000 }).toBe(3);
  const sheet = `${service.origin}${pictures?.replace("cues.vtt", "0.jpg")}`;
  expect((await fetch(sheet)).status).toBe(200);
  const contained = await service.command("incident", "contain", "--reason", "a copy is offered for sale", "--yes");
  expect([contained.code, contained.err]).toEqual([0, contained.err]);
  expect((await fetch(sheet)).status).toBe(403);
  expect((await fetch(`${service.origin}${pictures}`)).status).toBe(403);
  await page.locator("[data-state=dark]").waitFor({ timeout: 10_000 });
  expect(await page.locator("canvas").count()).toBe(0);
  await page.context().close();
}, 90_000);
