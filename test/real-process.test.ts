import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { generateSync } from "otplib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDb } from "../src/db/db.ts";
import { startPostgres } from "../src/db/embedded.ts";
import { browserCookie, lineCookie, placeCookie, sessionCookie, stepCookie } from "../src/http/cookies.ts";
import { silentLog } from "../src/kernel/log.ts";
import { base64Anywhere } from "./copy-search.ts";
import { hostileRequests, type OpenApi } from "./hostile-requests.ts";
import { eventually, runningService, type ApiAnswer, type RunningService } from "./running-service.ts";
import { descendantsOf, isRunning, processesOf, type Processes } from "./service-processes.ts";

/**
 * The service as it is installed, treated badly: what is sent to it never comes back or stands in its log; each of its
 * processes may be killed at any instant; what a caller was told is kept.
 */
const marker = "Zq7MarkerThatNobodySends";
const password = "seven lanterns over the harbour";
const pager = "pager.of.the.night@some.example.org";
let service: RunningService;
let operator = "";
/** What every run of the service has printed; the link for the operator is meant to be printed. */
let said = "";
/** Everything that went in and must not stand in any log. */
const secrets: { readonly what: string; readonly value: string }[] = [];
function secret(what: string, value: string | undefined): string {
  if (value === undefined || value.length < 6) throw new Error(`no ${what}`);
  secrets.push({ what, value });
  return value;
}

beforeAll(async () => {
  const settings = {
    LOG_LEVEL: "trace",
    // Nobody listens there: what cannot be told is what is written about most.
    ALARM_WEBHOOK_URL: `http://127.0.0.1:9/${secret("the webhook's path", "hooks-of-the-night-desk")}`,
    ALARM_ADDRESS: secret("an address", pager),
    ALARM_WEBHOOK_SECRET: secret("the webhook's secret", "thirty-two characters of a secret"),
  };
  service = await runningService(settings, async (libraryDir) => {
    await mkdir(libraryDir, { recursive: true });
    const source = ["-f", "lavfi", "-i", "testsrc2=size=128x72:rate=12:duration=6"];
    const codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "12"];
    await promisify(execFile)("ffmpeg", ["-v", "error", ...source, ...codec, join(libraryDir, "Steady (2020).mp4")]);
    await copyFile(join(libraryDir, "Steady (2020).mp4"), join(libraryDir, "Other (2021).mp4"));
  });
  const link = secret("the printed link", service.operatorLink());
  operator = secret("a cookie", (await api("POST", "/api/operator-sessions", { body: { secret: link } })).cookie);
}, 120_000);
afterAll(() => service?.remove(), 60_000);

const api: RunningService["api"] = (...request) => service.api(...request);

async function lettersTo(address: string): Promise<string[]> {
  const { body } = await api("GET", "/api/mailbox", { cookie: operator });
  const letters = (body["letters"] ?? []) as { readonly to: string; readonly text: string }[];
  return letters.filter(({ to }) => to === address).map(({ text }) => text);
}

const codeIn = (text: string | undefined): string | undefined =>
  /\b([BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5})\b/.exec(text ?? "")?.[1];

async function signUp(address: string, name = "Somebody"): Promise<void> {
  const jar = new Map<string, string>();
  const asked = await api("POST", "/api/accounts", { body: { address, password, name }, jar });
  expect(asked.status, asked.text).toBe(202);
  const code = await eventually("the code", async () => codeIn((await lettersTo(address))[0]));
  const confirmed = await api("POST", "/api/accounts/confirm", { body: { code: secret("a mailed code", code) }, jar });
  expect(confirmed.status, confirmed.text).toBe(201);
  secret("a browser binding", jar.get(browserCookie));
}

async function signIn(address: string): Promise<string> {
  const answer = await api("POST", "/api/sessions", { body: { address, password } });
  expect(answer.status, answer.text).toBe(201);
  return secret("a cookie", answer.cookie);
}

