import { createHash } from "node:crypto";
import { rename } from "node:fs/promises";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { testLibrary, type TestLibrary } from "../../test/library-fixture.ts";
import { roomServer } from "../../test/room-server.ts";
import { testViewers } from "../../test/viewers-fixture.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Db } from "../db/db.ts";
import type { App } from "../http/server.ts";
import type { Viewer } from "../http/viewer.ts";
import type { FileId, SessionId, TitleId } from "../kernel/brand.ts";
import { hourMs, manualClock, plus, secondMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import { newId, systemRandom } from "../kernel/random.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { openInspector } from "../library/inspect-file.ts";
import type { Grant } from "../wire/titles.ts";
import { encodeClaims, grantText, newGrants, parseGrant, type Grants } from "./grants.ts";
import { forgetProgress, progressReader } from "./progress.ts";
import { answersPerAccount, streamingRoutes, type MediaAnswer } from "./routes.ts";

const clock = manualClock(Date.UTC(2026, 10, 22));
const viewers = testViewers(clock);
let db: Db;
let library: TestLibrary;
const inspector = openInspector({ log: silentLog });
let app: App;
let keys: TestKeyholder;
let keyholder: KeyholderClient;
let grants: Grants;
let filmId: TitleId;
let otherId: TitleId;
let brokenId: TitleId;
const released: SessionId[] = [];
const asked: string[] = [];
let answerOnce: ((signal: AbortSignal) => MediaAnswer | Promise<MediaAnswer>) | undefined;
/** While this is set the check is mistaken about who it lets in. */
let mistaken: Partial<Viewer> | undefined;
/** While this is set each grant waits for it to be judged. */
let judging: Promise<void> | undefined;
let judged = 0;
/** More than a system takes from us for somebody who does not read. */
const large = Buffer.alloc(16 * 2 ** 20);

beforeAll(async () => {
  db = await testDatabase();
  library = await testLibrary(db, inspector);
  await library.put("Heat (1995).mp4");
  await library.put("Ronin (1998).mp4");
  await library.put("Broken (2002).mp4");
  await library.scan();
  const idOf = async (name: string): Promise<TitleId> =>
    (await db.one<{ id: TitleId }>(`select id from title where name = $1`, [name]))?.id ?? expect.fail();
  filmId = await idOf("Heat");
  otherId = await idOf("Ronin");
  brokenId = await idOf("Broken");
  await db.run(`update file set state = 'damaged', problem = 'cut short' where title_id = $1`, [brokenId]);
  keys = await testKeyholder();
  keyholder = await keys.connect("web");
  grants = newGrants({ keyholder, clock });
  app = roomServer(viewers.check, { clock });
  // What is cut from a file is the engine's; here stands whoever answers, so that what is not cut is seen.
  streamingRoutes(app, {
    db,
    clock,
    log: silentLog,
    check: async (presented) => {
      judged++;
      await judging;
      const viewer = await viewers.check(presented);
      return viewer === null ? null : { ...viewer, ...mistaken };
    },
    grants,
    media: {
      resource: async (file, name, owner, signal) => {
        asked.push(`${file.path} ${name} ${owner}`);
        const once = answerOnce;
        answerOnce = undefined;
        if (once !== undefined) return once(signal);
        if (name === "missing.m4s") return { kind: "missing" };
        const body = name === "large.m4s" ? large : Buffer.from(`${file.path} ${name}`);
        const etag = `"${createHash("sha256").update(body).digest("hex")}"`;
        return { kind: "found", contentType: "application/vnd.apple.mpegurl", body, etag };
      },
      release: (owner) => void released.push(owner),
    },
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
});
afterAll(async () => {
  await app.close();
  await keys.stop();
  await library.remove();
  await inspector.close();
});
beforeEach(() => {
  released.length = 0;
  asked.length = 0;
});

type SignedIn = ReturnType<typeof viewers.signIn>;

async function grantFor(session: SignedIn, titleId = filmId): Promise<string> {
  const reply = await app.inject({ method: "POST", url: `/api/titles/${titleId}/grants`, headers: session.headers });
  expect(reply.statusCode).toBe(201);
  const match = /^\/media\/([A-Za-z0-9_-]+)\/master\.m3u8$/.exec(reply.json<Grant>().playlist);
  return match?.[1] ?? expect.fail("no playlist");
}
const media = async (grant: string, name = "master.m3u8") => app.inject({ url: `/media/${grant}/${name}` });

function port(): number {
  const address = app.server.address();
  return address === null || typeof address === "string" ? expect.fail("not listening") : address.port;
}

/** By a socket: clients that behave well take `..` out of a path before they send it. */
async function rawStatus(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ port: port(), host: "127.0.0.1", path }, (reply) => {
      reply.resume();
      resolve(reply.statusCode ?? 0);
    });
    call.on("error", reject);
    call.end();
  });
}

