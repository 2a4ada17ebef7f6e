import type { Page, Route } from "playwright-core";
import { expect, test } from "vitest";
import { builtPages, leave, pretendedId } from "./built-pages.ts";

/*
 * What each button of the built application asks of the service, what it says of the answer, and that what it has changed is asked for
 * again. The answers are pretended; that the service does what is asked is said by the tests of its rooms.
 */
const { origin, browser, set } = await builtPages();
const id = pretendedId;
const film = id(101);

interface Acted {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Everything that is more than reading, as it was asked, but for what a player reports of its place. */
interface Desk {
  readonly page: Page;
  readonly acts: Acted[];
  /** Answers one act from now on. Whatever else is asked for is granted, with nothing to say. */
  readonly answers: (path: string, status: number, body: object) => void;
  /** What has been read since this was asked last, by path. */
  readonly read: () => readonly string[];
}

/** What the pretended service answers although it is more than reading. */
const served = /^\/oauth\/|\/(?:grants|progress)$/;

async function open(path: string, shows: string, viewport = { width: 1_440, height: 900 }): Promise<Desk> {
  const context = await browser.newContext({ baseURL: origin, viewport, locale: "en-US", reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.clock.install();
  const acts: Acted[] = [];
  const reads: string[] = [];
  const answers = new Map<string, readonly [number, object]>();
  await page.route(/\/(?:api|oauth)\//, async (route: Route) => {
    const request = route.request();
    const { pathname, search } = new URL(request.url());
    const asked = pathname + search;
    const answer = answers.get(asked);
    if (request.method() === "GET") reads.push(asked);
    else if (!asked.endsWith("/progress"))
      acts.push({ method: request.method(), path: asked, body: request.postDataJSON() });
    if (answer !== undefined) {
      await route.fulfill({ status: answer[0], contentType: "application/json", body: JSON.stringify(answer[1]) });
    } else if (request.method() === "GET" || served.test(asked)) await route.continue();
    else await route.fulfill({ json: {} });
  });
  await page.goto(path);
  await page.waitForSelector(shows, { state: "attached" });
  return {
    page,
    acts,
    answers: (asked, status, body) => void answers.set(asked, [status, body]),
    read: () => reads.splice(0),
  };
}

/** Polls, and lets the page's clock run ahead by a second each time. */
const soon = <Value>(page: Page, value: () => Promise<Value> | Value) =>
  expect.poll(async () => {
    await page.clock.runFor(1_000);
    return value();
  });

/** The one act that was asked for since this was asked last. */
async function act({ acts }: Desk): Promise<Acted> {
  await expect.poll(() => acts.length).toBeGreaterThan(0);
  const [first, ...more] = acts.splice(0);
  expect(more).toEqual([]);
  return first ?? expect.fail();
}

test("devices: one is signed out by its own button, all others by one that asks first; the list is read again each time", async () => {
  const desk = await open("/account", "#event-list");
  const section = desk.page.locator("section[aria-labelledby=devices]");
  desk.answers(`/api/sessions/${id(51)}`, 200, { kind: "signed-out", ended: 1 });
  desk.answers("/api/sessions?except=current", 200, { kind: "signed-out", ended: 3 });
  desk.read();
  await section.getByRole("button", { name: "Sign out Living-room TV" }).click();
  expect(await act(desk)).toEqual({ method: "DELETE", path: `/api/sessions/${id(51)}`, body: null });
  await section.getByText("1 device was signed out.").waitFor();
  await expect.poll(desk.read).toContain("/api/sessions");

  await section.getByRole("button", { name: "Sign out everything else" }).click();
  const dialog = desk.page.getByRole("dialog", { name: "Sign out everything else?" });
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  expect(desk.acts).toEqual([]);
  await section.getByRole("button", { name: "Sign out everything else" }).click();
  await dialog.getByRole("button", { name: "Sign out everything else" }).click();
  expect(await act(desk)).toEqual({ method: "DELETE", path: "/api/sessions?except=current", body: null });
  await section.getByText("3 devices were signed out.").waitFor();
  await expect.poll(desk.read).toContain("/api/sessions");
  await leave(desk.page);
});

test("an address is added by the code that was mailed to it; a wrong one is said, and what was typed stays", async () => {
  const desk = await open("/account", "#event-list");
  const section = desk.page.locator("section[aria-labelledby=addresses]");
  await section.getByLabel("Another address").fill(" third@example.org ");
  await section.getByRole("button", { name: "Mail the code" }).click();
  const address = "third@example.org";
  expect(await act(desk)).toEqual({ method: "POST", path: "/api/account/addresses", body: { address } });
  await section.locator("[name=code]:focus").waitFor();
  desk.answers("/api/account/addresses/confirm", 400, { code: "code-refused" });
  await section.locator("[name=code]").fill("WRNG-CDE2");
  await desk.page.keyboard.press("Enter");
  expect((await act(desk)).body).toEqual({ code: "WRNG-CDE2" });
  await section.getByRole("alert").waitFor();
  expect(await section.locator("[name=code]").inputValue()).toBe("WRNG-CDE2");

  desk.answers("/api/account/addresses/confirm", 200, {});
  desk.read();
  await desk.page.keyboard.press("Enter");
  await act(desk);
  await section.getByText("The address is added.").waitFor();
  await expect.poll(desk.read).toContain("/api/account");
  await section.getByLabel("Another address").waitFor();
  await leave(desk.page);
});

test("a password is changed with the devices signed out unless the box is unticked, which is said; none of it stays in the fields", async () => {
  const desk = await open("/account", "#event-list");
  const section = desk.page.locator("section[aria-labelledby=password]");
  for (const signOutDevices of [true, false]) {
    await section.locator("[name=currentPassword]").fill(" spaces belong to it ");
    await section.locator("[name=newPassword]").fill("eleven owls above the orchard");
    await section.locator("[name=signOutDevices]").setChecked(signOutDevices);
    desk.read();
    await section.getByRole("button", { name: "Change password" }).click();
    expect(await act(desk)).toEqual({
      method: "POST",
      path: "/api/password",
      body: { currentPassword: " spaces belong to it ", newPassword: "eleven owls above the orchard", signOutDevices },
    });
    const says = signOutDevices ? "and the other devices are signed out." : "The password is changed.";
    await section.getByRole("status").filter({ hasText: says }).waitFor();
    await expect.poll(desk.read).toContain("/api/account");
    await expect.poll(() => section.locator("[name=currentPassword]").inputValue()).toBe("");
    expect(await section.locator("[name=newPassword]").inputValue()).toBe("");
  }
  await leave(desk.page);
});

test("the owner's data come as a file, and a deletion that was asked for is taken back", async () => {
  const desk = await open("/account", "#event-list");
  const section = desk.page.locator("section[aria-labelledby=leaving]");
  desk.answers("/api/account/export", 200, { exportedAt: "2026-11-27T12:00:00.000Z" });
  const coming = desk.page.waitForEvent("download");
  await section.getByRole("button", { name: "Download my data" }).click();
  expect((await coming).suggestedFilename()).toBe("account-2026-11-27.json");
  expect((await act(desk)).path).toBe("/api/account/export");
  await section.getByText("on its way to your downloads").waitFor();

  await section.getByRole("button", { name: "Delete my account" }).click();
  await desk.page.getByLabel("To confirm, type one of your addresses").fill("operator@example.org");
  await set("deletion?state=planned");
  await desk.page.keyboard.press("Enter");
  const body = { confirmation: "operator@example.org" };
  expect(await act(desk)).toEqual({ method: "POST", path: "/api/account/deletion", body });
  await section.getByText("Your account will be deleted on").waitFor();
  await set("deletion?state=none");
  await section.getByRole("button", { name: "Keep my account" }).click();
  expect(await act(desk)).toEqual({ method: "DELETE", path: "/api/account/deletion", body: null });
  await section.getByText("Your account stays.").waitFor();
  await section.getByText("Your account will be deleted on").waitFor({ state: "detached" });
  await leave(desk.page);
});

test("who proves themselves with a wrong password is told, may try again, and then the act is done once", async () => {
  const desk = await open("/account", "#event-list");
  desk.answers("/api/account/export", 403, { code: "proof-needed" });
  desk.answers("/api/session/proof", 403, { code: "wrong-password" });
  await desk.page.getByRole("button", { name: "Download my data" }).click();
  expect((await act(desk)).path).toBe("/api/account/export");
  const dialog = desk.page.getByRole("dialog", { name: "Is it still you?" });
  await dialog.locator("[name=password]").fill("not it");
  await dialog.locator("[name=code]").fill("123456");
  await desk.page.keyboard.press("Enter");
  expect((await act(desk)).body).toEqual({ password: "not it", code: "123456" });
  await dialog.getByRole("alert").waitFor();
  desk.answers("/api/session/proof", 200, {});
  desk.answers("/api/account/export", 200, { exportedAt: "2026-11-27T12:00:00.000Z" });
  await dialog.getByRole("button", { name: "Go on" }).click();
  await dialog.waitFor({ state: "detached" });
  await desk.page.getByText("on its way to your downloads").waitFor();
  expect(desk.acts.map(({ path }) => path)).toEqual(["/api/session/proof", "/api/account/export"]);
  await leave(desk.page);
});

test("an alarm is acknowledged, or becomes a case; what is refused is said beside it", async () => {
  const desk = await open("/console", ".alarms");
  const alarms = desk.page.locator("section[aria-labelledby=alarms]");
  const acknowledge = `/api/alarms/${id(9_000)}/acknowledge`;
  desk.answers(acknowledge, 500, {});
  await alarms.getByRole("button", { name: "Acknowledge: A canary was used" }).click();
  expect(await act(desk)).toEqual({ method: "POST", path: acknowledge, body: null });
  await alarms.getByRole("alert").waitFor();
  desk.answers(acknowledge, 200, {});
  await alarms.getByRole("button", { name: "Acknowledge: A canary was used" }).click();
  await act(desk);
  await alarms.getByRole("alert").waitFor({ state: "detached" });

  desk.answers(`/api/alarms/${id(9_000)}/case`, 201, { incidentId: id(7_000) });
  await alarms.getByRole("button", { name: "Open a case from this alarm" }).click();
  expect((await act(desk)).path).toBe(`/api/alarms/${id(9_000)}/case`);
  await desk.page.waitForURL(`**/console/incident/${id(7_000)}`);
  await leave(desk.page);
});

test("operators are named, kept and removed, each after a look at who it is; the list is read again, and the last one stays", async () => {
  await set("case?state=contained");
  const desk = await open(`/console/incident/${id(7_000)}`, "section[aria-labelledby=operators] .operator");
  const { page } = desk;
  const section = page.locator("section[aria-labelledby=operators]");
  const dialog = page.locator("dialog[open]");
  const again = async () => {
    await dialog.waitFor({ state: "detached" });
    await expect.poll(desk.read).toContain("/api/operators");
  };
  desk.read();
  await section.getByRole("button", { name: "Add an operator" }).click();
  await dialog.getByLabel("Address of an account").fill("new@example.org");
  await page.keyboard.press("Enter");
  expect(await act(desk)).toEqual({ method: "POST", path: "/api/operators", body: { address: "new@example.org" } });
  await again();

  await section.getByRole("button", { name: "Keep night-shift@example.org as operator" }).click();
  await dialog.getByRole("button", { name: "Keep", exact: true }).click();
  expect(await act(desk)).toEqual({ method: "POST", path: `/api/operators/${id(5)}/keep`, body: null });
  await again();

  await section.getByRole("button", { name: "Remove night-shift@example.org as operator" }).click();
  await dialog.getByRole("button", { name: "Remove", exact: true }).click();
  expect(await act(desk)).toEqual({ method: "DELETE", path: `/api/operators/${id(5)}`, body: null });
  await again();
  desk.answers(`/api/operators/${id(1)}`, 409, { code: "last-operator" });
  await section.getByRole("button", { name: "Remove Ada as operator" }).click();
  await dialog.getByRole("button", { name: "Remove", exact: true }).click();
  await section.getByText("The last operator cannot be removed.").waitFor();
  await leave(page);
});

test("the way back of somebody who lost every other is started for the account that was found, and ended", async () => {
  const desk = await open("/console", "section[aria-labelledby=recovery]");
  const { page } = desk;
  const dialog = page.locator("dialog[open]");
  const found = { accountId: id(77), createdAt: "2024-01-01T00:00:00.000Z", addresses: 2, secondFactor: true };
  const [readyAt, expiresAt] = ["2026-11-30T00:00:00.000Z", "2026-12-07T00:00:00.000Z"];
  const find = async () => {
    await page.getByRole("button", { name: "Find an account" }).click();
    await dialog.locator("[name=address]").fill("lost@example.org");
    await page.keyboard.press("Enter");
  };
  desk.answers("/api/recoveries/lookup", 404, { code: "not-found" });
  await find();
  expect((await act(desk)).body).toEqual({ address: "lost@example.org" });
  await dialog.getByRole("alert").waitFor();
  await page.keyboard.press("Escape");

  desk.answers("/api/recoveries/lookup", 200, { ...found, recovery: null });
  desk.answers("/api/recoveries", 201, { kind: "recovery-started", readyAt, expiresAt });
  await find();
  await act(desk);
  await dialog.getByLabel("New address").fill("new@example.org");
  await dialog.getByLabel("The second factor is lost too").check();
  await dialog.getByRole("button", { name: "Start the recovery" }).click();
  const started = { accountId: id(77), address: "new@example.org", withoutSecondFactor: true };
  expect(await act(desk)).toEqual({ method: "POST", path: "/api/recoveries", body: started });
  await dialog.getByText("Every old address was told and can stop it.").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();

  const recovery = { readyAt, expiresAt, withoutSecondFactor: true };
  desk.answers("/api/recoveries/lookup", 200, { ...found, recovery });
  await find();
  await act(desk);
  await dialog.getByText("The second factor is turned off by it.").waitFor();
  await dialog.getByRole("button", { name: "End the recovery" }).click();
  expect(await act(desk)).toEqual({ method: "DELETE", path: `/api/recoveries/${id(77)}`, body: null });
  await dialog.getByText("The recovery is ended").waitFor();
  await leave(page);
});

test("letters are paused and let go on, the way in and the review are recorded, and a receipt is asked for", async () => {
  await set("case?state=notifying");
  const desk = await open(`/console/incident/${id(7_000)}`, ".sum-figures");
  const { page } = desk;
  const incident = `/api/incidents/${id(7_000)}`;
  const letters = page.locator("section[aria-labelledby=letters]");
  await letters.getByRole("button", { name: "Pause the letters" }).click();
  expect(await act(desk)).toEqual({ method: "POST", path: `${incident}/notify`, body: { action: "pause" } });
  await set("letters?state=paused");
  await letters.getByRole("button", { name: "Let the letters go on" }).click();
  expect((await act(desk)).body).toEqual({ action: "resume" });
  await set("letters?state=going");
  await letters.getByRole("button", { name: "Pause the letters" }).waitFor();

  desk.answers(`${incident}/letters/${id(9)}/proof`, 404, { code: "not-found" });
  await letters.getByText("Receipt of one letter").click();
  await letters.getByLabel("Account", { exact: true }).fill(id(9));
  await page.keyboard.press("Enter");
  await letters.getByText("No letter of this case went to an address that this account has.").waitFor();

  const wayIn = page.locator("section[aria-labelledby=way-in]");
  await wayIn.getByLabel("What it was").fill("a key in a log");
  await wayIn.getByLabel("Closed at").fill("2026-11-20T03:00");
  await wayIn.getByLabel("How you know that it is closed").fill("the key is gone");
  await wayIn.getByRole("button", { name: "Record" }).click();
  const closedAt = await page.evaluate("new Date('2026-11-20T03:00').toISOString()");
  const what = { what: "a key in a log", closedAt, evidence: "the key is gone" };
  expect(await act(desk)).toEqual({ method: "PUT", path: `${incident}/way-in`, body: what });

  const review = page.locator("section[aria-labelledby=review] li").nth(1);
  await review.locator("input").fill("two tapes in the cellar");
  await review.getByRole("button", { name: "Explained" }).click();
  const item = { item: "backups", state: "explained", note: "two tapes in the cellar" };
  expect(await act(desk)).toEqual({ method: "PUT", path: `${incident}/review`, body: item });
  desk.answers(`${incident}/review`, 500, {});
  await review.getByRole("button", { name: "Done" }).click();
  await review.getByRole("alert").waitFor();
  await leave(page);
});

test("a case of which nothing is missing is closed after a second look", async () => {
  await set("case?state=readmitting");
  const desk = await open("/account", "#event-list");
  const { page } = desk;
  await page.route(`**/api/incidents/${id(7_000)}`, async (route) => {
    const known = (await (await route.fetch()).json()) as { review: object[] };
    const wayIn = { what: "a key", closedAt: "2026-11-20T03:00:00.000Z", evidence: "it is gone" };
    const review = known.review.map((item) => ({ ...item, state: "done" }));
    await route.fulfill({ json: { ...known, wayIn, review, missing: [] } });
  });
  await page.goto(`/console/incident/${id(7_000)}`);
  await page.getByRole("button", { name: "Close the case" }).click();
  const dialog = page.getByRole("dialog", { name: "Close this case?" });
  expect(desk.acts).toEqual([]);
  await dialog.getByRole("button", { name: "Close the case" }).click();
  expect(await act(desk)).toEqual({ method: "POST", path: `/api/incidents/${id(7_000)}/close`, body: {} });
  await dialog.waitFor({ state: "detached" });
  await leave(page);
});

test("a letter goes to the operator alone first, and in the mailbox each is read as it was sent", async () => {
  await set("case?state=contained");
  const desk = await open("/mailbox", ".letter-frame");
  const { page } = desk;
  await page.getByRole("button", { name: /^Welcome to Houselights/ }).click();
  await page.locator(".letter-open h2", { hasText: "Welcome to Houselights" }).waitFor();
  // It has no other form.
  expect(await page.locator(".letter-text").innerText()).toBe("Welcome.");
  await page.getByRole("button", { name: /^Your code/ }).click();
  await page.frameLocator(".letter-frame").getByText("K7QF-M2XW").waitFor();
  await page.getByRole("group", { name: "Show as" }).getByRole("button").nth(1).click();
  expect(await page.locator(".letter-text").innerText()).toContain("Somebody, hopefully you");

  await page.unrouteAll();
  const tested: unknown[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/notify")) tested.push(request.postDataJSON());
  });
  await page.goto(`/console/incident/${id(7_000)}`);
  await page.getByRole("button", { name: "Write the letters" }).click();
  await page.getByRole("button", { name: "Send it to me first" }).click();
  await page.getByText("A test letter is on its way to you.").waitFor();
  expect(tested).toContainEqual({ action: "test" });
  await leave(page);
});

test("a long library goes on when its end comes near; where that fails it is said, and goes on by the button", async () => {
  const desk = await open("/account", "#event-list");
  const { page } = desk;
  const rest = `/api/titles?limit=200&after=${id(1)}`;
  await page.route("**/api/titles?limit=200", async (route) => {
    await route.fulfill({ json: { ...((await (await route.fetch()).json()) as object), next: id(1) } });
  });
  desk.answers(rest, 500, {});
  await page.goto("/");
  await page.locator(".shelf-grid img").last().scrollIntoViewIfNeeded();
  const more = page.locator(".more");
  await soon(page, () => more.getByRole("alert").count()).toBe(1);
  const { titles } = (await (await fetch(`${origin}/api/titles`)).json()) as { titles: readonly object[] };
  const last = { ...titles[0], id: id(99), name: "The Last of All" };
  desk.answers(rest, 200, { titles: [last], continueWatching: [], next: null });
  await more.getByRole("button", { name: "Try again" }).click();
  await page.locator(".shelf-grid").getByText("The Last of All").waitFor();
  expect(await more.count()).toBe(0);
  await leave(page);
});

const television = { width: 1_920, height: 1_080 };

test("a TV whose link is refused says so and shows a new code by OK; one whose code is over asks by itself; a linked one shows the library", async () => {
  await set("sign-out?reason=silent");
  const desk = await open("/tv", ".tv-qr img", television);
  const { page } = desk;
  const asks = async (path: string) => {
    await soon(page, () => desk.acts.some((one) => one.path === path)).toBe(true);
    desk.acts.splice(0);
  };
  await asks("/oauth/device_authorization");
  desk.answers("/oauth/token", 400, { error: "access_denied" });
  await soon(page, () => page.getByRole("heading", { name: "The link was refused" }).count()).toBe(1);
  await page.waitForSelector(".tv-message button:focus");
  desk.acts.splice(0);
  desk.answers("/oauth/token", 400, { error: "expired_token" });
  await page.keyboard.press("Enter");
  await asks("/oauth/device_authorization");
  await page.waitForSelector(".tv-qr img");
  // Nobody presses anything now.
  await asks("/oauth/token");
  await asks("/oauth/device_authorization");
  await set("sign-in");
  desk.answers("/oauth/token", 200, {});
  await soon(page, () => page.locator(".tv-row button:focus").count()).toBe(1);
  await leave(page);
});

test("a TV that is signed out in its library says why, and shows the code again by OK", async () => {
  const desk = await open("/tv", ".tv-row button:focus", television);
  await set("sign-out?reason=signed-out");
  await desk.page.locator(".lights-up h1").waitFor();
  await desk.page.waitForSelector(".lights-up button:focus");
  await desk.page.keyboard.press("Enter");
  await desk.page.waitForSelector(".tv-qr img");
  await leave(desk.page);
});

const time = "document.querySelector('video').currentTime";

test("keys of a keyboard and a remote stop, seek, mute and show subtitles; what the menu offers is what plays", async () => {
  const desk = await open(`/watch/${film}?from=start`, "[data-state=playing] .settings-button");
  const { page } = desk;
  for (const [key, becomes] of [
    ["k", "paused"],
    ["MediaPlayPause", "playing"],
    [" ", "paused"],
  ] as const) {
    await page.keyboard.press(key);
    await page.waitForSelector(`[data-state=${becomes}]`);
  }
  const before = await page.evaluate<number>(time);
  await page.keyboard.press("l");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("j");
  await expect.poll(() => page.evaluate<number>(time)).toBeCloseTo(before + 10, 1);
  const muted = () => page.evaluate("document.querySelector('video').muted");
  await page.keyboard.press("m");
  await expect.poll(muted).toBe(true);
  await page.keyboard.press("m");
  await expect.poll(muted).toBe(false);
  const volume = await page.evaluate<number>("document.querySelector('video').volume");
  await page.keyboard.press("ArrowDown");
  expect(await page.evaluate<number>("document.querySelector('video').volume")).toBeLessThan(volume);

  const option = (name: string | RegExp, place = 0) => page.locator(".settings-option", { hasText: name }).nth(place);
  const isChosen = (one: ReturnType<typeof option>) => expect.poll(() => one.getAttribute("aria-checked")).toBe("true");
  await page.keyboard.press("c");
  await page.locator(".settings-button").click();
  // Two are called so: the sound first, the subtitles second.
  await isChosen(option("Deutsch", 1));
  for (const one of [option("Off"), option("Deutsch"), option("1.5×"), option(/^✓?180p$/)]) {
    await one.click();
    await isChosen(one);
  }
  expect(await page.evaluate("document.querySelector('video').playbackRate")).toBe(1.5);
  await page.keyboard.press("Escape");
  await page.locator(".settings-menu").waitFor({ state: "detached" });
  await page.keyboard.press("k");
  await page.waitForSelector("[data-state=playing]");
  await expect.poll(() => page.evaluate("document.querySelector('video').videoHeight")).toBe(180);
  await leave(page);
});

test("after the last frame the next episode begins by itself, unless somebody stays", async () => {
  const desk = await open(`/watch/${film}`, "[data-state=playing]");
  const { page } = desk;
  const toTheEnd = async () => {
    await page.waitForSelector("[data-state=playing]");
    await page.evaluate("document.querySelector('video').currentTime = 59.8");
    await page.locator(".the-end").waitFor();
  };
  const watched = () => new URL(page.url()).pathname;
  await toTheEnd();
  // However long the next steps take: the countdown stands still between them.
  await page.clock.pauseAt((await page.evaluate<number>("Date.now()")) + 500);
  await soon(page, () => page.getByText(/Starts in [1-8] s/).count()).toBe(1);
  await page.getByRole("button", { name: "Stay here" }).click();
  for (let seconds = 0; seconds < 15; seconds++) await page.clock.runFor(1_000);
  expect(watched()).toBe(`/watch/${film}`);
  await page.clock.resume();
  await page.getByRole("button", { name: "Play now" }).click();
  await page.waitForURL(`**/watch/${id(102)}`);
  await toTheEnd();
  await soon(page, watched).toBe(`/watch/${id(103)}`);
  await leave(page);
});