/** Somebody with an app signs in by a code of it, and by a recovery code. */
async function usesSecondFactor(): Promise<void> {
  const address = secret("an address", "grace.twosteps@some.example.org");
  await signUp(address);
  const cookie = await signIn(address);
  const begun = await api("POST", "/api/account/totp", { body: {}, cookie });
  const key = secret("a TOTP key", String(begun.body["key"]));
  const code = generateSync({ secret: key });
  const added = await api("POST", "/api/account/totp/confirm", { body: { code }, cookie });
  expect(added.status, added.text).toBe(200);
  const [recoveryCode = ""] = (added.body["recoveryCodes"] as string[]).map((one) => secret("a recovery code", one));
  const jar = new Map<string, string>();
  expect((await api("POST", "/api/sessions", { body: { address, password }, jar })).status).toBe(202);
  secret("a half-done sign-in", jar.get(stepCookie));
  const done = await api("POST", "/api/sessions/second-factor", { body: { code: recoveryCode }, jar });
  expect(done.status, done.text).toBe(201);
  secret("a cookie", done.cookie);
}

/** More people than walk in at once want to renew: the line's places, one kept in cookies and one by a program, are shown again. */
async function standsInLine(): Promise<void> {
  const asks = (token: boolean) =>
    Promise.all(
      Array.from({ length: 60 }, async (_none, number) => {
        const jar = new Map<string, string>();
        const address = secret("an address", `crowd-${number}@some.example.org`);
        const body = { address, ...(token ? { token } : {}) };
        return { jar, answer: await api("POST", "/api/renewals", { body, jar }) };
      }),
    );
  const inLine = (token: boolean) =>
    eventually("a place in line", async () =>
      (await asks(token)).find(({ answer }) => answer.body["kind"] === "in-line"),
    );
  const { jar } = await inLine(false);
  secret("a place in line", jar.get(placeCookie));
  secret("what a place is bound to", jar.get(lineCookie));
  expect((await api("POST", "/api/renewals/place", { body: {}, jar })).status).toBe(200);
  expect((await api("GET", "/renew", { jar })).status).toBe(200);
  const place = secret("a program's place", String((await inLine(true)).answer.body["place"]));
  for (const part of place.split(".")) secret("a part of a program's place", part);
  expect((await api("POST", "/api/renewals/place", { body: { place } })).status).toBe(200);
}

const opens = async (cookie: string): Promise<boolean> => (await api("GET", "/api/session", { cookie })).status === 200;

const processes = (): Promise<Processes> => eventually("all four processes", () => processesOf(service));