/** The same grant with other claims, signed as we sign: what a bug or a captured web process could hand out. */
async function resigned(grant: string, change: Partial<NonNullable<ReturnType<typeof parseGrant>>["claims"]>) {
  const parsed = parseGrant(grant) ?? expect.fail("no grant");
  const signed = encodeClaims({ ...parsed.claims, ...change });
  return grantText(signed, await keyholder.sign("grant", signed));
}

describe("who asks for segments and does not read them", () => {
  /** Asks, and reads nothing but the head of the answer, if that. */
  const ask = async (grant: string): Promise<{ readonly status: number; readonly leave: () => void }> => {
    const socket = connect(port(), "127.0.0.1");
    // The server waits for whoever is still there when it closes.
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => undefined);
    socket.write(`GET /media/${grant}/large.m4s HTTP/1.1\r\nhost: x\r\n\r\n`);
    await once(socket, "readable");
    const head = String(socket.read(12));
    return { status: Number(head.slice(9)), leave: () => socket.destroy() };
  };

  test("gets as many as a household has use for, and others theirs; who leaves, or reads, gets more", async () => {
    const [session, other] = [viewers.signIn(), viewers.signIn()];
    const [grant, others] = [await grantFor(session), await grantFor(other)];
    const held = await Promise.all(Array.from({ length: answersPerAccount }, () => ask(grant)));
    expect(held.map(({ status }) => status)).toEqual(held.map(() => 200));
    expect((await media(grant)).statusCode).toBe(503);
    // Of the account, and not of the session: signing in once more gives no more room.
    const again = await grantFor(viewers.signIn(session.viewer.accountId));
    expect((await media(again)).json()).toMatchObject({ code: "busy" });
    expect((await media(others)).statusCode).toBe(200);
    held[0]?.leave();
    await expect.poll(async () => (await media(again)).statusCode).toBe(200);
    // Those that were answered meanwhile gave back one place each, their own.
    await expect.poll(async () => (await ask(grant)).status).toBe(200);
    expect((await media(again)).statusCode).toBe(503);
    // Read to its end each time, there is no end to how many.
    for (let n = 0; n <= answersPerAccount; n++) expect((await media(others)).statusCode).toBe(200);
  });

  test("takes no room by leaving while the grant is still judged", async () => {
    const grant = await grantFor(viewers.signIn());
    expect((await media(grant)).statusCode).toBe(200);
    const deciding = Promise.withResolvers<void>();
    judging = deciding.promise;
    judged = 0;
    const sockets = Array.from({ length: answersPerAccount }, () => {
      const socket = connect(port(), "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(`GET /media/${grant}/large.m4s HTTP/1.1\r\nhost: x\r\n\r\n`);
      return socket;
    });
    await expect.poll(() => judged).toBe(answersPerAccount);
    for (const socket of sockets) socket.destroy();
    const connected = () => new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count)));
    await expect.poll(connected).toBe(0);
    judging = undefined;
    deciding.resolve();
    await expect.poll(async () => (await media(grant)).statusCode).toBe(200);
  });
});

