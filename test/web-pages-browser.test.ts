import axe from "axe-core";
import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";
import { sleep } from "../src/kernel/clock.ts";
import { builtPages, leave as close, pretendedId } from "./built-pages.ts";

/*
 * The built application in a real browser, under the real content security policy, with the pretended API of web/dev: it
 * brings the states that a healthy service does not show (empty, failed, a case half way). The application against the
 * service itself is the breach-day test's part.
 */
const { origin, browser: chrome, set } = await builtPages();
const id = pretendedId;
const film = id(101);

/** Pages that tests have left as they found them, by language: the next one need not start a browser's process, read the code and compile it. */
const left = new Map<string, Page>();
/** The language of a page that can be left so. */
const localeOf = new WeakMap<Page, string>();

async function open(
  path: string,
  viewport: { readonly width: number; readonly height: number },
  locale = "en-US",
  {
    clock = false,
    anew = clock,
  }: {
    /** The page's clock is the test's, for `sooner`. */
    readonly clock?: boolean;
    /** A page of its own: what is done to it cannot be taken back, or it must have read nothing before. */
    readonly anew?: boolean;
  } = {},
): Promise<{ readonly page: Page; readonly complaints: string[] }> {
  const again = anew ? undefined : left.get(locale);
  if (again !== undefined) left.delete(locale);
  const page =
    again ??
    (await (await chrome.newContext({ baseURL: origin, viewport, locale, reducedMotion: "reduce" })).newPage());
  if (!anew) localeOf.set(page, locale);
  if (again !== undefined) await page.setViewportSize(viewport);
  if (clock) await page.clock.install();
  const complaints: string[] = [];
  page.on("console", (message) => {
    // Chromium reports each answer of 400 and above here too; some of these pages are about one.
    if (message.type() === "error" && !message.text().startsWith("Failed to load")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(path);
  return { page, complaints };
}

async function leave(page: Page): Promise<void> {
  const locale = localeOf.get(page);
  if (locale === undefined || left.has(locale)) return close(page);
  await page.unrouteAll({ behavior: "ignoreErrors" });
  for (const heard of ["console", "pageerror", "request"] as const) page.removeAllListeners(heard);
  await page.context().setOffline(false);
  await page.emulateMedia({ media: null });
  page.setDefaultTimeout(30_000);
  await page.goto("about:blank");
  left.set(locale, page);
}

/** Waits for what a page shows, or shows no more, after some time of its own, by its clock and not by ours. */
async function sooner(page: Page, shown: Locator, { gone = false } = {}): Promise<void> {
  while ((await shown.first().isVisible()) === gone) {
    await page.clock.runFor(500);
    // What the page asks for comes by the real clock: it must not seem to be late.
    await sleep(25);
  }
}

async function violations(page: Page): Promise<readonly string[]> {
  if ((await page.evaluate("typeof axe")) === "undefined") await page.evaluate(axe.source);
  const found = await page.evaluate<readonly { readonly id: string; readonly nodes: readonly { target: unknown }[] }[]>(
    "axe.run(document).then((result) => result.violations)",
  );
  return found.map((one) => `${one.id} at ${JSON.stringify(one.nodes.map(({ target }) => target))}`);
}

const phone = { width: 390, height: 844 };
const laptop = { width: 1_440, height: 900 };
const sizes = [phone, laptop, { width: 1_920, height: 1_080 }];

const pages: readonly {
  readonly name: string;
  readonly path: string;
  readonly shows: string;
  readonly state?: string;
}[] = [
  { name: "the library", path: "/", shows: ".shelf-grid img" },
  { name: "an empty library", path: "/", shows: ".empty.is-house", state: "library?state=empty" },
  { name: "a library that failed", path: "/", shows: ".failed", state: "library?state=failed" },
  { name: "a search", path: "/?search=signal", shows: ".shelf-grid" },
  { name: "a search that finds nothing", path: "/?search=zzzz", shows: ".empty" },
  { name: "a film", path: `/title/${id(4)}`, shows: ".title-words h1" },
  { name: "an episode", path: `/title/${film}`, shows: ".episodes" },
  { name: "the player", path: `/watch/${film}`, shows: "[data-state=playing] .settings-button" },
  { name: "a TV with a library", path: "/tv", shows: ".tv-row button" },
  { name: "a TV to be connected while a case is open", path: "/tv", shows: ".tv-qr img", state: "tv-out" },
  { name: "the account", path: "/account", shows: "#event-list" },
  { name: "an account to be deleted", path: "/account", shows: ".notice.is-alarm", state: "deletion?state=planned" },
  { name: "an account to which nothing has happened", path: "/account", shows: ".empty", state: "events?state=empty" },
  { name: "an account whose events failed", path: "/account", shows: ".failed", state: "events?state=failed" },
  { name: "the console", path: "/console", shows: ".figures" },
  { name: "a case", path: `/console/incident/${id(7_000)}`, shows: ".chart canvas", state: "case?state=notifying" },
  { name: "what a stolen copy would show", path: "/console/copy", shows: ".copy-table" },
  { name: "the mailbox", path: "/mailbox", shows: ".letter-frame" },
  { name: "an operator's first visit", path: "/operate#pretended-secret-pretended", shows: "#main h1" },
  { name: "a page that does not exist", path: "/nothing", shows: ".failed" },
];

test("a TV shows the whole letter, by OK, up and down and back alone, and the code again afterwards", async () => {
  await set("case?state=notifying");
  await set("sign-out?reason=silent");
  const { page, complaints } = await open("/tv", { width: 1_920, height: 1_080 });
  await page.waitForSelector(".tv-link .notice button:focus");
  const shots = process.env["SHOTS"];
  if (shots !== undefined) await page.screenshot({ path: `${shots}/tv-notice.png` });
  expect(await page.evaluate("document.documentElement.scrollHeight - innerHeight")).toBeLessThanOrEqual(0);
  await page.keyboard.press("Enter");
  const letter = page.locator(".tv-letter-text");
  await letter.waitFor();
  expect(await letter.textContent()).toContain("What information was involved");
  if (shots !== undefined) await page.screenshot({ path: `${shots}/tv-letter.png` });
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction("document.querySelector('.tv-letter-text').scrollTop > 0");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".tv-qr img");
  await page.keyboard.press("Enter");
  await letter.waitFor();
  await page.keyboard.press("Escape");
  await page.waitForSelector(".tv-qr img");
  expect(complaints).toEqual([]);
  await leave(page);
});

for (const { name, path, shows, state } of pages) {
  test(`${name}: no barrier that axe knows, nothing the policy refuses, nothing wider than the screen`, async () => {
    if (state === "tv-out") {
      await set("case?state=contained");
      await set("sign-out?reason=silent");
    } else if (state !== undefined) await set(state);
    const asksAgain = shows === ".failed";
    const { page, complaints } = await open(path, phone, "en-US", { clock: asksAgain });
    if (asksAgain) await sooner(page, page.locator(shows));
    await page.waitForSelector(shows, { state: "attached" });
    for (const viewport of path === "/" || path === "/tv" ? sizes : sizes.slice(0, 2)) {
      await page.setViewportSize(viewport);
      const shots = process.env["SHOTS"];
      if (shots !== undefined) {
        await page.screenshot({ path: `${shots}/${name.replaceAll(" ", "-")}-${viewport.width}.png`, fullPage: true });
      }
      expect(await violations(page), JSON.stringify(viewport)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    }
    expect(complaints).toEqual([]);
    await leave(page);
  }, 90_000);
}

/** One page of each kind, the longest words and the ones without spaces; every page in every language is a matter of minutes. */
const elsewhere = [
  { locale: "de-AT", path: "/console", shows: ".figures", says: "Jetzt eindämmen", viewport: phone },
  { locale: "fr-CA", path: "/", shows: ".shelf-grid img", says: "Nouveautés", viewport: phone },
  { locale: "es-MX", path: `/title/${film}`, shows: ".episodes", says: "Temporada 1", viewport: laptop },
  { locale: "ja", path: "/account", shows: "#event-list", says: "ほかのすべてをサインアウト", viewport: phone },
];

test.each(elsewhere)(
  "$path in $locale: its words, the document's language, no barrier, nothing wider than the screen",
  async (one) => {
    const { page, complaints } = await open(one.path, one.viewport, one.locale);
    await page.waitForSelector(one.shows, { state: "attached" });
    const shots = process.env["SHOTS"];
    if (shots !== undefined) {
      const name = `${one.locale}${one.path.replaceAll("/", "-")}-${one.viewport.width}`;
      await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
    }
    expect(await page.evaluate("document.documentElement.lang")).toBe(one.locale.split("-")[0]);
    expect(await page.evaluate("document.body.innerText")).toContain(one.says);
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    expect(complaints).toEqual([]);
    await leave(page);
  },
);

/** Buttons whose words stand letter under letter. */
const tornButtons = `[...document.querySelectorAll("button, a[class^=button]")]
  .filter((one) => one.checkVisibility() && one.textContent.trim().length > 3)
  .filter((one) => {
    const size = parseFloat(getComputedStyle(one).fontSize);
    return one.clientWidth < 3.5 * size && one.clientHeight > 4 * size;
  })
  .map((one) => one.textContent)`;

const brokenFigures = `[...document.querySelectorAll(".figure-value")]
  .filter((one) => one.clientHeight > 1.5 * parseFloat(getComputedStyle(one).lineHeight))
  .map((one) => one.textContent)`;

test.each([
  { path: "/", shows: ".shelf-grid img" },
  { path: "/", shows: ".failed", state: "library?state=failed" },
  { path: `/title/${film}`, shows: ".episodes" },
  { path: "/account", shows: "#event-list" },
  { path: "/account", shows: ".failed", state: "events?state=failed" },
  { path: "/console", shows: ".figures" },
  { path: "/mailbox", shows: ".letter-frame" },
])(
  "$path ($shows) in German, at twice the size of text: nothing is wider than a telephone, and no word is torn apart",
  async ({ path, shows, state }) => {
    if (state !== undefined) await set(state);
    const asksAgain = shows === ".failed";
    const { page } = await open(path, phone, "de", { clock: asksAgain });
    if (asksAgain) await sooner(page, page.locator(shows));
    await page.waitForSelector(shows, { state: "attached" });
    await page.evaluate("document.documentElement.style.fontSize = '200%'");
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    expect(await page.evaluate(tornButtons)).toEqual([]);
    // Eight digits stand on one line.
    expect(await page.evaluate(brokenFigures)).toEqual([]);
    await leave(page);
  },
);

test("recovery codes are printed on one sheet, and pages in ink on paper whatever their lights", async () => {
  const { page } = await open("/account", laptop);
  await page.waitForSelector("#event-list", { state: "attached" });
  const sheets = async () => (await page.pdf({ format: "A4" })).toString("latin1").match(/\/Type\s*\/Page\b/g)?.length;
  expect(await sheets()).toBeGreaterThan(1);
  await page.route("**/api/account/recovery-codes", (route) =>
    route.fulfill({ json: { codes: Array.from({ length: 10 }, (_, place) => `ABCD-EFG${place}-HJKM`) } }),
  );
  await page.getByRole("button", { name: "Make new codes" }).click();
  await page.getByText("ABCD-EFG0-HJKM").waitFor();
  expect(await sheets()).toBe(1);
  await page.emulateMedia({ media: "print" });
  expect(await page.getByRole("button", { name: "I have kept them" }).isVisible()).toBe(false);
  await page.goto("/");
  await page.waitForSelector(".shelf-grid img", { state: "attached" });
  expect(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")).toBe("rgb(255, 255, 255)");
  await leave(page);
});

test("a press beside the recovery codes does not take away what is shown once", async () => {
  const { page } = await open("/account", laptop);
  await page.waitForSelector("#event-list", { state: "attached" });
  await page.route("**/api/account/recovery-codes", (route) => route.fulfill({ json: { codes: ["ABCD-EFG0-HJKM"] } }));
  await page.getByRole("button", { name: "Make new codes" }).click();
  await page.getByText("ABCD-EFG0-HJKM").waitFor();
  await page.mouse.click(5, 5);
  expect(await page.locator("dialog[open]").count()).toBe(1);
  await page.getByRole("button", { name: "I have kept them" }).click();
  await expect.poll(() => page.locator("dialog[open]").count()).toBe(0);
  await leave(page);
});

test("with colours of the system's own, what has the focus or is chosen is told by a line", async () => {
  const context = await chrome.newContext({
    baseURL: origin,
    viewport: laptop,
    locale: "en-US",
    forcedColors: "active",
  });
  const page = await context.newPage();
  const line = (selector: string) =>
    page.evaluate(`getComputedStyle(document.querySelector(${JSON.stringify(selector)})).outlineStyle`);
  await page.goto("/");
  await page.locator(".title-card").first().focus();
  await page.keyboard.press("ArrowRight");
  expect(await line(".title-card:focus .title-picture")).toBe("solid");
  await page.goto(`/title/${film}`);
  await page.waitForSelector(".seasons");
  expect(await line(".seasons [aria-pressed=true]")).toBe("solid");
  await context.close();
});

test("on a TV the chosen row stands right under the front, and whoever leaves a film stands at it again", async () => {
  const { page } = await open("/tv", { width: 1_920, height: 1_080 });
  await page.waitForSelector(".tv-row button:focus");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  const away = `document.activeElement.closest("section").getBoundingClientRect().top
    - document.querySelector(".tv-front").getBoundingClientRect().bottom`;
  await expect.poll(() => page.evaluate<number>(away)).toBeLessThan(40);
  expect(await page.evaluate<number>(away)).toBeGreaterThanOrEqual(0);
  const chosen = "document.activeElement.dataset.title + document.activeElement.closest('section').ariaLabel";
  const before = await page.evaluate(chosen);
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-state=playing]");
  await page.keyboard.press("Backspace");
  await page.waitForSelector(".tv-row button:focus");
  expect(await page.evaluate(chosen)).toBe(before);
  await leave(page);
});

test("a remote goes through the groups of the settings sideways, and to a chapter by OK", async () => {
  const { page } = await open("/tv", { width: 1_920, height: 1_080 });
  await page.waitForSelector(".tv-row button:focus");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-state=playing] .settings-button");
  await page.keyboard.press("ArrowUp");
  const focused = () => page.evaluate<string>("document.activeElement.textContent");
  for (let presses = 0; presses < 8 && (await page.locator(".settings-button:focus").count()) === 0; presses++) {
    await page.keyboard.press("ArrowRight");
  }
  await page.keyboard.press("Enter");
  await page.waitForSelector(".settings-menu");
  await page.keyboard.press("ArrowDown");
  for (let groups = 0; groups < 6 && !(await focused()).startsWith("Doors open"); groups++) {
    await page.keyboard.press("ArrowRight");
  }
  await page.keyboard.press("ArrowLeft");
  expect(await focused()).toContain("Normal");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  expect(await focused()).toContain("First reel");
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Enter");
  await expect.poll(() => page.evaluate("document.querySelector('video').currentTime")).toBeGreaterThanOrEqual(15);
  await leave(page);
});

test("in full screen the settings can be seen, and what comes after the last frame", async () => {
  const { page } = await open(`/watch/${film}`, laptop);
  await page.waitForSelector("[data-state=playing] .settings-button");
  await page.mouse.move(300, 300);
  await page.locator("media-fullscreen-button").click();
  await page.waitForFunction("document.fullscreenElement !== null");
  await page.locator(".settings-button").click();
  await page.locator(".settings-menu").waitFor();
  expect(await page.evaluate("document.fullscreenElement.contains(document.querySelector('.settings-menu'))")).toBe(
    true,
  );
  await page.keyboard.press("Escape");
  await page.evaluate("document.querySelector('video').currentTime = 59.5");
  await page.locator(".the-end").waitFor();
  expect(await page.evaluate("document.fullscreenElement.contains(document.querySelector('.the-end'))")).toBe(true);
  await leave(page);
});

test("a chapter on a film's page leads to its place in the film", async () => {
  const { page } = await open(`/title/${film}`, laptop);
  await page.getByRole("link", { name: "Second reel" }).click();
  await page.waitForSelector("[data-state=playing]");
  expect(await page.evaluate("document.querySelector('video').currentTime")).toBeGreaterThanOrEqual(40);
  await leave(page);
});

test("no word of a button in German is torn on a telephone at twice the size of text", async () => {
  const { page } = await open("/account", phone, "de");
  const buttons = page.locator(".passkeys button");
  await page.waitForSelector("#event-list");
  const lefts = () => buttons.evaluateAll((all) => all.map((one) => Math.round(one.getBoundingClientRect().left)));
  const words = await page.locator(".passkeys .device-words").first().boundingBox();
  expect(new Set((await lefts()).slice(1))).toContain(Math.round(words?.x ?? 0));
  await page.evaluate("document.documentElement.style.fontSize = '200%'");
  // Longer words may be parted at a syllable.
  const torn =
    await page.evaluate(`[...document.querySelectorAll("main button, main .button-quiet")].flatMap(({ firstChild: text }) =>
    [...(text instanceof Text ? text.data : "").matchAll(/\\p{L}+/gu)].flatMap(({ index, 0: word }) => {
      const range = document.createRange();
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      return word.length < 12 && new Set([...range.getClientRects()].map(({ top }) => top)).size > 1 ? [word] : [];
    }))`);
  expect(torn).toEqual([]);
  await leave(page);
});

test("what failed on a TV can be read across the room", async () => {
  await set("library?state=failed");
  const { page } = await open("/tv", { width: 1_920, height: 1_080 }, "en-US", { clock: true });
  await sooner(page, page.locator(".failed"));
  const sizeOf = (part: string) =>
    page.evaluate<number>(`parseFloat(getComputedStyle(document.querySelector(".failed ${part}")).fontSize)`);
  const sizes = [await sizeOf("h1"), await sizeOf(".lead"), await sizeOf(".button")];
  // As large as the words of the page beside it: an inch on a screen of 1,080 lines is some 40 of them.
  expect(sizes.map((size) => size >= 25)).toEqual([true, true, true]);
  expect(sizes[0]).toBeGreaterThan(60);
  await leave(page);
});

test("a search ends by the way to the library, too, and not a letter of the next one is lost", async () => {
  const { page } = await open("/?search=signal", laptop, "en-US", { clock: true });
  await page.waitForSelector(".shelf-grid");
  await page.getByRole("link", { name: "Library" }).click();
  await page.waitForSelector(".featured");
  await page.clock.runFor(1_000);
  expect(new URL(page.url()).search).toBe("");
  const field = page.getByRole("searchbox");
  expect(await field.inputValue()).toBe("");
  await field.pressSequentially("low tide");
  await page.clock.runFor(1_000);
  await expect.poll(() => new URL(page.url()).searchParams.get("search")).toBe("low tide");
  expect(await field.inputValue()).toBe("low tide");
  await leave(page);
});

test("from one episode's page to another's, nothing of the first stays", async () => {
  const { page } = await open("/", laptop);
  const [one, other] = [film, id(105)];
  await page.route(`**/api/titles/${one}/poster`, (route) => route.fulfill({ status: 404, body: "" }));
  // Episodes that cannot be played lead to each other's pages.
  await page.route(new RegExp(`/api/titles/(${one}|${other})$`), async (route) => {
    const answer = await route.fetch();
    const title = (await answer.json()) as { episodes: object[] };
    const episodes = title.episodes.map((episode) => ({ ...episode, playable: false }));
    await route.fulfill({ response: answer, json: { ...title, episodes } });
  });
  const go = async (season: number, episode: string) => {
    await page.getByRole("button", { name: `Season ${season}` }).click();
    await page.locator(`.episodes a[href="/title/${episode}"]`).click();
  };
  await page.goto(`/title/${other}`);
  await go(1, one);
  await page.locator(".title-head .poster.is-drawn").waitFor();
  await go(2, other);
  await page.locator(".title-head .poster img").waitFor();
  await leave(page);
});

test("a browser that plays HLS by itself says what it cannot play, however late the title's words come", async () => {
  const { page } = await open("/", laptop, "en-US", { anew: true });
  await page.addInitScript("delete globalThis.MediaSource; delete globalThis.ManagedMediaSource;");
  await page.route("**/master.m3u8", (route) => route.fulfill({ status: 404, body: "" }));
  await page.route(`**/api/titles/${film}`, () => undefined);
  await page.goto(`/watch/${film}`);
  await page.locator(".failed").waitFor();
  await leave(page);
});

test("while a title loads its words have their room on a telephone, and nobody is led to what is damaged", async () => {
  const { page } = await open("/account", phone);
  await page.route(`**/api/titles/${film}`, () => undefined);
  await page.goto(`/title/${film}`);
  const lines = page.locator(".title-words .skeleton");
  await lines.first().waitFor();
  expect((await lines.first().boundingBox())?.width).toBeGreaterThan(150);
  await page.goto("/");
  await page.waitForSelector(".shelf-grid img", { state: "attached" });
  expect(await page.locator(".shelf-grid .is-damaged").count()).toBeGreaterThan(0);
  expect(await page.locator(".shelf-row .is-damaged").count()).toBe(0);
  await leave(page);
});

test("letters that pause are said to, on the console and in the case, and nothing of it is left in English", async () => {
  await set("case?state=notifying");
  const head = async (path: string, locale: string) => {
    const { page } = await open(path, laptop, locale);
    await page.waitForSelector(".sum-figures");
    return page;
  };
  const going = await head(`/console/incident/${id(7_000)}`, "de");
  expect(await going.locator(".next-step .lead").innerText()).toBe("Briefe gehen hinaus");
  await leave(going);

  await set("letters?state=paused");
  const file = await head(`/console/incident/${id(7_000)}`, "de");
  expect(await file.locator(".next-step .lead").innerText()).toBe("Die Briefe sind angehalten");
  const text = await file.locator("main").innerText();
  expect(text).toContain("der Brief auf Deutsch: ein Wort darin wurde nicht eingesetzt");
  expect(text.toLowerCase()).toContain("die briefe sind nicht beendet");
  expect(await file.locator(".missing [lang=en]").count()).toBe(0);
  await leave(file);

  const first = await head("/console", "de");
  const inHand = first.locator(".case-in-hand");
  expect(await inHand.innerText()).toContain("Die Briefe sind angehalten");
  expect(await inHand.innerText()).toContain("Erneuerungen: ");
  await inHand.locator(".chart canvas").waitFor();
  const all = await first.locator("main").innerText();
  expect(all).toContain("nicht fort, was er gegengezeichnet hat");
  expect(all).toContain("Passwörter versiegeln und vergleichen");
  expect(await violations(first)).toEqual([]);
  await leave(first);
  await set("letters?state=going");
});

test("a page whose code cannot be fetched without a network says that, and comes by itself when there is one", async () => {
  const { page } = await open("/account", phone, "en-US", { anew: true });
  await page.waitForSelector("#event-list", { state: "attached" });
  await page.context().setOffline(true);
  await page.getByRole("link", { name: "Library" }).first().click();
  await page.waitForSelector(".failed");
  expect(await page.locator(".failed h1").innerText()).toBe("The service cannot be reached");
  await page.context().setOffline(false);
  await page.waitForSelector(".shelf-grid img", { state: "attached" });
  await leave(page);
});

test("where a password is changed, the address that leads there puts the cursor", async () => {
  const { page } = await open("/account#password", phone);
  await page.waitForSelector("[name=currentPassword]:focus");
  expect(await page.evaluate("document.activeElement.getBoundingClientRect().top < innerHeight")).toBe(true);
  await leave(page);
});

test("the player's controls say their words in Japanese, and where the words cannot be had the page speaks English", async () => {
  const { page } = await open(`/watch/${film}`, laptop, "ja");
  await page.waitForSelector("[data-state=playing]");
  const labels = ["media-play-button", "media-fullscreen-button", "media-seek-forward-button"].map((name) =>
    page.locator(name).getAttribute("aria-label"),
  );
  expect(await Promise.all(labels)).toEqual(["一時停止", "全画面", "10秒進む"]);
  await page.route("**/assets/ja-*.js", (route) => route.abort());
  await page.goto("/");
  await page.getByRole("link", { name: "Library" }).waitFor();
  expect(await page.evaluate("document.documentElement.lang")).toBe("en");
  await leave(page);
});

test("what a stolen copy shows is found by a word, by a kind and by an address, by keyboard alone", async () => {
  const { page, complaints } = await open("/console/copy", laptop);
  page.setDefaultTimeout(5_000);
  const openTables = () => page.locator(".copy-table[open]").evaluateAll((all) => all.map(({ id }) => id));
  await page.getByRole("heading", { name: "Accounts, what proves them, and the way back" }).waitFor();
  // Closed at first, but for what nobody knows.
  expect(await openTables()).toEqual(["table-exports_2026_11"]);
  await page.locator("#table-account summary").focus();
  await page.keyboard.press("Enter");
  await page.getByText("the key that its sealed values are under").waitFor();
  await page.waitForURL("**/console/copy#table-account");

  await page.getByRole("searchbox", { name: "Search tables and columns" }).fill("address asked");
  await page.getByText("1 column · 1 table").waitFor();
  expect(await openTables()).toEqual(["table-ticket"]);
  await page.waitForURL("**/console/copy?search=address+asked*");
  await page.getByRole("searchbox").fill("nothing of the kind");
  await page.getByText("Nothing here is called that.").waitFor();
  await page.getByRole("searchbox").fill("");
  await page.getByRole("button", { name: "2 keyed" }).focus();
  await page.keyboard.press("Space");
  await page.waitForURL("**/console/copy?kind=keyed*");
  expect(await openTables()).toEqual(["table-ticket"]);
  expect(await violations(page)).toEqual([]);

  await page.goto("/console/copy#table-ticket");
  await page.waitForSelector("#table-ticket summary:focus");
  expect(await openTables()).toEqual(["table-exports_2026_11", "table-ticket"]);
  await page.getByRole("button", { name: "Open all" }).click();
  expect(await page.locator(".copy-table:not([open])").count()).toBe(0);
  expect(complaints).toEqual([]);
  await leave(page);
});

test("the account by keyboard alone: an address is removed after a proof, and the deletion is asked for and left", async () => {
  const { page } = await open("/account", laptop);
  page.setDefaultTimeout(5_000);
  const second = "a.rather.long.second.address@mail.some-provider.example";
  await page.getByRole("button", { name: `Remove ${second}` }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Remove this address?" }).waitFor();
  await page.keyboard.press("Escape");
  expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe(`Remove ${second}`);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Remove this address?" }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Is it still you?" }).waitFor();
  // A passkey is offered first, and a code where there is an app; the password is some steps further.
  const isAtPassword = "document.activeElement.getAttribute('autocomplete') === 'current-password'";
  for (let steps = 0; steps < 6 && !(await page.evaluate(isAtPassword)); steps++) await page.keyboard.press("Tab");
  await page.keyboard.type("a password");
  await page.keyboard.press("Tab");
  for (let steps = 0; steps < 3 && (await page.evaluate("document.activeElement.id")) !== "proof-code"; steps++) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.type("123456");
  await page.keyboard.press("Enter");
  await page.getByText(`${second} is removed.`).waitFor();
  // The list is asked for again after the answer: the button goes when it has come.
  await page
    .getByRole("button", { name: /^Remove .*@/ })
    .first()
    .waitFor({ state: "detached" });
  expect(await page.getByRole("button", { name: /^Remove .*@/ }).count()).toBe(0);

  await page.getByRole("button", { name: "Delete my account" }).focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("To confirm, type one of your addresses").waitFor();
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  expect(await page.getByText("Your account will be deleted").count()).toBe(0);
  await leave(page);
});

test("the letter is read in each language and the plan says what it cannot promise, before anything is sent", async () => {
  for (const viewport of sizes.slice(0, 2)) {
    await set("case?state=contained");
    const { page, complaints } = await open(`/console/incident/${id(7_000)}`, viewport, "en-US", { clock: true });
    await page.getByRole("button", { name: "Write the letters" }).click();
    await page.getByLabel("Deutsch").check();
    await page.getByText("Notice (de)").waitFor();
    await page.getByText("no end can be promised").waitFor();
    await sooner(page, page.getByText("There is no record at houselights._domainkey"));
    await page.getByText("I have read the letter and mean to send it to 4,790,310 accounts").waitFor();
    const shots = process.env["SHOTS"];
    if (shots !== undefined) await page.screenshot({ path: `${shots}/the-plan-${viewport.width}.png` });
    if (shots !== undefined) {
      await page.locator(".plan").scrollIntoViewIfNeeded();
      await page.locator(".plan").screenshot({ path: `${shots}/the-plan-itself-${viewport.width}.png` });
    }
    expect(await violations(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await leave(page);
  }
}, 60_000);

/** Holds what the page asks for by this until it is let go. */
async function held(page: Page, url: string, action: string): Promise<() => void> {
  let letGo = () => {};
  const waits = new Promise<void>((resolve) => (letGo = resolve));
  await page.route(url, async (route) => {
    const asked: unknown = route.request().postDataJSON();
    if (typeof asked === "object" && asked !== null && "action" in asked && asked.action === action) await waits;
    await route.continue();
  });
  return letGo;
}

test("no letter can be sent before it stands there to how many, and then only after a second look", async () => {
  await set("case?state=contained");
  const { page } = await open(`/console/incident/${id(7_000)}`, laptop);
  const started: unknown[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/notify") && request.postData()?.includes("start") === true)
      started.push(request.url());
  });
  const countedNow = await held(page, "**/notify", "plan");
  await page.getByRole("button", { name: "Write the letters" }).click();
  await page.getByText("Counting").waitFor();
  const dialog = page.locator("dialog[open]");
  expect(await dialog.locator("[type=submit]").count()).toBe(0);
  await dialog.getByRole("button", { name: "Cancel" }).waitFor();
  countedNow();
  const send = dialog.getByRole("button", { name: "Send the letters" });
  await send.click();
  expect(await dialog.locator("[type=checkbox]:invalid").count()).toBe(1);
  expect(started).toEqual([]);
  await dialog.getByText("I have read the letter and mean to send it to 4,790,310 accounts").click();
  await send.click();
  await dialog.waitFor({ state: "detached" });
  expect(started).toHaveLength(1);
  await leave(page);
});

test("what is known of a case is said in its dialog: what was not touched is left out, and the copy's instant can be taken back", async () => {
  await set("case?state=contained");
  for (const viewport of [phone, laptop]) {
    const { page, complaints } = await open(`/console/incident/${id(7_000)}`, viewport, "de-DE", { clock: true });
    const said: unknown[] = [];
    page.on("request", (request) => {
      if (request.url().endsWith("/facts")) said.push(request.postDataJSON());
    });
    const known = page.locator("section[aria-labelledby=known]");
    const copied = known.locator("dd").nth(3);
    const dialog = page.locator("dialog[open]").first();
    const change = async () => {
      await known.getByRole("button", { name: "Ändern" }).click();
      await dialog.locator("[name=copiedAt]").waitFor();
    };
    const save = async () => {
      await dialog.getByRole("button", { name: "Festhalten" }).click();
      if (said.length <= 1) await prove(page);
      await dialog.waitFor({ state: "detached" });
    };
    await set("sign-in");
    await change();
    expect([await violations(page), await dialog.locator("[name=dataClasses]:checked").count()]).toEqual([[], 2]);
    const shots = process.env["SHOTS"];
    if (shots !== undefined) await page.screenshot({ path: `${shots}/amend-${viewport.width}.png` });
    await dialog.locator("[name=foundHow]").fill("ein Leser hat das Angebot gesehen");
    await dialog.locator("[name=dataClasses]").first().uncheck();
    await save();
    // Asked who it is, and sent once more.
    expect(said.at(-1)).toEqual({ foundHow: "ein Leser hat das Angebot gesehen", dataClasses: ["password records"] });
    await known.getByText("ein Leser hat das Angebot gesehen").waitFor();
    expect(await copied.textContent()).not.toBe("Nicht bekannt");

    await change();
    // Somebody else says something meanwhile, which this dialog does not take back.
    const body = JSON.stringify({ foundHow: "die Presse hat gefragt" });
    await fetch(`${origin}/api/incidents/${id(7_000)}/facts`, { method: "PUT", body });
    await sooner(page, known.getByText("die Presse hat gefragt"));
    await dialog.locator("[name=copiedAt]").fill("");
    await save();
    expect(said.at(-1)).toEqual({ copiedAt: null });
    await expect.poll(() => copied.textContent()).toBe("Nicht bekannt");
    await change();
    await dialog.locator("[name=copiedAt]").fill("2026-11-20T03:00");
    await save();
    expect(said.at(-1)).toEqual({ copiedAt: await page.evaluate("new Date('2026-11-20T03:00').toISOString()") });
    // Once letters go out nothing is offered to be changed.
    await set("case?state=notifying");
    await sooner(page, known.getByRole("button", { name: "Ändern" }), { gone: true });
    expect(complaints).toEqual([]);
    await leave(page);
    await set("case?state=contained");
  }
});

test("letters that lack something they must have are not offered to be sent, and the plan says what it is", async () => {
  await set("case?state=contained");
  for (const viewport of [phone, laptop]) {
    const { page, complaints } = await open(`/console/incident/${id(7_000)}`, viewport, "de-DE");
    await page.route("**/notify", async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      if (answer.plan !== undefined)
        answer.plan.lacks = [{ kind: "contact", stops: true, says: "nobody is named", advice: "name somebody" }];
      await route.fulfill({ response, json: answer });
    });
    await page.getByRole("button", { name: "Briefe schreiben" }).click();
    const dialog = page.locator("dialog[open]");
    await dialog.locator(".findings [data-verdict=bad]", { hasText: "CONTACT_ADDRESS" }).waitFor();
    const shots = process.env["SHOTS"];
    if (shots !== undefined) {
      await dialog.locator("h4").first().scrollIntoViewIfNeeded();
      await page.screenshot({ path: `${shots}/lacks-${viewport.width}.png` });
    }
    expect(await dialog.locator("[type=checkbox]").count()).toBe(0);
    await dialog.getByText("Die Briefe können noch nicht hinausgehen").waitFor();
    expect([await violations(page), complaints]).toEqual([[], []]);
    await dialog.getByRole("button", { name: "Abbrechen" }).click();
    await dialog.waitFor({ state: "detached" });
    await leave(page);
  }
});

test("the numbers of the console and of a case say so when they are no longer live", async () => {
  await set("case?state=notifying");
  for (const path of ["/console", `/console/incident/${id(7_000)}`]) {
    const { page } = await open(path, phone, "en-US", { clock: true });
    const mark = (text: string) => sooner(page, page.locator(".live", { hasText: text }));
    await mark("Live");
    await page.context().setOffline(true);
    await mark("Numbers stopped");
    await page.context().setOffline(false);
    await mark("Live");
    await page.route("**/api/**", (route) => route.fulfill({ status: 503, body: "{}" }));
    await mark("Numbers stopped");
    // The case stays to be read.
    expect(await page.getByText("database copy offered for sale").first().isVisible()).toBe(true);
    await leave(page);
  }
});

test("a console and a case stay to be read while the code of their charts cannot be fetched, and have them when it can", async () => {
  await set("case?state=notifying");
  for (const path of ["/console", `/console/incident/${id(7_000)}`]) {
    const { page } = await open("/account", phone);
    await page.waitForSelector("#event-list", { state: "attached" });
    await page.route("**/assets/time-chart-*", (route) => route.abort());
    await page.goto(path);
    await page.locator(".live", { hasText: "Live" }).waitFor();
    await page
      .getByText("This could not be drawn: Letters handed over, by minute")
      .or(page.getByText("This could not be drawn: Renewals by hour"))
      .first()
      .waitFor();
    expect(await page.getByText("database copy offered for sale").first().isVisible()).toBe(true);
    expect(await violations(page)).toEqual([]);
    await page.unroute("**/assets/time-chart-*");
    await page
      .locator(".notice", { hasText: "could not be drawn" })
      .getByRole("button", { name: "Try again" })
      .first()
      .click();
    await page.locator(".chart canvas").first().waitFor();
    await leave(page);
  }
});

test("numbers that a service gives no answer to any more are not said to be live", async () => {
  await set("case?state=notifying");
  for (const path of ["/console", `/console/incident/${id(7_000)}`]) {
    const { page } = await open(path, phone, "en-US", { clock: true });
    await page.locator(".live", { hasText: "Live" }).waitFor();
    await page.route("**/api/**", () => undefined);
    await sooner(page, page.locator(".live", { hasText: "Numbers stopped" }));
    await leave(page);
  }
});

test("a case and its dialogs in German, at twice the size of text: nothing is wider than a telephone", async () => {
  await set("case?state=readmitting");
  const { page } = await open(`/console/incident/${id(7_000)}`, phone, "de");
  const known = page.locator("section[aria-labelledby=known]");
  const twice = async () => {
    await known.waitFor();
    await page.evaluate("document.documentElement.style.fontSize = '200%'");
  };
  const tooWide = "document.documentElement.scrollWidth - innerWidth";
  const dialogTooWide =
    "[...document.querySelectorAll('dialog[open]')].map((one) => one.scrollWidth - one.clientWidth)";
  await twice();
  await page.locator("section[aria-labelledby=letters] .chart canvas").waitFor();
  expect(await page.evaluate(tooWide)).toBeLessThanOrEqual(0);
  // A value stands under its name where there is no room beside it, not letter under letter.
  expect((await known.locator("dd").first().boundingBox())?.width).toBeGreaterThan(150);

  await set("case?state=contained");
  await page.reload();
  await twice();
  await known.getByRole("button").click();
  await page.locator("dialog[open] [name=copiedAt]").waitFor();
  expect(await page.evaluate(dialogTooWide)).toEqual([0]);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Briefe schreiben" }).click();
  await page.locator("dialog[open] .plan-end").waitFor();
  expect(await page.evaluate(dialogTooWide)).toEqual([0]);

  await set("case?state=open");
  await page.reload();
  await twice();
  await page.getByRole("button", { name: "Jetzt eindämmen" }).click();
  await prove(page);
  await page.locator("dialog[open] .counts", { hasText: "4.812.077" }).waitFor();
  expect(await page.evaluate(dialogTooWide)).toEqual([0]);
  await leave(page);
});

test("what containing did on a full disk is read from its beginning on a telephone, before the commands below", async () => {
  await set("case?state=open");
  const { page, complaints } = await open(`/console/incident/${id(7_000)}`, phone);
  await page.route("**/contain", async (route) => {
    const response = await route.fetch();
    const answer = (await response.json()) as { readonly kind?: string };
    const reserve = { givenUpBytes: 2 ** 25, leftBytes: 2 ** 25 };
    await route.fulfill({ response, json: answer.kind === "contained" ? { ...answer, reserve } : answer });
  });
  await page.getByRole("button", { name: "Contain now" }).click();
  await prove(page);
  const dialog = page.locator("dialog[open]");
  await dialog.locator(".counts", { hasText: "31,207 passkeys" }).waitFor();
  await dialog.locator("[required]").check();
  await dialog.locator("[type=submit]").click();
  await dialog.getByText("32\u00a0MiB that are kept for this were given up").waitFor();
  expect(await page.evaluate("document.querySelector('dialog[open]').scrollTop")).toBe(0);
  expect(await page.evaluate("document.activeElement.tagName")).toBe("DIALOG");
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.textContent")).toContain("houselights operator link");
  expect([await violations(page), complaints]).toEqual([[], []]);
  await leave(page);
});

test("why a form was refused comes onto the screen that it was sent from by Enter", async () => {
  const { page } = await open("/account", phone, "de-DE");
  await page.route("**/api/password", (route) =>
    route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"code":"renew-first"}' }),
  );
  const section = page.locator("section[aria-labelledby=password]");
  await section.locator("[name=currentPassword]").fill("what it was before the incident");
  await section.locator("[name=newPassword]").fill("what it is going to be from now on");
  // As low on the screen as a field can be.
  await section.locator("[name=newPassword]").evaluate((field) => field.scrollIntoView({ block: "end" }));
  await page.keyboard.press("Enter");
  const refused = section.locator("[role=alert]", { hasText: "melden Sie sich nur neu an" });
  await refused.waitFor();
  const box = await refused.boundingBox();
  expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(phone.height);
  await leave(page);
});

