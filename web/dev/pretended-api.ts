import { execFile } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import type { Plugin } from "vite";
import type { Console, IncidentStatus } from "../../src/wire/incidents.ts";
import type { Static } from "typebox";
import {
  ago,
  hourMs,
  idOf,
  pretendedDetail,
  pretendedEvents,
  pretendedPoster,
  pretendedTitles,
} from "./pretended-data.ts";
import { pretendedLetter } from "./pretended-letter.ts";
import { pretendedCopy } from "./pretended-copy.ts";
import { pretendedLobby } from "./pretended-lobby.ts";
import { pretendedPlan } from "./pretended-plan.ts";

type Json = unknown;
const caseId = idOf(7_000);
const pretendedSecond = "a.rather.long.second.address@mail.some-provider.example";

/** The policy of the real server, so that a built page meets it here first. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
  "connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; object-src 'none'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/**
 * Development only: the API's replies from memory, so that pages can be built and looked at without the server.
 * `/dev/…` changes its state: `sign-out?reason=contained|silent|unheard`, `sign-in`, `case?state=none|open|contained|notifying`,
 * `letters?state=paused|going`, `library?state=empty|full|failed`, `approve`.
 */
export function pretendedApi(): Plugin {
  return {
    name: "pretended-api",
    configureServer: (server) => {
      const { handler, close } = newHandler(false);
      server.middlewares.use(handler);
      server.httpServer?.once("close", close);
    },
    configurePreviewServer: (server) => {
      const { handler, close } = newHandler(true);
      server.middlewares.use(handler);
      server.httpServer.once("close", close);
    },
  };
}