describe("a grant", () => {
  test("plays its title without header or cookie, and nothing of it is stored on the way", async () => {
    const session = viewers.signIn();
    const grant = await grantFor(session);
    const reply = await media(grant);
    expect(reply.statusCode).toBe(200);
    expect(reply.body).toBe("Heat (1995).mp4 master.m3u8");
    expect(reply.headers["cache-control"]).toBe("private, no-store");
    expect(reply.headers["content-type"]).toBe("application/vnd.apple.mpegurl");
    expect(asked).toEqual([`Heat (1995).mp4 master.m3u8 ${session.viewer.sessionId}`]);
    const head = await app.inject({ method: "HEAD", url: `/media/${grant}/video/0.m4s` });
    expect(head.statusCode).toBe(200);
    expect(head.body).toBe("");
  });

  test("opens no byte once its session has ended, and what the session started is released", async () => {
    const session = viewers.signIn();
    const grant = await grantFor(session);
    expect((await media(grant)).statusCode).toBe(200);
    viewers.end(session.viewer.sessionId);
    asked.length = 0;
    for (const name of ["master.m3u8", "video/0.m4s", "missing.m4s", "no/such/thing"]) {
      const reply = await media(grant, name);
      expect(reply.statusCode).toBe(403);
      expect(reply.json()).toMatchObject({ code: "grant-refused" });
      expect(reply.headers["cache-control"]).toBe("private, no-store");
    }
    expect(asked).toEqual([]);
    expect(released).toContain(session.viewer.sessionId);
  });

  test("is judged at every segment, not once", async () => {
    const session = viewers.signIn();
    const grant = await grantFor(session);
    for (let n = 0; n < 5; n++) expect((await media(grant, `video/${n}.m4s`)).statusCode).toBe(200);
    viewers.end(session.viewer.sessionId);
    expect((await media(grant, "video/5.m4s")).statusCode).toBe(403);
  });

  test("of one session is not another's: ending one leaves the other playing", async () => {
    const one = viewers.signIn();
    const other = viewers.signIn(one.viewer.accountId);
    const [first, second] = [await grantFor(one), await grantFor(other)];
    viewers.end(one.viewer.sessionId);
    expect((await media(first)).statusCode).toBe(403);
    expect((await media(second)).statusCode).toBe(200);
  });

  test("that names another account's session is refused even when it is signed", async () => {
    const session = viewers.signIn();
    const grant = await grantFor(session);
    const stranger = viewers.signIn();
    expect((await media(await resigned(grant, {}))).statusCode).toBe(200);
    expect((await media(await resigned(grant, { accountId: stranger.viewer.accountId }))).statusCode).toBe(403);
    expect((await media(await resigned(grant, { sessionId: stranger.viewer.sessionId }))).statusCode).toBe(403);
  });

  test("is refused when the check names somebody else, whatever is signed", async () => {
    const session = viewers.signIn();
    const { viewer: stranger } = viewers.signIn();
    const grant = await grantFor(session);
    for (const other of [{ accountId: stranger.accountId }, { sessionId: stranger.sessionId }]) {
      mistaken = other;
      expect((await media(grant)).statusCode).toBe(403);
      mistaken = undefined;
      expect((await media(grant)).statusCode).toBe(200);
    }
  });

  test("that names a file of another title opens nothing", async () => {
    const session = viewers.signIn();
    const grant = await grantFor(session);
    expect((await media(grant)).statusCode).toBe(200);
    expect((await media(await resigned(grant, { titleId: otherId }))).statusCode).toBe(404);
    const nowhere = newId<FileId>(systemRandom, clock.now());
    expect((await media(await resigned(grant, { fileId: nowhere }))).statusCode).toBe(404);
    expect((await media(grant)).statusCode).toBe(200);
  });

  test("is refused when it is forged, cut, prolonged or changed, while the true one is accepted", async () => {
    const grant = await grantFor(viewers.signIn());
    const parsed = parseGrant(grant) ?? expect.fail();
    const later = encodeClaims({ ...parsed.claims, expiresAt: plus(parsed.claims.expiresAt, hourMs) });
    const flipped = Buffer.from(grant, "base64url");
    flipped[80] = (flipped[80] ?? 0) ^ 1;
    for (const forged of [
      grantText(later, parsed.signature),
      grantText(parsed.signed, Buffer.alloc(64)),
      flipped.toString("base64url"),
      grant.slice(0, -4),
      `${grant}AAAA`,
      "x",
      "%00",
      "..",
    ]) {
      const reply = await media(forged);
      expect([403, 404]).toContain(reply.statusCode);
    }
    expect(asked).toEqual([]);
    expect((await media(grant)).statusCode).toBe(200);
  });

  test("lives six hours and never longer than its session", async () => {
    const session = viewers.signIn();
    const grant = await grantFor(session);
    expect(parseGrant(grant)?.claims.expiresAt).toBe(clock.now() + 6 * hourMs);
    clock.advance(6 * hourMs - 1);
    expect((await media(grant)).statusCode).toBe(200);
    clock.advance(1);
    expect((await media(grant)).statusCode).toBe(403);
    clock.set(session.viewer.expiresAt - hourMs);
    expect(parseGrant(await grantFor(session))?.claims.expiresAt).toBe(session.viewer.expiresAt);
  });

  test("is given to a signed-in viewer only, and for what can be played only", async () => {
    const { headers } = viewers.signIn();
    const post = async (id: string, as: Record<string, string>) =>
      (await app.inject({ method: "POST", url: `/api/titles/${id}/grants`, headers: as })).statusCode;
    expect(await post(filmId, headers)).toBe(201);
    expect(await post(filmId, {})).toBe(401);
    expect(await post(brokenId, headers)).toBe(409);
    expect(await post("00000000-0000-7000-8000-000000000000", headers)).toBe(404);
  });

  test.each([
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "video/../../x",
    "/etc/passwd",
    "video//0.m4s",
    ".hidden",
    "a\\..\\b",
    "%00",
    "x".repeat(500),
    "a/b/c/d/e",
    "",
  ])("does not let %j reach the engine", async (name) => {
    const grant = await grantFor(viewers.signIn());
    expect((await media(grant)).statusCode).toBe(200);
    asked.length = 0;
    expect([400, 403, 404]).toContain(await rawStatus(`/media/${grant}/${name}`));
    expect(asked).toEqual([]);
  });
});