test("the console says that room is scarce on the database's disk, and where to contain when it is full", async () => {
  const { page } = await open("/console", laptop, "en-US", { clock: true });
  await page.waitForSelector("#disk");
  const full = page.getByText("The database’s disk is full");
  const short = page.getByText("to contain on when it is full is not whole");
  expect([await full.count(), await short.count()]).toEqual([0, 0]);
  await page.route("**/api/console", async (route) => {
    const answer = (await (await route.fetch()).json()) as { disk: object };
    await route.fulfill({
      json: { ...answer, disk: { ...answer.disk, freeBytes: 0, reserveBytes: 0, state: "full" } },
    });
  });
  await sooner(page, full);
  await short.waitFor();
  const command = page.getByText("houselights incident contain --reason TEXT");
  await command.waitFor();
  expect(await page.locator("[role=alert]", { has: command }).count()).toBe(1);
  // To the last letter on a telephone.
  await page.setViewportSize(phone);
  expect(await command.evaluate((line) => line.scrollWidth - line.clientWidth)).toBe(0);
  // Nothing is left to contain.
  await set("case?state=contained");
  await sooner(page, command, { gone: true });
  expect(await full.count()).toBe(1);
  // A database elsewhere.
  await page.unroute("**/api/console");
  await page.route("**/api/console", async (route) => {
    await route.fulfill({ json: { ...((await (await route.fetch()).json()) as object), disk: null } });
  });
  await sooner(page, full, { gone: true });
  expect(await page.locator("#disk").count()).toBe(0);
  await leave(page);
});