function newHandler(strict: boolean) {
  let signedIn = true;
  let library: "full" | "empty" | "failed" = "full";
  let caseState: IncidentStatus["state"] | "none" = "none";
  /** What was said later of the case. */
  let known: Record<string, unknown> = {};
  let paused = false;
  let approved = false;
  let plans = 0;
  let proved = false;
  let address: string | null = "operator@example.org";
  let second: string | null = pretendedSecond;
  let deleteAfter: string | null = null;
  let events: "full" | "empty" | "failed" = "full";
  const titles = pretendedTitles();
  const streams = new Set<ServerResponse>();
  const beating = setInterval(() => {
    for (const one of streams) one.write("event: here\ndata: {}\n\n");
  }, 1_000);
  let media: string | undefined;

  const answer = (response: ServerResponse, status: number, body?: Json) => {
    response.statusCode = status;
    response.setHeader("content-type", status >= 400 ? "application/problem+json" : "application/json");
    response.end(body === undefined ? "" : JSON.stringify(body));
  };
  const refuse = (response: ServerResponse, status: number, code: string) =>
    answer(response, status, { type: `/problems/${code}`, title: code, status, code, reference: "k3TzQ9aB" });

  const handle = async (request: IncomingMessage, response: ServerResponse, next: () => void) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const { pathname } = url;
    const method = request.method ?? "GET";
    if (strict) response.setHeader("content-security-policy", policy);
    if (pathname.startsWith("/dev/")) {
      if (pathname === "/dev/sign-out") {
        signedIn = false;
        const reason = url.searchParams.get("reason") ?? "signed-out";
        if (reason !== "silent" && reason !== "unheard")
          for (const one of streams) one.end(`event: ended\ndata: {"reason":"${reason}"}\n\n`);
        // "unheard": the word is lost, and the signs of life go on.
        if (reason !== "unheard") streams.clear();
      } else if (pathname === "/dev/sign-in") {
        signedIn = true;
        proved = false;
        second = pretendedSecond;
      }
      if (pathname === "/dev/approve") approved = true;
      else if (pathname === "/dev/no-address") address = null;
      else if (pathname === "/dev/letters") paused = url.searchParams.get("state") === "paused";
      else if (pathname === "/dev/case") {
        caseState = (url.searchParams.get("state") ?? "none") as typeof caseState;
        known = {};
      } else if (pathname === "/dev/deletion") {
        deleteAfter = url.searchParams.get("state") === "planned" ? ago(-168 * hourMs) : null;
      } else if (pathname === "/dev/events") events = (url.searchParams.get("state") ?? "full") as typeof events;
      else if (pathname === "/dev/library") library = (url.searchParams.get("state") ?? "full") as typeof library;
      return answer(response, 200, {});
    }
    if (pathname === "/sign-in" || pathname === "/renew") {
      response.setHeader("content-type", "text/html");
      return response.end("<!doctype html><title>plain page</title><p>plain page</p>");
    }
    if (pathname.startsWith("/media/")) {
      if (!signedIn) return refuse(response, 403, "grant-refused");
      media ??= await makeMedia();
      const file = join(media, pathname.split("/").at(-1) ?? "");
      if (!existsSync(file)) return refuse(response, 404, "not-found");
      response.setHeader("content-type", mediaTypes[extname(file)] ?? "video/mp4");
      return createReadStream(file).pipe(response);
    }
    if (!pathname.startsWith("/api/") && !pathname.startsWith("/oauth/")) return next();
    const body: Record<string, unknown> = JSON.parse((await readBody(request)) || "{}");
    if (pathname === "/api/notice") {
      const open = caseState === "none" || caseState === "open" || caseState === "closed";
      return answer(response, 200, {
        notice: open
          ? null
          : {
              reference: "HL-2026-0001",
              renewPasswordsSetBefore: ago(hourMs),
              letter: caseState === "contained" ? null : pretendedLetter,
            },
      });
    }
    if (pathname === "/oauth/device_authorization") {
      return answer(response, 200, {
        device_code: "d",
        user_code: "WDJB-MJHT",
        verification_uri: "http://127.0.0.1:5198/link",
        verification_uri_complete: "http://127.0.0.1:5198/link?code=WDJB-MJHT",
        expires_in: 600,
        interval: 2,
      });
    }
    if (pathname === "/oauth/token") {
      if (!approved) return answer(response, 400, { error: "authorization_pending" });
      signedIn = true;
      return answer(response, 200, { token_type: "Bearer", expires_in: 3_600 });
    }
    if (pathname === "/api/operator-sessions") {
      if (body["secret"] !== "pretended-secret-pretended") return refuse(response, 400, "link-refused");
      signedIn = true;
      return answer(response, 200, {});
    }
    if (!signedIn) return refuse(response, 401, "not-signed-in");

    if (pathname === "/api/events") {
      response.setHeader("content-type", "text/event-stream");
      response.write("retry: 1000\n\nevent: here\ndata: {}\n\n");
      streams.add(response);
      response.on("close", () => streams.delete(response));
      return undefined;
    }
    if (pathname === "/api/session") {
      return answer(response, 200, {
        accountId: idOf(1),
        sessionId: idOf(2),
        class: "browser",
        role: "operator",
        expiresAt: ago(-240 * hourMs),
        freshUntil: ago(0),
      });
    }
    if (pathname === "/api/session/proof") {
      if (body["password"] === "wrong") return refuse(response, 403, "wrong-password");
      proved = true;
      return answer(response, 200, {});
    }
    if (pathname === "/api/titles") {
      if (library === "failed") return refuse(response, 500, "broken");
      if (library === "empty") return answer(response, 200, { titles: [], continueWatching: [], next: null });
      const search = url.searchParams.get("search")?.toLowerCase() ?? "";
      return answer(response, 200, {
        titles: titles.filter((one) => `${one.name} ${one.seriesName ?? ""}`.toLowerCase().includes(search)),
        continueWatching: titles.filter(({ progress }) => progress !== null),
        next: null,
      });
    }
    const title = /^\/api\/titles\/([^/]+)(?:\/(\w+))?$/.exec(pathname);
    if (title !== null) {
      const id = title[1] ?? "";
      const detail = pretendedDetail(titles, id);
      if (detail === undefined) return refuse(response, 404, "not-found");
      if (title[2] === "poster") {
        response.setHeader("content-type", "image/svg+xml");
        return response.end(pretendedPoster(Number(id.slice(-4)), detail.seriesName ?? detail.name));
      }
      if (title[2] === "grants") {
        return answer(response, 200, {
          playlist: "/media/pretended/master.m3u8",
          pictures: "/media/pretended/scrub/cues.vtt",
          expiresAt: ago(-4 * hourMs),
        });
      }
      if (title[2] === "progress") return answer(response, 204);
      return answer(response, 200, { ...detail, progress: null });
    }
    if (pathname === "/api/account") {
      return answer(response, 200, {
        accountId: idOf(1),
        name: "Ada",
        locale: "en",
        role: "operator",
        addresses:
          address === null
            ? []
            : [
                { id: idOf(3), address, confirmedAt: ago(900 * hourMs), doubted: false },
                ...(second === null
                  ? []
                  : [{ id: idOf(4), address: second, confirmedAt: ago(90 * hourMs), doubted: true }]),
              ],
        passwordSetAt: address === null ? null : ago(400 * hourMs),
        createdAt: ago(9_000 * hourMs),
      });
    }
    if (pathname === "/api/account/passkeys") {
      const passkey = (number: number, name: string, doubt: string | null) => {
        const lastUsedAt = doubt === null ? ago(2 * hourMs) : null;
        return { id: idOf(number), name, addedAt: ago(300 * hourMs), lastUsedAt, doubt };
      };
      return answer(response, 200, {
        available: true,
        origin: `http://${request.headers.host ?? ""}`,
        passkeys: [passkey(30, "Telephone", null), passkey(31, "The blue key", "added-since-copy")],
      });
    }
    if (pathname === "/api/account/deletion") {
      if (method === "POST") deleteAfter = ago(-168 * hourMs);
      if (method === "DELETE") deleteAfter = null;
      return answer(response, method === "POST" ? 202 : 200, { kind: "deletion-planned", deleteAfter });
    }
    if (pathname === "/api/account/second-factor") {
      return answer(response, 200, {
        totpAddedAt: ago(200 * hourMs),
        setAside: null,
        recoveryCodes: { left: 9, madeAt: ago(200 * hourMs) },
        passwordLength: 8,
      });
    }
    if (pathname === "/api/account/events") {
      if (events === "failed") return refuse(response, 500, "broken");
      return answer(response, 200, { events: events === "empty" ? [] : pretendedEvents });
    }
    if (pathname === "/api/account/addresses") return answer(response, 202, {});
    if (pathname.startsWith("/api/account/addresses/") && pathname !== "/api/account/addresses/confirm") {
      if (!proved) return refuse(response, 403, "proof-needed");
      if (method === "DELETE") second = null;
      return answer(response, 200, { kind: method === "DELETE" ? "address-removed" : "first-address-changed" });
    }
    if (pathname === "/api/account/addresses/confirm") {
      address = "new@example.org";
      return answer(response, 200, {});
    }
    if (pathname === "/api/sessions") {
      if (method === "DELETE") return answer(response, 200, { kind: "signed-out", ended: 3 });
      return answer(response, 200, { devices });
    }
    if (pathname.startsWith("/api/sessions/")) return answer(response, 200, { kind: "signed-out", ended: 1 });
    if (pathname === "/api/password") {
      if (body["currentPassword"] === "wrong") return refuse(response, 403, "wrong-password");
      return answer(response, 200, { kind: "password-changed", signedOutDevices: true });
    }
    if (pathname === "/api/operators") {
      return answer(response, 200, {
        operators: [
          {
            accountId: idOf(1),
            name: "Ada",
            addresses: ["operator@example.org"],
            current: true,
            named: { at: ago(400 * 24 * hourMs), by: "host" },
            isNew: false,
            counts: true,
          },
          {
            accountId: idOf(5),
            name: "",
            addresses: ["night-shift@example.org"],
            current: false,
            named: { at: ago(50 * hourMs), by: idOf(1) },
            isNew: true,
            counts: caseState === "none",
          },
        ],
      });
    }
    if (pathname === "/api/mailbox") return answer(response, 200, { letters });
    if (pathname === "/api/stolen-copy") return answer(response, 200, pretendedCopy);
    if (pathname === "/api/lobby") return answer(response, 200, pretendedLobby());
    if (pathname === "/api/console") return answer(response, 200, pretendedConsole(caseState));
    if (pathname === "/api/incidents") {
      if (method === "POST") {
        caseState = "open";
        return answer(response, 201, pretendedCase("open", paused));
      }
      const incidents =
        caseState === "none"
          ? []
          : [
              {
                id: caseId,
                reference: "HL-2026-0001",
                state: caseState,
                reason: "Database copy offered for sale",
                openedAt: ago(30 * hourMs),
                closedAt: null,
              },
            ];
      return answer(response, 200, { incidents });
    }
    if (pathname.startsWith("/api/incidents/")) {
      if (caseState === "none") return refuse(response, 404, "not-found");
      if (pathname.endsWith("/contain")) {
        if (!proved) return refuse(response, 403, "proof-needed");
        if (body["dryRun"] !== true) caseState = "contained";
        return answer(response, 200, {
          kind: body["dryRun"] === true ? "would-contain" : "contained",
          incidentId: caseId,
          reference: "HL-2026-0001",
          epoch: 7,
          at: ago(0),
          mode: body["mode"] ?? "everyone-out",
          floors: ["password", "browser"],
          commitMs: 2.1,
          counted: {
            passwords: 4_812_077,
            sessions: 9_204_331,
            links: 212,
            tickets: 31,
            accounts: 4_812_077,
            passkeysStillGood: 31_207,
          },
          countedMs: 1_900,
          witness: "told",
          ...(body["dryRun"] === true ? { letters: pretendedPlan(false) } : {}),
        });
      }
      if (pathname.endsWith("/facts")) {
        if (!proved) return refuse(response, 403, "proof-needed");
        known = { ...known, ...body };
        return answer(response, 200, { ...pretendedCase(caseState, paused), ...known });
      }
      if (pathname.endsWith("/notify")) {
        if (body["action"] === "start") caseState = "notifying";
        return answer(response, 200, {
          kind: body["action"],
          ...(body["action"] === "plan" ? { plan: pretendedPlan(plans++ > 0) } : {}),
          ...(body["action"] === "preview"
            ? {
                subject: "Notice of data breach",
                letters: ["en", "de", "fr", "es", "ja"].map((locale) => ({
                  locale,
                  subject: locale === "en" ? "Notice of data breach" : `Notice (${locale})`,
                  text: letters[0]?.text,
                  html: "",
                })),
              }
            : {}),
        });
      }
      return answer(response, 200, { ...pretendedCase(caseState, paused), ...known });
    }
    return refuse(response, 404, "not-found");
  };
  const handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => {
    handle(request, response, next).catch((error: unknown) => {
      console.error(error);
      refuse(response, 500, "broken");
    });
  };
  const close = () => {
    clearInterval(beating);
    if (media !== undefined) rmSync(media, { recursive: true, force: true });
  };
  return { handler, close };
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