describe("what the engine answers", () => {
  test("missing is 404, unreadable 409, busy 503 with a time to wait", async () => {
    const grant = await grantFor(viewers.signIn());
    expect((await media(grant, "missing.m4s")).statusCode).toBe(404);
    const unreadable: (typeof answerOnce)[] = [
      () => ({ kind: "unreadable", message: "the file ends early" }),
      () => Promise.reject(new Fault("MEDIA_UNREADABLE", "the file ends early")),
    ];
    for (answerOnce of unreadable) {
      const refused = await media(grant);
      expect([refused.statusCode, refused.json()]).toMatchObject([409, { code: "unplayable" }]);
      expect(refused.body).not.toContain("ends early");
    }
    const busy: (typeof answerOnce)[] = [
      () => ({ kind: "busy" }),
      () => Promise.reject(new Fault("BUSY", "too many reads wait")),
    ];
    for (answerOnce of busy) {
      const refused = await media(grant);
      expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([503, "2"]);
    }
  });

  test("what is made for somebody who leaves is called off", async () => {
    const grant = await grantFor(viewers.signIn());
    const begun = Promise.withResolvers<AbortSignal>();
    answerOnce = (signal) => {
      begun.resolve(signal);
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ kind: "busy" }));
      });
    };
    const leaving = request({ port: port(), host: "127.0.0.1", path: `/media/${grant}/video/0.m4s` });
    leaving.on("error", () => undefined);
    leaving.end();
    const signal = await begun.promise;
    expect(signal.aborted).toBe(false);
    leaving.destroy();
    await expect.poll(() => signal.aborted).toBe(true);
  });

  test("a film that is taken away while it plays is missing some seconds later", async () => {
    const grant = await grantFor(viewers.signIn());
    const setState = (state: string) => db.run(`update file set state = $2 where title_id = $1`, [filmId, state]);
    expect((await media(grant)).statusCode).toBe(200);
    await setState("damaged");
    clock.advance(10 * secondMs);
    expect((await media(grant)).statusCode).toBe(404);
    await setState("playable");
    expect((await media(grant)).statusCode).toBe(200);
  });

  test("a film that is renamed while it plays goes on playing", async () => {
    const grant = await grantFor(viewers.signIn(), otherId);
    expect((await media(grant)).body).toBe("Ronin (1998).mp4 master.m3u8");
    await rename(join(library.folder, "Ronin (1998).mp4"), join(library.folder, "Ronin (1998) - Cut.mp4"));
    await library.scan();
    answerOnce = () => ({ kind: "unreadable", message: "no such file" });
    expect((await media(grant)).body).toBe("Ronin (1998) - Cut.mp4 master.m3u8");
  });
});