test("the console says that the keyholder does not answer, and that its cases cannot be read", async () => {
  const { page } = await open("/console", laptop, "en-US", { clock: true });
  await page.waitForSelector(".figures");
  const away = page.getByText("Until it does nobody signs in");
  expect(await away.count()).toBe(0);
  await page.route("**/api/incidents", (route) => route.fulfill({ status: 503, body: "{}" }));
  await page.route("**/api/console", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ json: { ...(await response.json()), addresses: null } });
  });
  await sooner(page, away);
  await page.reload();
  await sooner(page, page.locator("[aria-labelledby=cases] [role=alert]"));
  expect(await violations(page)).toEqual([]);
  await leave(page);
});

async function prove(page: Page): Promise<void> {
  await page.locator("dialog[open] [name=password]").fill("a password");
  await page.locator("dialog[open] [name=code]").fill("123456");
  await page.keyboard.press("Enter");
}

test("whoever leaves the proof that containing asks for leaves it at once, and one who contained meanwhile is named", async () => {
  await set("case?state=open");
  const { page } = await open(`/console/incident/${id(7_000)}`, laptop, "en-US", { clock: true });
  const contain = page.getByRole("button", { name: "Contain now" });
  await contain.click();
  const proof = page.locator("dialog[open]").last();
  await proof.locator("[name=password]").waitFor();
  await proof.getByRole("button", { name: "Cancel" }).click();
  await expect.poll(() => page.locator("dialog[open]").count()).toBe(0);

  await contain.click();
  await prove(page);
  await page.locator("dialog[open] .counts", { hasText: "4,812,077" }).waitFor();
  const already = page.getByText("was contained at");
  expect(await already.count()).toBe(0);
  await set("case?state=contained");
  await sooner(page, already);
  await leave(page);
});