const devices = [
  ["browser", "Firefox on Linux", "192.0.2.0/24", true, 0],
  ["tv", "Living-room TV", "192.0.2.0/24", false, 0.3],
  ["app", "Phone", "198.51.100.0/24", false, 5],
  ["tool", "Home automation", "192.0.2.0/24", false, 30],
].map(([kind, label, network, current, hours], place) => ({
  id: idOf(50 + place),
  class: kind,
  label,
  network,
  createdAt: ago(2_000 * hourMs),
  lastSeenAt: ago(Number(hours) * hourMs),
  current,
}));

const letters = [
  {
    id: idOf(60),
    at: ago(60_000),
    to: "ada@example.org",
    subject: "Your code: K7QF-M2XW",
    text: "Somebody, hopefully you, asked to set a new password.\n\nCode: K7QF-M2XW\n\nIt is good for 24 hours, in the browser that asked for it.\nHouselights never asks for your password by e-mail.",
    html: "<html><head><style>body{font-family:Georgia,serif;background:#faf5ec;padding:24px}h1{color:#864600}</style></head><body><h1>Your code</h1><p style='font-size:28px;letter-spacing:4px'><b>K7QF-M2XW</b></p><p>It is good for 24 hours, in the browser that asked for it.</p></body></html>",
    messageId: "<1@example.org>",
  },
  {
    id: idOf(61),
    at: ago(4 * hourMs),
    to: "grace@example.org",
    subject: "Welcome to Houselights",
    text: "Welcome.",
    html: "",
    messageId: "<2@example.org>",
  },
];

