import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { compressedCopies } from "../web/build/compressed-copies.ts";
import type { AccountId, IncidentId } from "../src/kernel/brand.ts";
import { dayMs, fromDate, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { newId, systemRandom } from "../src/kernel/random.ts";
import { testDatabase } from "../src/db/test-database.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { signInLog } from "../src/http/sign-in-log.ts";
import type { CurrentLetter, CurrentNotice } from "../src/http/notice-banner.ts";
import type { PageFrame } from "../src/http/page.ts";
import { newServer } from "../src/http/server.ts";
import { readBuiltPages, staticRoutes } from "../src/http/static.ts";
import { openLetter } from "../src/mail/sealed-letter.ts";
import type { SealedLetterPayload } from "../src/jobs/jobs.ts";
import { forgetStrongProofs, noteProof, sessionLifetimesMs } from "../src/sessions/open-session.ts";
import { keepOnlySession } from "../src/sessions/devices.ts";
import { passkeySessionRoutes } from "../src/sessions/passkey-routes.ts";
import { passkeyRoutes } from "../src/credentials/passkey-routes.ts";
import { relyingPartyOf } from "../src/credentials/relying-party.ts";
import { seenFloors } from "../src/credentials/floors.ts";
import { noBreached } from "../src/credentials/breached/breached.ts";
import { startHashPool } from "../src/credentials/hash-pool.ts";
import { signUpPages } from "../src/credentials/pages.ts";
import { makeDecoy } from "../src/credentials/passwords.ts";
import { sessionCheck } from "../src/sessions/check.ts";
import { sessionPages } from "../src/sessions/pages.ts";
import { linkPages } from "../src/links/pages.ts";
import { waitingLinks } from "../src/links/waiting-links.ts";
import { notMePages } from "../src/renewal/not-me-pages.ts";
import { openLobby } from "../src/renewal/lobby/lobby.ts";
import { renewalPages } from "../src/renewal/pages.ts";
import { storeNotices } from "../src/incidents/notice.ts";
import { noticePages } from "../src/incidents/pages.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";

const web = fileURLToPath(new URL("../web", import.meta.url));

/** Builds the plain pages' script and style alone, as the real build does, into a temporary folder. */
export async function buildPlainPages(): Promise<{ readonly folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-plain-"));
  await build({
    configFile: false,
    root: web,
    logLevel: "error",
    plugins: [compressedCopies()],
    build: {
      outDir: folder,
      emptyOutDir: true,
      manifest: true,
      target: "es2024",
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      rolldownOptions: { input: { plain: join(web, "plain/plain.ts") } },
    },
  });
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

/**
 * The plain pages over a real database, a real key process and real hashing. `state.notice` stands for the incidents
 * room's answer; `state.checkFails` breaks the check of sessions as an unreachable database does.
 */
export async function plainService({ webFolder }: { readonly webFolder: string }) {
  const port = await freePort();
  const publicOrigin = `http://localhost:${port}`;
  const db = await testDatabase({ maxConnections: 8 });
  const keys = await testKeyholder();
  const keyholder = await keys.connect("web");
  const mailer = await keys.connect("mailer");
  const clock = systemClock;
  const random = systemRandom;
  const hashPool = startHashPool({ threads: 1, log: silentLog });
  const seen = seenFloors();
  const decoy = await makeDecoy(keyholder, random, newId<AccountId>(random, clock.now()));
  const built = readBuiltPages(webFolder);
  const frame: PageFrame = {
    assets: built?.assets ?? null,
    serviceName: "Houselights",
    contactAddress: "help@example.org",
  };
  const crowd = { hashesPerSecond: 1_000 };
  const lobby = await openLobby(
    {
      db,
      keyholder,
      clock,
      random,
      log: silentLog,
      hashPool,
      monotonicMs: () => performance.now(),
      currentCase: () => Promise.resolve(null),
    },
    { hashesPerSecond: () => crowd.hashesPerSecond, everyMs: dayMs },
  );
  const state: { notice: CurrentNotice | null; letter: CurrentLetter | null; checkFails: Error | null } = {
    notice: null,
    letter: null,
    checkFails: null,
  };
  const sessions = sessionCheck({ db, clock, seen, log: silentLog, refusedAsOld: () => {} });
  const app = newServer({
    hasSecondFactor: () => Promise.resolve(false),
    publicOrigin,
    trustProxy: false,
    tls: null,
    check: (presented) => (state.checkFails === null ? sessions.check(presented) : Promise.reject(state.checkFails)),
    clock,
    random,
    log: silentLog,
    pageFrame: frame,
  });
  const currentNotice = () => Promise.resolve(state.notice);
  const lifetimesMs = sessionLifetimesMs(30, 180);
  const waiting = waitingLinks({ db, clock, log: silentLog }, { everyMs: dayMs });
  const needs = {
    db,
    waiting,
    keyholder,
    hashPool,
    breached: noBreached,
    clock,
    random,
    decoy,
    seen,
    serviceName: "Houselights",
    lifetimesMs,
    noteTry: () => {},
    noteSignIn: () => {},
    logSignIn: signInLog({ log: silentLog, random }),
  };
  const party = relyingPartyOf(publicOrigin, "Houselights");
  passkeySessionRoutes(app, { ...needs, party });
  passkeyRoutes(app, { ...needs, party, publicOrigin, keepOnlySession, forgetStrongProofs, noteProof });
  const currentLetter = () => Promise.resolve(state.letter);
  sessionPages(app, { ...needs, party, frame, currentNotice, currentLetter });
  signUpPages(app, { ...needs, frame });
  notMePages(app, { ...needs, frame });
  renewalPages(app, { ...needs, lobby, frame, currentNotice });
  linkPages(app, { ...needs, frame });
  noticePages(app, { db, frame });
  staticRoutes(app, {
    clock,
    frame,
    built,
    publicOrigin,
    security: { contact: "mailto:help@example.org", policy: null, languages: ["en"] },
  });
  await app.ready();

  return {
    app,
    db,
    needs,
    state,
    /** The lobby moves when it is told to, and by what `crowd` says can be served. */
    lobby,
    crowd,
    port,
    publicOrigin,
    /** The letters that wait in the queue, oldest first, opened as the mailer opens them. */
    letters: async () => {
      const rows = await db.many<{ payload: SealedLetterPayload }>(
        `select payload from graphile_worker._private_jobs order by id`,
      );
      return Promise.all(rows.map(({ payload }) => openLetter({ keyholder: mailer }, payload)));
    },
    stop: async () => {
      await app.close();
      await lobby.close();
      await waiting.close();
      await hashPool.close();
      await keys.stop();
    },
  };
}

export type PlainService = Awaited<ReturnType<typeof plainService>>;

/** A case that has been contained and told of, as the notice page and the sign-in page see it. */
export async function contained(service: PlainService, reference = "HL-2026-7KQ4"): Promise<void> {
  const { db, state } = service;
  const incidentId = newId<IncidentId>(systemRandom, systemClock.now());
  const at = new Date("2026-11-22T20:41:07.312Z");
  await db.run(
    `insert into incident (id, reference, state, reason, opened_at, opened_by, found_at, found_by, found_how,
                           data_classes, keys_reachable, containment, contained_at, notified_at)
     values ($1, $2, 'notifying', 'database copy offered for sale', $3, 'operator', $3, 'operator', 'a message',
             '{addresses,names}', 'no', 'everyone-out', $3, $3)`,
    [incidentId, reference, at],
  );
  const text =
    "What happened\n\nOn 22 November 2026 we learnt that somebody had copied our account database.\n\n" +
    "What information was involved\n\nYour e-mail address and your name, both encrypted. Not what you pay with: we never store it.\n\n" +
    "What we are doing\n\nEvery old password, code and sign-in was stopped at 20:41 UTC.\n\n" +
    `What you can do\n\n1. Type our address into your browser.\n2. Set a new password.\n\n<b>Reference</b> ${reference}`;
  const german =
    "Was geschehen ist\n\nAm 22. November 2026 haben wir erfahren, dass unsere Kontodatenbank kopiert wurde.";
  await storeNotices(db, incidentId, [
    { locale: "en", subject: "Notice of Data Breach", text, html: "" },
    { locale: "de", subject: "Mitteilung über eine Datenpanne", text: german, html: "" },
  ]);
  state.notice = { reference, renewPasswordsSetBefore: fromDate(at) };
}

/** What a browser without a script sees of an answer. */
export interface Seen {
  readonly status: number;
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
  /** The body with every white space a single blank: how a template is laid out means nothing. */
  readonly flat: string;
  /** The page's words, without tags. */
  readonly text: string;
}

/**
 * A browser without a script: keeps cookies, follows redirects with GET, and posts the page's form as it stands, with
 * what was typed put over it.
 */
export function plainBrowser({ app, publicOrigin }: Pick<PlainService, "app" | "publicOrigin">) {
  const jar = new Map<string, string>();

  async function send(method: "GET" | "POST", path: string, form?: URLSearchParams): Promise<Seen> {
    const answer = await app.inject({
      method,
      url: path,
      headers: {
        accept: "text/html",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ...(jar.size > 0 ? { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") } : {}),
        ...(form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded", origin: publicOrigin }),
      },
      ...(form === undefined ? {} : { payload: form.toString() }),
    });
    for (const { name, value, maxAge, expires } of answer.cookies) {
      if (value === "" || maxAge === 0 || (expires !== undefined && expires.getTime() < Date.now())) jar.delete(name);
      else jar.set(name, value);
    }
    const { location } = answer.headers;
    if (answer.statusCode === 303 && typeof location === "string") {
      const target = new URL(location, publicOrigin);
      if (target.origin !== publicOrigin) throw new Error(`sent away to ${target.origin}`);
      return send("GET", target.pathname + target.search);
    }
    const { body, headers, statusCode: status } = answer;
    return { status, path, body, headers, flat: body.replaceAll(/\s+/g, " "), text: textOf(body) };
  }

  return {
    jar,
    get: (path: string) => send("GET", path),
    /** Posts the form on the page. `null` unticks a box. */
    submit: (page: Seen, typed: Readonly<Record<string, string | null>> = {}) => {
      const form = formOf(page.body);
      const fields = new Map([...form.fields, ...Object.entries(typed)]);
      const body = new URLSearchParams();
      for (const [name, value] of fields) if (value !== null) body.append(name, value);
      return send("POST", form.action, body);
    },
    post: (path: string, fields: Readonly<Record<string, string>>) => send("POST", path, new URLSearchParams(fields)),
  };
}

const unescapeHtml = (text: string): string =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");

const textOf = (body: string): string =>
  unescapeHtml(
    body
      .replace(/<head>[\s\S]*<\/head>/, "")
      .replaceAll(/<[^>]*>/g, " ")
      .replaceAll(/\s+/g, " "),
  ).trim();

const attributeOf = (tag: string, name: string): string | undefined => {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
  return value === undefined ? undefined : unescapeHtml(value);
};

/** The first posted form of a page: where it goes and what it sends untouched. */
export function formOf(body: string): { readonly action: string; readonly fields: Map<string, string> } {
  const [, tag = "", inside = ""] = /<form([^>]*method="post"[^>]*)>([\s\S]*?)<\/form>/.exec(body) ?? [];
  const action = attributeOf(tag, "action");
  if (action === undefined) throw new Error("the page has no form that is posted");
  const fields = new Map<string, string>();
  for (const [input] of inside.matchAll(/<input[^>]*>/g)) {
    const name = attributeOf(input, "name");
    if (name === undefined) continue;
    if (input.includes('type="checkbox"') && !/\schecked[\s/>]/.test(input)) continue;
    fields.set(name, attributeOf(input, "value") ?? "");
  }
  return { action, fields };
}