test("while another way of containing is counted, the figures of the one before are not said to be its own", async () => {
  await set("case?state=open");
  const { page } = await open(`/console/incident/${id(7_000)}`, laptop);
  await page.getByRole("button", { name: "Contain now" }).click();
  await prove(page);
  await page.locator("dialog[open] .counts[aria-busy=false]", { hasText: "4,812,077" }).waitFor();
  await page.route("**/contain", () => undefined);
  await page.locator("dialog[open] [value=with-renewal]").check();
  await page.locator("dialog[open] .counts[aria-busy=true]", { hasText: "Counting" }).waitFor();
  await leave(page);
});

test("the record of a case names who did what, and not by an account's id", async () => {
  await set("case?state=contained");
  const { page } = await open(`/console/incident/${id(7_000)}`, laptop, "de");
  const record = page.locator(".timeline");
  await record.getByText("von: night-shift@example.org").waitFor();
  const text = await record.innerText();
  expect(text).toContain("von: ein Befehl auf dem Server");
  expect(await page.locator("section[aria-labelledby=known]").innerText()).toContain("Ein Befehl auf dem Server");
  expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
  await leave(page);
});

test("two acts that both want a proof are both done after one", async () => {
  const { page } = await open("/account", laptop);
  const asked: string[] = [];
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (request.method() === "POST" && pathname.startsWith("/api/account/addresses/")) asked.push(pathname.slice(-5));
  });
  await page.waitForSelector("section[aria-labelledby=addresses] li:nth-child(2) button:nth-child(2)");
  // Faster than the page can put them out of use, as on a slow machine.
  await page.evaluate(
    "document.querySelectorAll('section[aria-labelledby=addresses] li:nth-child(2) button:nth-child(-n+2)').forEach((one) => one.click())",
  );
  await expect.poll(() => asked.toSorted()).toEqual(["/keep", "first"]);
  await prove(page);
  await expect.poll(() => asked.toSorted()).toEqual(["/keep", "/keep", "first", "first"]);
  await expect.poll(() => page.locator("dialog[open]").count()).toBe(0);
  await leave(page);
});