const sumOf = (handedOver: number): NonNullable<IncidentStatus["letters"]> => ({
  scope: 48_120,
  handedOver,
  bounced: handedOver === 0 ? 0 : 312,
  refused: handedOver === 0 ? 0 : 41,
  suppressed: 12,
  noAddress: 9,
  waiting: 48_120 - handedOver - 21 - (handedOver === 0 ? 0 : 353),
  possiblyTwice: handedOver === 0 ? 0 : 3,
});

function pretendedConsole(state: string): Static<typeof Console> {
  return {
    incident: state === "none" || state === "closed" ? null : caseId,
    accounts: 48_120,
    countedAt: ago(0),
    sessions: [
      { class: "browser", live: 40_112 },
      { class: "tv", live: 22_409 },
      { class: "app", live: 31_077 },
      { class: "tool", live: 204 },
    ],
    epoch: 7,
    floors: [
      "password",
      "browser",
      "tv",
      "app",
      "tool",
      "ticket",
      "code",
      "link",
      "passkey",
      "totp",
      "recovery",
      "account",
    ].map((kind) => ({
      kind,
      epoch: kind === "passkey" || kind === "totp" ? 1 : 7,
    })),
    titles: [
      { state: "playable", count: 33 },
      { state: "damaged", count: 1 },
    ],
    library: {
      scan: {
        isRunning: true,
        isWaiting: false,
        startedAt: ago(40_000),
        finishedAt: null,
        files: 36,
        toInspect: 5,
        inspected: 2,
        inspecting: ["Gathering/Season 02/Gathering S02E04 - The.Longest.Name.Without.A.Space.1080p.WEB-DL.x264.mkv"],
        stillWritten: 1,
        notInspected: 1,
      },
      transcoding: [{ path: "Old Broadcast (1998).ts", encoders: 2 }],
      pictures: {
        now: { path: "Slow Light (2024)/Slow Light (2024).mkv", since: ago(9_000) },
        made: 20,
        waiting: 11,
        failed: 12,
      },
      failed: [
        { kind: "film", path: "Half (2020).mp4", problem: "Invalid data found when processing input", againAt: null },
        { kind: "pictures", path: "Torn (1999).avi", problem: "its pictures take too long", againAt: ago(-3 * hourMs) },
        {
          kind: "pictures",
          path: "Torn Twice (1999).avi",
          problem: "ffmpeg cannot decode it: no frame",
          againAt: null,
        },
      ],
      broken: [{ task: "scrub-pictures", error: "ffmpeg is not installed; hint: install ffmpeg 5 or newer" }],
    },
    timeline: {
      size: 1_204_551 + (Math.floor(Date.now() / 2_000) % 1_000),
      waiting: 3,
      rootHex: "ab".repeat(32),
      checkpointAt: ago(20_000),
    },
    jobs: { waiting: 12, failed: 0 },
    mail: "mailbox",
    addresses: { opened: 1_204, limit: 200_000, refused: 0 },
    keyUse: {
      since: ago(24 * hourMs),
      comparedAt: ago(0),
      purposes: [
        { purpose: "password", announced: 20_412, served: 20_412, surplus: 0 },
        { purpose: "index", announced: 61_236, served: 61_236, surplus: 0 },
        { purpose: "open", announced: 18_003, served: 18_010, surplus: 7 },
        { purpose: "sign.grant", announced: 9_204, served: 9_204, surplus: 0 },
      ],
    },
    alarms: [
      {
        id: idOf(9_000),
        kind: "canary",
        place: "backup-2026-11",
        language: "en",
        title: "A canary was used",
        evidence: "Somebody tried to sign in with an address that stands in one copy of the database and nowhere else.",
        notEvidence: "It does not show when the copy was made, nor that any real account was entered.",
        facts: { way: "sign-in", tries: 3 },
        at: ago(2 * hourMs),
        lastAt: ago(hourMs),
        times: 3,
        acknowledgedAt: state === "none" ? null : ago(hourMs),
        acknowledgedBy: state === "none" ? null : "host",
        incidentId: state === "none" ? null : caseId,
        proposes: {
          foundHow: "sign-in with a canary address",
          copiedAfter: null,
          dataClasses: ["addresses", "password records"],
          keysReachable: "unknown",
        },
      },
    ],
    receivers: pretendedReceivers(),
    witnesses: [
      { name: "archive.example", cosignedSize: 1_204_540, cosignedAt: ago(20_000), failingSince: null, problem: null },
      {
        name: "library.example",
        cosignedSize: 1_100_210,
        cosignedAt: ago(3 * hourMs),
        failingSince: ago(2 * hourMs),
        problem: "it finds that this tree does not continue what it has cosigned",
      },
    ],
    nodes: [
      { role: "web", host: "one.example", process: 4_312, connectedAt: ago(31 * hourMs) },
      { role: "worker", host: "one.example", process: 4_313, connectedAt: ago(31 * hourMs) },
      { role: "web", host: "two.example", process: 977, connectedAt: ago(40_000) },
    ],
    disk: {
      sizeBytes: 400 * 2 ** 30,
      freeBytes: (state === "none" ? 212 : 0.4) * 2 ** 30,
      reserveBytes: 64 * 2 ** 20,
      wantedReserveBytes: 64 * 2 ** 20,
      state: state === "none" ? "well" : "low",
    },
    owed: [],
  };
}