describe("what was sent", () => {
  test("never comes back in a refusal, whichever field it stood in", async () => {
    secret("the marker", marker);
    const described = (await api("GET", "/openapi.json")).body as unknown as OpenApi;
    let refused = 0;
    for (const { method, path, headers, body } of hostileRequests(described, marker)) {
      const answer = await fetch(`${service.origin}${path}`, {
        method,
        redirect: "manual",
        headers: {
          cookie: `${sessionCookie}=${operator}; other=${marker}`,
          "user-agent": marker,
          "accept-language": marker,
          ...headers,
        },
        ...(body === undefined || method === "GET" || method === "DELETE" ? {} : { body }),
      });
      const text = await answer.text();
      if (answer.status < 400) continue;
      refused++;
      const where = `${method} ${path.replaceAll(marker, "…")} ${(body ?? "").replaceAll(marker, "…")}`;
      expect([where, answer.status, text.toLowerCase().includes(marker.toLowerCase())]).toEqual([
        where,
        answer.status,
        false,
      ]);
      // RFC 6749 has an error form of its own.
      if (path.startsWith("/oauth/token") && text.includes('"error"')) continue;
      expect([where, answer.headers.get("content-type")]).toEqual([where, "application/problem+json"]);
      expect([where, /^[a-z-]+$/.test(String((JSON.parse(text) as { code: string }).code))]).toEqual([where, true]);
      expect([where, text]).not.toEqual([where, expect.stringMatching(/ {4}at |\.ts:\d|node_modules/)]);
      expect([where, answer.status < 500]).toEqual([where, true]);
    }
    expect(refused).toBeGreaterThan(200);
  }, 60_000);

  test("in an Authorization header and a grant's place opens nothing and does not come back", async () => {
    for (const path of ["/api/session", `/media/${marker}/master.m3u8`, `/assets/${marker}`, `/${marker}`]) {
      const answer = await fetch(`${service.origin}${path}`, { headers: { authorization: `Bearer ${marker}` } });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(await answer.text()).not.toContain(marker);
    }
  });

  test("is used in every feature, and stands in no log (read at the end)", async () => {
    const address = secret("an address", "ada.quillfeather@some.example.org");
    secret("a password", password);
    await signUp(address, secret("a name", "Ada Quillfeather"));
    const cookie = await signIn(address);
    // Typed in the wrong places: as a name, an address, a reason, a device's name, a password and in a path.
    const card = secret("a card number", "4012 8888 8888 1881");
    for (const [path, body] of [
      ["/api/accounts", { address, password, name: card }],
      ["/api/accounts", { address: `${card.replaceAll(" ", "")}@some.example.org`, password }],
      ["/api/incidents", { reason: card }],
      ["/api/sessions", { address, password, label: card, token: true, class: "tool" }],
      ["/api/sessions", { address, password: card }],
      [`/api/${encodeURIComponent(card)}`, {}],
    ] as const) {
      const refused = await api("POST", path, { body, cookie: operator });
      expect([path, refused.status >= 400]).toEqual([path, true]);
    }
    const bearer = await api("POST", "/api/sessions", {
      body: { address, password, token: true, class: "tool", label: secret("a device name", "The cellar machine") },
    });
    secret("a bearer token", String(bearer.body["token"]));
    await usesSecondFactor();
    const words = ["signals", "add", "--name", "Music", "--audience", "https://music.example"];
    const receiver = /[\w-]{43}/.exec((await service.command(...words)).out)?.[0];
    const headers = { authorization: `Bearer ${secret("a relying service's token", receiver)}` };
    expect((await fetch(`${service.origin}/signals/stream`, { headers })).status).toBe(200);
    const link = await api("POST", "/oauth/device_authorization", {
      body: { client_id: "houselights-tv", device_name: secret("a device name", "Attic television") },
    });
    secret("a device code", String(link.body["device_code"]));
    const userCode = secret("a user code", String(link.body["user_code"]));
    expect((await api("POST", "/api/links/decide", { body: { userCode, decision: "approve" }, cookie })).status).toBe(
      200,
    );
    const claimed = await api("POST", "/oauth/token", {
      body: {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: link.body["device_code"],
        client_id: "houselights-tv",
      },
    });
    secret("a television's token", String(claimed.body["access_token"]));
    const title = await eventually("a film", async () => {
      const { body } = await api("GET", "/api/titles", { cookie });
      return ((body["titles"] ?? []) as { id: string; playable: boolean }[]).find(({ playable }) => playable)?.id;
    });
    const granted = await api("POST", `/api/titles/${title}/grants`, { cookie });
    const playlist = String(granted.body["playlist"]);
    secret("a grant", playlist.split("/")[2]);
    expect((await api("GET", playlist)).status).toBe(200);
    const wrong = secret("a wrong password", "guessed by a thief at night");
    expect((await api("POST", "/api/sessions", { body: { address, password: wrong } })).status).toBe(401);
    const next = secret("a new password", "eleven boats went out at dawn");
    const changed = await api("POST", "/api/password", {
      body: { currentPassword: password, newPassword: next },
      cookie,
    });
    expect(changed.status, changed.text).toBe(200);
    const jar = new Map<string, string>();
    await api("POST", "/api/renewals", { body: { address }, jar });
    const code = await eventually("the renewal code", async () =>
      (await lettersTo(address))
        .map((text) => codeIn(text))
        .find((found) => found !== undefined && !secrets.some(({ value }) => value === found)),
    );
    const renewed = await api("POST", "/api/renewals/complete", {
      body: { code: secret("a mailed code", code), password },
      jar,
    });
    expect(renewed.status, renewed.text).toBe(200);
    secret("a browser binding", jar.get(browserCookie));
    const undo = await eventually("the letter about it", async () =>
      (await lettersTo(address)).map((text) => /not-me#(\S+)/.exec(text)?.[1]).find((found) => found !== undefined),
    );
    const undone = await fetch(`${service.origin}/not-me`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: service.origin },
      body: new URLSearchParams({ token: secret("an undo secret", undo) }),
    });
    expect([undone.status, undone.headers.get("location")]).toEqual([303, "/not-me/done"]);
    await standsInLine();
    expect(await service.command("alarm", "test")).toMatchObject({ code: 0, err: "" });
    await eventually("the alarm's letter", async () => (await lettersTo(pager)).at(0));
    await eventually("the failed webhook", async () => service.output().includes("webhook: it could not") || undefined);
  }, 60_000);
});