test("containing goes from what was heard to what it refuses with the focus in the dialog", async () => {
  const { page } = await open("/console", laptop);
  await page.getByRole("button", { name: "Contain now" }).click();
  await page.keyboard.type("a copy is for sale");
  await page.keyboard.press("Enter");
  await prove(page);
  await page.locator("dialog[open] .counts", { hasText: "4,812,077" }).waitFor();
  expect(await page.evaluate("document.querySelector('dialog[open]').contains(document.activeElement)")).toBe(true);
  await leave(page);
});

test("a case that is opened once its letters are out shows when they went, hour by hour, as it is recorded", async () => {
  await set("case?state=notifying");
  for (const viewport of [phone, laptop]) {
    await set("case?state=readmitting");
    const { page, complaints } = await open(`/console/incident/${id(7_000)}`, viewport, "de-DE", { clock: true });
    const letters = page.locator("section[aria-labelledby=letters]");
    await letters.locator(".chart[aria-label='Übergebene Briefe je Stunde'] canvas").waitFor();
    expect(await letters.locator(".chart").count()).toBe(1);
    const shots = process.env["SHOTS"];
    if (shots !== undefined) await letters.screenshot({ path: `${shots}/letters-out-${viewport.width}.png` });
    // While they go out, those of the last minutes stand there, and once.
    await set("case?state=notifying");
    await sooner(page, letters.locator(".chart[aria-label='Übergebene Briefe je Minute'] canvas"));
    expect(await letters.locator(".chart").count()).toBe(1);
    expect([await violations(page), complaints]).toEqual([[], []]);
    await leave(page);
  }
});