function pretendedReceivers(): Static<typeof Console>["receivers"] {
  const stream = { statusReason: null, takenAt: ago(40_000), refused: 0, dropped: 0, failures: 0, verifying: false };
  return [
    {
      id: idOf(8_000),
      name: "Music",
      audience: "https://music.example/signals",
      pushOrigin: "https://music.example",
      tokenExpiresAt: ago(-200 * 24 * hourMs),
      tokenMade: { at: ago(165 * 24 * hourMs), by: "host" },
      streams: [
        { ...stream, id: idOf(8_001), method: "push", status: "enabled", taken: 210_448, waiting: 12 },
        {
          ...stream,
          id: idOf(8_002),
          method: "poll",
          status: "disabled",
          statusReason: "nothing was taken for seven days",
          takenAt: null,
          taken: 0,
          waiting: 1,
          dropped: 2_031,
        },
      ],
    },
    {
      id: idOf(8_003),
      name: "Books",
      audience: "https://books.example",
      pushOrigin: null,
      tokenExpiresAt: ago(-100 * 24 * hourMs),
      tokenMade: null,
      streams: [],
    },
  ];
}

function pretendedCase(state: IncidentStatus["state"], paused: boolean): IncidentStatus {
  const contained = state !== "open";
  const sent = state === "notifying" || state === "readmitting" || state === "closed";
  const hour = Math.floor(Date.now() / hourMs) * hourMs;
  return {
    id: caseId,
    reference: "HL-2026-0001",
    state,
    reason: "Database copy offered for sale",
    openedAt: ago(30 * hourMs),
    openedBy: "Ada",
    foundAt: ago(31 * hourMs),
    foundBy: "host",
    foundHow: "sign-in with a canary address",
    copiedAt: ago(80 * hourMs),
    copiedAfter: null,
    dataClasses: ["addresses", "password records"],
    keysReachable: "no",
    containment: contained ? "everyone-out" : null,
    containedAt: contained ? ago(29 * hourMs) : null,
    containmentAt: contained ? ago(29 * hourMs) : null,
    copiedSinceContained: false,
    epoch: contained ? 7 : null,
    keptTools: false,
    letters: sent ? sumOf(31_000 + (Math.floor(Date.now() / 1_000) % 9_000)) : null,
    lettersFinishedAt: sent && state !== "notifying" ? ago(6 * hourMs) : null,
    lettersOut:
      sent && state !== "notifying"
        ? {
            step: "hour",
            counts: [0, 1, 2, 3, 5, 6, 7].map((place) => ({
              at: new Date(hour - (14 - place) * hourMs).toISOString(),
              handedOver: 4_000 - 400 * place,
            })),
          }
        : null,
    countedAt: ago(0),
    letterPace:
      state === "notifying"
        ? {
            pausedAt: paused ? ago(600_000) : null,
            pausedWhy: paused ? "the letter in de: a word of it was not filled in" : null,
            heldBack: paused ? null : { waiting: 1_204, percent: 40 },
            perHour: paused ? 0 : 86_400,
            endsAt: paused ? null : ago(-2 * hourMs),
            byMinute: Array.from({ length: 30 }, (_, place) => ({
              minute: new Date(Math.floor(Date.now() / 60_000) * 60_000 - (29 - place) * 60_000).toISOString(),
              handedOver: place < 4 ? 240 * place : 1_400 + ((place * 137) % 160),
            })),
          }
        : null,
    renewed: sent ? 12_204 : 0,
    signals: [],
    renewalsByHour: sent
      ? Array.from({ length: 20 }, (_, place) => ({
          hour: new Date(hour - place * hourMs).toISOString(),
          renewed: Math.round(1_800 * Math.exp(-((place - 13) ** 2) / 30)) + 60,
        }))
      : [],
    refusedByKind: contained
      ? [
          { kind: "browser", refused: 20_331 },
          { kind: "tv", refused: 18_200 },
          { kind: "password", refused: 4_077 },
        ]
      : [],
    wayIn: null,
    review: [
      { item: "access", title: "Who and what could reach the database", state: "done", note: "three roles left" },
      { item: "backups", title: "Where copies of the database are kept", state: "todo", note: "" },
      { item: "keys", title: "Whether the keys were within reach", state: "explained", note: "separate host" },
    ],
    deadlines: [
      deadline("gdpr-34", "GDPR: tell people without undue delay", null),
      deadline("gdpr-33", "GDPR: tell the authority within 72 hours", ago(-41 * hourMs)),
      deadline("ca-people", "California: tell people within 30 days", ago(-690 * hourMs)),
    ],
    missing: contained
      ? [
          ...(state === "notifying" ? ["2,044,102 letters are waiting", "the campaign is not finished"] : []),
          "the way in: what it was, when it was closed, and the evidence",
          "review (logs): Logs of the time in question are kept where the intruder could not reach them",
        ]
      : [],
    timeline: [
      { at: ago(31 * hourMs), kind: "alarm", detail: { canary: "backup 2026-11-20" } },
      {
        at: ago(30 * hourMs),
        kind: "incident opened",
        detail: {
          reference: "HL-2026-0001",
          operator: idOf(5),
          "found at": ago(30 * hourMs),
          "copied at": null,
          data: ["addresses", "names"],
          "keys reachable": "unknown",
        },
      },
      ...(contained
        ? [
            {
              at: ago(29 * hourMs),
              kind: "contained",
              detail: {
                epoch: 7,
                mode: "everyone-out",
                kinds: ["password", "browser", "tv"],
                "kept tools": false,
                operator: "host",
              },
            },
          ]
        : []),
    ],
    closedAt: null,
  };
}