/** Requests one after another until told to stop; every answer that is neither good nor "come again" is kept. */
function load(cookie: string): { stop: () => Promise<{ good: number; again: number; wrong: string[] }> } {
  let stopped = false;
  const seen = { good: 0, again: 0, wrong: [] as string[] };
  const judge = (what: string, expected: number, answer: ApiAnswer): void => {
    if (answer.status === expected) seen.good++;
    else if (answer.status === 503 && answer.body["code"] === "busy" && answer.headers.get("retry-after") !== null) {
      seen.again++;
    } else seen.wrong.push(`${what}: ${answer.status} ${answer.text}`);
  };
  const lane = async (what: string, expected: number, ask: () => Promise<ApiAnswer>): Promise<void> => {
    while (!stopped) judge(what, expected, await ask());
  };
  const lanes = [
    lane("check", 200, () => api("GET", "/api/session", { cookie })),
    lane("devices", 200, () => api("GET", "/api/sessions", { cookie })),
    lane("proof", 200, () => api("GET", "/api/titles", { cookie })),
    lane("refused", 401, () => api("GET", "/api/session", { cookie: cookie.slice(0, -4) + "AAAA" })),
  ];
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(lanes);
      return seen;
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the service answers as on any day, without anybody's help. */
const recovered = (cookie: string): Promise<true> =>
  eventually(
    "the service to be well",
    async () => {
      const ready = await api("GET", "/readyz").catch(() => undefined);
      const session = await api("GET", "/api/session", { cookie }).catch(() => undefined);
      return ready?.status === 200 && session?.status === 200 ? true : undefined;
    },
    30_000,
  );

/** A stream of events; `said` is what came. */
function listen(cookie: string): { said: () => string; ended: Promise<void>; stop: () => void } {
  const stopping = new AbortController();
  let text = "";
  const ended = (async () => {
    const answer = await fetch(`${service.origin}/api/events`, {
      headers: { cookie: `${sessionCookie}=${cookie}` },
      signal: stopping.signal,
    });
    for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString("utf8");
  })().catch(() => undefined);
  return { said: () => text, ended, stop: () => stopping.abort() };
}

describe("killed under load", () => {
  let cookie = "";
  beforeAll(async () => {
    const address = secret("an address", "bob.underload@some.example.org");
    await signUp(address);
    cookie = await signIn(address);
  }, 60_000);

  test("PostgreSQL, restarted: answers are right or 'come again', and the push channel is back", async () => {
    const other = await signIn("bob.underload@some.example.org");
    const { postmaster } = await processes();
    const stream = listen(other);
    await eventually("the stream", async () => stream.said().includes("event: here") || undefined);
    const underLoad = load(cookie);
    await pause(300);
    process.kill(postmaster, "SIGINT");
    await eventually("its end", async () => ((await isRunning(postmaster)) ? undefined : true));
    await recovered(cookie);
    await pause(300);
    const { good, again, wrong } = await underLoad.stop();
    expect(wrong).toEqual([]);
    expect(good).toBeGreaterThan(10);
    expect(again).toBeGreaterThan(0);
    expect(stream.said()).not.toContain("event: ended");
    // Listening again: signing the other out reaches its stream by itself.
    await pause(1_500);
    await api("DELETE", "/api/sessions?except=current", { cookie });
    await eventually("the news", async () => stream.said().includes("event: ended") || undefined, 10_000);
    await stream.ended;
  }, 60_000);

  test.each(["postmaster", "keyholder", "worker"] as const)(
    "%s, by kill -9: answers are right or 'come again', and it comes back by itself",
    async (which) => {
      const before = await processes();
      const underLoad = load(cookie);
      await pause(300);
      process.kill(before[which], "SIGKILL");
      await eventually(`another ${which}`, async () => {
        const now = await processesOf(service);
        return now !== undefined && now[which] !== before[which] ? true : undefined;
      });
      await recovered(cookie);
      const { good, wrong } = await underLoad.stop();
      expect(wrong).toEqual([]);
      expect(good).toBeGreaterThan(10);
      const now = await processes();
      for (const one of ["web", "worker", "keyholder", "postmaster"] as const) {
        if (one !== which) expect([one, now[one]]).toEqual([one, before[one]]);
      }
      // It works as before: a letter is sealed, stored, queued, written and opened.
      await signUp(secret("an address", `after.${which}@some.example.org`));
    },
    60_000,
  );

  test("web, by kill -9: it comes back on the same port", async () => {
    const before = await processes();
    process.kill(before.web, "SIGKILL");
    await eventually("another web", async () => {
      const now = await processesOf(service);
      return now !== undefined && now.web !== before.web ? true : undefined;
    });
    await recovered(cookie);
  }, 60_000);

  test("a command waits for a keyholder that is late, as one on a full machine is", async () => {
    const { keyholder } = await processes();
    process.kill(keyholder, "SIGSTOP");
    const asked = service.command("timeline", "policy");
    await pause(1_500);
    process.kill(keyholder, "SIGCONT");
    expect(await asked).toMatchObject({ err: "", code: 0 });
    await recovered(cookie);
  }, 60_000);

  test("a command refuses what would be of no use, and says why", async () => {
    const nobody = "01a21a23-503e-782b-81f2-cd5cc5cdfb54";
    const refused = async (...words: string[]) => {
      const { code, out, err } = await service.command(...words);
      return [code, out, err.split("\n")[0]];
    };
    expect(await refused("operator", "link", "--account", nobody)).toEqual([
      1,
      "",
      "error: this is no operator's account",
    ]);
    expect(await refused("incident", "open", "--reason", " ")).toEqual([
      2,
      "",
      expect.stringContaining("--reason is needed"),
    ]);
    const future = ["--reason", "test", "--copied-at", "2200-01-01T00:00:00Z"];
    expect(await refused("incident", "open", ...future)).toEqual([
      2,
      "",
      expect.stringContaining("must not be later than"),
    ]);
  });

  test("everything at once, by kill -9: the next start finds all that was acknowledged", async () => {
    const address = secret("an address", "last.before@some.example.org");
    await signUp(address);
    const token = await signIn(address);
    const all = await descendantsOf(service.pid());
    const { postmaster } = await processes();
    said += service.output();
    await Promise.all([
      service.kill(),
      ...[...all.map(({ pid }) => pid), postmaster].map(async (pid) => {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It ended with another one.
        }
      }),
    ]);
    // What the dead left lying about does not keep a command from a keyholder of its own.
    expect(await service.command("timeline", "policy")).toMatchObject({ err: "", code: 0 });
    await service.start();
    expect(await opens(token)).toBe(true);
    expect(await opens(cookie)).toBe(true);
    await signIn(address);
  }, 60_000);
});