test("under bars of minutes stand minutes", async () => {
  await set("case?state=notifying");
  const { page } = await open("/", laptop, "en-US", { anew: true });
  await page.addInitScript(`
    globalThis.drawn = [];
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
      drawn.push(text);
      fillText.call(this, text, ...rest);
    };
  `);
  await page.goto(`/console/incident/${id(7_000)}`);
  await page.locator("section[aria-labelledby=letters] .chart canvas").waitFor();
  const minutes = "drawn.filter((text) => /^\\d+:\\d\\d/.test(text) && !/:00/.test(text)).length";
  await expect.poll(() => page.evaluate(minutes)).toBeGreaterThan(1);
  await leave(page);
});

test(
  "a TV that gets no code is helped by OK and arrows alone, and gets one by itself when the service is back",
  { timeout: 90_000 },
  async () => {
    await set("case?state=notifying");
    await set("sign-out?reason=silent");
    const { page } = await open("/tv", { width: 1_920, height: 1_080 }, "en-US", { clock: true });
    await page.waitForSelector(".tv-qr img");
    await page.route("**/oauth/device_authorization", (route) => route.abort());
    await page.goto("/tv");
    await sooner(page, page.locator(".failed button:focus"));
    expect(await page.locator(".failed a").count()).toBe(0);
    await page.keyboard.press("ArrowUp");
    await page.waitForSelector(".tv-link .notice button:focus");
    await page.keyboard.press("ArrowDown");
    await page.waitForSelector(".failed button:focus");
    await page.unroute("**/oauth/device_authorization");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".tv-qr img");

    await page.route("**/oauth/device_authorization", (route) => route.abort());
    await page.goto("/tv");
    await sooner(page, page.locator(".failed"));
    await page.unroute("**/oauth/device_authorization");
    await sooner(page, page.locator(".tv-qr img"));
    await leave(page);
  },
);