const mediaTypes: Readonly<Record<string, string>> = {
  ".m3u8": "application/vnd.apple.mpegurl",
  ".vtt": "text/vtt",
  ".jpg": "image/jpeg",
};

/** A minute of test picture with a second audio language and subtitles, made once and removed with the server. */
async function makeMedia(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "houselights-web-"));
  const hls = (name: string) => [
    "-f",
    "hls",
    "-hls_time",
    "4",
    "-hls_playlist_type",
    "vod",
    "-hls_segment_type",
    "fmp4",
    "-hls_fmp4_init_filename",
    `${name}-init.mp4`,
    "-hls_segment_filename",
    join(folder, `${name}-%d.m4s`),
    join(folder, `${name}.m3u8`),
  ];
  const ffmpeg = (args: readonly string[]) =>
    new Promise<void>((resolve, reject) =>
      execFile("ffmpeg", ["-v", "error", "-y", ...args], (error) => (error === null ? resolve() : reject(error))),
    );
  for (const [name, size] of [
    ["low", "320x180"],
    ["high", "640x360"],
  ] as const) {
    await ffmpeg([
      "-f",
      "lavfi",
      "-i",
      `testsrc2=size=${size}:rate=12:duration=60`,
      "-c:v",
      "libx264",
      "-preset",
      "ultrafast",
      "-g",
      "48",
      "-pix_fmt",
      "yuv420p",
      ...hls(name),
    ]);
  }
  for (const [name, pitch] of [
    ["tone", "220"],
    ["hoch", "440"],
  ] as const) {
    await ffmpeg([
      "-f",
      "lavfi",
      "-i",
      `sine=frequency=${pitch}:duration=60`,
      "-c:a",
      "aac",
      "-b:a",
      "64k",
      ...hls(name),
    ]);
  }
  const places = "testsrc2=size=256x144:rate=1/10:duration=60";
  await ffmpeg(["-f", "lavfi", "-i", places, "-vf", "tile=5x2", "-frames:v", "1", join(folder, "0.jpg")]);
  const cues = [0, 1, 2, 3, 4, 5].map(
    (at) =>
      `00:00:${at}0.000 --> 00:0${at === 5 ? "1:0" : `0:${at + 1}`}0.000\n0.jpg#xywh=${(at % 5) * 256},${at === 5 ? 144 : 0},256,144\n`,
  );
  writeFileSync(join(folder, "cues.vtt"), ["WEBVTT\n", ...cues].join("\n"));
  writeFileSync(join(folder, "words.vtt"), "WEBVTT\n\n00:00:01.000 --> 00:00:20.000\nDas Licht geht aus.\n");
  writeFileSync(
    join(folder, "words.m3u8"),
    "#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:60,\nwords.vtt\n#EXT-X-ENDLIST\n",
  );
  const media = (type: string, name: string, language: string, uri: string, first: string) =>
    `#EXT-X-MEDIA:TYPE=${type},GROUP-ID="${type}",NAME="${name}",LANGUAGE="${language}",DEFAULT=${first},AUTOSELECT=YES,URI="${uri}"\n`;
  const stream = (bandwidth: number, size: string, uri: string) =>
    `#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth},RESOLUTION=${size},CODECS="avc1.42c01e,mp4a.40.2",AUDIO="AUDIO",SUBTITLES="SUBTITLES"\n${uri}\n`;
  writeFileSync(
    join(folder, "master.m3u8"),
    `#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n${media("AUDIO", "English", "en", "tone.m3u8", "YES")}${media("AUDIO", "Deutsch", "de", "hoch.m3u8", "NO")}${media("SUBTITLES", "Deutsch", "de", "words.m3u8", "NO")}${stream(900_000, "640x360", "high.m3u8")}${stream(400_000, "320x180", "low.m3u8")}`,
  );
  return folder;
}

const deadline = (rule: string, title: string, dueAt: string | null) => ({
  rule,
  title,
  dueAt,
  state: "running",
  source: "as the law has it",
});