/** @returns why nobody can be reached at the service's port, if so. */
const knock = (): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect(Number(new URL(service.origin).port), "127.0.0.1");
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
  });

test("SIGTERM while it works: what is under way is answered, nothing is left running, the port is free", async () => {
  const address = secret("an address", "at.the.end@some.example.org");
  await signUp(address);
  const pids = (await descendantsOf(service.pid())).map(({ pid }) => pid);
  const { postmaster } = await processes();
  const stream = listen(await signIn(address));
  await eventually("the stream", async () => stream.said().includes("event: here") || undefined);
  const { connection } = await startPostgres({ dataDir: service.dataDir, log: silentLog, role: "command" });
  const db = openDb({ connection, log: silentLog, maxConnections: 2 });
  const { asked, stopped } = await db.transaction(async (tx) => {
    // No session is written before the service lets nobody in any more.
    await tx.run(`lock table session in exclusive mode`);
    const asks = Array.from({ length: 4 }, () => api("POST", "/api/sessions", { body: { address, password } }));
    const held = (what: string, isSo: () => Promise<boolean>): Promise<true> =>
      eventually(what, async () => {
        // PostgreSQL ends a transaction that says nothing for ten seconds.
        await tx.one(`select 1 as here`);
        return (await isSo()) ? true : undefined;
      });
    await held("all of them to be under way", async () => {
      const waiting = await db.one<{ count: number }>(
        `select count(*) as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return (waiting?.count ?? 0) >= asks.length;
    });
    const stopping = service.stop();
    await held("the port to be closed", async () => (await knock()) === "ECONNREFUSED");
    return { asked: asks, stopped: stopping };
  });
  await db.close();
  const answers = await Promise.allSettled(asked);
  expect(answers.map((one) => (one.status === "fulfilled" ? one.value.status : String(one.reason)))).toEqual(
    Array.from({ length: 4 }, () => 201),
  );
  for (const one of answers) if (one.status === "fulfilled") secret("a cookie", one.value.cookie);
  expect(await stopped).toBe(0);
  await stream.ended;
  for (const pid of [...pids, postmaster]) expect([pid, await isRunning(pid)]).toEqual([pid, false]);
  expect(await knock()).toBe("ECONNREFUSED");
  said += service.output();
}, 60_000);

test("a port that another program has is said with the setting that names another, and nothing stays behind", async () => {
  const port = Number(new URL(service.origin).port);
  const other = createServer().listen(port, "127.0.0.1");
  await once(other, "listening");
  const refused = await service.command("serve");
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toContain(`error: port ${port} is in use by another program\nhint: set PORT to another one`);
  expect(existsSync(join(service.dataDir, "postgres", "cluster", "postmaster.pid"))).toBe(false);
  other.close();
}, 60_000);

test("no log, at any level, has an address, name, network, password, token, grant or code in it", () => {
  const lines = said.split("\n").filter((line) => !line.startsWith("  operate "));
  expect(lines.length).toBeGreaterThan(500);
  const found = new Set<string>();
  for (const { what, value } of secrets) {
    const bytes = Buffer.from(value);
    const anyCase = [value, value.replaceAll(/[- ]/g, ""), encodeURIComponent(value), bytes.toString("hex")];
    const exact = [...base64Anywhere(bytes, "base64"), ...base64Anywhere(bytes, "base64url")];
    for (const line of lines) {
      const lower = line.toLowerCase();
      if (
        anyCase.some((spelling) => lower.includes(spelling.toLowerCase())) ||
        exact.some((spelling) => line.includes(spelling))
      )
        found.add(`${what}: ${line.slice(0, 400).replaceAll(value, "…")}`);
    }
  }
  expect([...found].slice(0, 10)).toEqual([]);
});