/** What is left of the film in the page, and how the room is lit. */
const room = `({
  films: document.querySelectorAll("video").length,
  reason: document.querySelector(".screen").dataset.darkReason,
  lights: document.documentElement.dataset.lights,
})`;

for (const reason of ["contained", "signed-out", "renewed", "expired"]) {
  test(`P7: a film that plays goes dark when the push channel says ${reason}, and says why`, async () => {
    const { page } = await open(`/watch/${film}`, laptop);
    await page.waitForSelector("[data-state=playing]");
    await set(`sign-out?reason=${reason}`);
    await page.waitForSelector("[data-state=dark] .lights-up h1");
    expect(await page.evaluate(room)).toEqual({ films: 0, reason, lights: "up" });
    expect(await page.evaluate("document.querySelector('.lights-up a.button').getAttribute('href')")).toMatch(
      reason === "contained" ? /^\/renew$/ : /^\/sign-in\?next=/,
    );
    expect(await violations(page)).toEqual([]);
    await leave(page);
  });
}

test("P7: without a word from the push channel, the first refused request makes the film go dark", async () => {
  const { page } = await open(`/watch/${film}`, laptop);
  await page.waitForSelector("[data-state=playing]");
  await set("case?state=contained");
  await set("sign-out?reason=unheard");
  await page.keyboard.press("k");
  await page.waitForSelector("[data-state=dark][data-dark-reason=contained]");
  expect(await page.evaluate(room)).toEqual({ films: 0, reason: "contained", lights: "up" });
  await leave(page);
});

test("P7: a push channel that is connected and delivers nothing is not waited for: the film goes dark by itself", async () => {
  const { page } = await open(`/watch/${film}`, laptop);
  await page.waitForSelector("[data-state=playing]");
  await set("case?state=contained");
  // Nothing is said and nothing is closed, nobody touches the player, and nothing that it asks for by itself is refused.
  for (const asked of ["**/progress", "**/media/**"]) await page.route(asked, (route) => route.abort());
  await set("sign-out?reason=silent");
  await page.waitForSelector("[data-state=dark][data-dark-reason=contained]");
  expect(await page.evaluate(room)).toEqual({ films: 0, reason: "contained", lights: "up" });
  await leave(page);
});

test("a service that cannot be reached does not make the film go dark", async () => {
  const { page } = await open(`/watch/${film}`, laptop);
  await page.waitForSelector("[data-state=playing]");
  await page.context().setOffline(true);
  await page.keyboard.press("k");
  await page.waitForSelector("[data-state=paused]");
  await page.keyboard.press("k");
  await page.waitForSelector("[data-state=playing]");
  expect(await page.evaluate("document.querySelectorAll('video').length")).toBe(1);
  await leave(page);
});