describe("progress", () => {
  const put = async (session: SignedIn, id: string, positionSeconds: number, durationSeconds = 100) =>
    app.inject({
      method: "PUT",
      url: `/api/titles/${id}/progress`,
      headers: session.headers,
      payload: { positionSeconds, durationSeconds },
    });

  test("saved by one session is where another session of the account goes on, and nobody else", async () => {
    const sofa = viewers.signIn();
    const phone = viewers.signIn(sofa.viewer.accountId);
    const stranger = viewers.signIn();
    expect((await put(sofa, filmId, 42.5)).statusCode).toBe(204);
    const reader = progressReader(db);
    expect((await reader.of(phone.viewer.accountId, [filmId])).get(filmId)).toMatchObject({ positionSeconds: 42.5 });
    expect((await reader.of(stranger.viewer.accountId, [filmId])).size).toBe(0);
    clock.advance(1_000);
    expect((await put(phone, filmId, 60)).statusCode).toBe(204);
    expect((await reader.of(sofa.viewer.accountId, [filmId])).get(filmId)).toMatchObject({ positionSeconds: 60 });
  });

  test("counts a title as watched near its end, and begins again when it is watched again", async () => {
    const session = viewers.signIn();
    const reader = progressReader(db);
    const read = async () => (await reader.of(session.viewer.accountId, [filmId])).get(filmId);
    await put(session, filmId, 94.9);
    expect(await read()).toMatchObject({ watched: false });
    await put(session, filmId, 400);
    expect(await read()).toMatchObject({ watched: true, positionSeconds: 100 });
    await put(session, filmId, 3);
    expect(await read()).toMatchObject({ watched: false, positionSeconds: 3 });
  });

  test("that was reported before what is stored does not replace it", async () => {
    const session = viewers.signIn();
    const now = clock.now();
    const position = async () =>
      (await progressReader(db).of(session.viewer.accountId, [filmId])).get(filmId)?.positionSeconds;
    await put(session, filmId, 60);
    clock.set(now - secondMs);
    expect((await put(session, filmId, 10)).statusCode).toBe(204);
    expect(await position()).toBe(60);
    clock.set(now);
    await put(session, filmId, 61);
    expect(await position()).toBe(61);
  });

  test("in a film whose length nobody knows is where it was said to be, and never its end", async () => {
    const session = viewers.signIn();
    expect((await put(session, filmId, 50, 0)).statusCode).toBe(204);
    const found = await progressReader(db).of(session.viewer.accountId, [filmId]);
    expect(found.get(filmId)).toMatchObject({ positionSeconds: 50, watched: false });
  });

  test("is listed newest first and forgotten with the account", async () => {
    const session = viewers.signIn();
    await put(session, filmId, 1);
    clock.advance(1_000);
    await put(session, otherId, 1);
    const latest = await progressReader(db).latest(session.viewer.accountId, 10);
    expect(latest.map(({ titleId }) => titleId)).toEqual([otherId, filmId]);
    expect(await progressReader(db).latest(session.viewer.accountId, 1)).toEqual(latest.slice(0, 1));
    await db.transaction((tx) => forgetProgress(tx, session.viewer.accountId));
    expect(await progressReader(db).latest(session.viewer.accountId, 10)).toEqual([]);
  });

  test.each([
    [-1, 100],
    [1e9, 100],
    ["x", 100],
    [null, 100],
  ])("at %j is refused", async (positionSeconds, durationSeconds) => {
    const { headers } = viewers.signIn();
    const url = `/api/titles/${filmId}/progress`;
    const reply = await app.inject({ method: "PUT", url, headers, payload: { positionSeconds, durationSeconds } });
    expect(reply.statusCode).toBe(400);
  });

  test("of a title that never was is refused", async () => {
    expect((await put(viewers.signIn(), "00000000-0000-7000-8000-000000000000", 1)).statusCode).toBe(404);
  });
});
