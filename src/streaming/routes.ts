import { parseId, type AccountId, type SessionId, type TitleId } from "../kernel/brand.ts";
import { plus, secondMs, toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault, impossible } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Db } from "../db/db.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { viewerOf, type Check, type Viewer } from "../http/viewer.ts";
import { whenLeft } from "../http/when-left.ts";
import { chooseFile, readPlayableFile, titleExists, type PlayableFile } from "../library/titles.ts";
import { IdParams, Nothing } from "../wire/common.ts";
import { Grant, SetProgress } from "../wire/titles.ts";
import { grantLifeMs, type GrantClaims, type Grants } from "./grants.ts";
import { saveProgress } from "./progress.ts";

/** What the engine answers for one playlist or segment. */
export type MediaAnswer =
  | {
      readonly kind: "found";
      readonly contentType: string;
      readonly body: Buffer | Uint8Array | string;
      readonly etag: string;
    }
  | { readonly kind: "missing" }
  | { readonly kind: "unreadable"; readonly message: string }
  | { readonly kind: "busy" };

export interface StreamingRoutesNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly check: Check;
  readonly grants: Grants;
  /** Answers one playlist or segment of a file. `owner` is the session: what it started is ended by `release`. */
  readonly media: {
    resource(file: PlayableFile, name: string, owner: SessionId, signal: AbortSignal): Promise<MediaAnswer>;
    release(owner: SessionId): void;
  };
}

export interface StreamingRoutes {
  /** Ends what a session's playing has started (transcodes); for the push channel, when a session ends. */
  releaseOwner(sessionId: SessionId): void;
}

const titleIdOf = (id: string): TitleId => parseId<TitleId>(id) ?? impossible("the schema let a bad id through");

/** What follows the grant in a media path: names that we make, one to four parts, never a dot at a part's start. */
const resourceName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,79}){0,3}$/;

/** How long a file's row is trusted between two segments. Authority is never kept: that is the check's, each time. */
const fileLivesMs = 10 * secondMs;
/** Rows kept at once; an index of a long film is some 100 kB. */
const filesKept = 100;

/**
 * Grants, progress, and every byte of media. A media path carries its grant, since native players drop headers and query
 * strings; each request for a playlist or a segment verifies the grant and then asks the check whether the session lives
 * now. A refused one answers 403 whatever the reason.
 */
export function streamingRoutes(app: App, needs: StreamingRoutesNeeds): StreamingRoutes {
  const { db, clock } = needs;

  app.post(
    "/api/titles/:id/grants",
    {
      config: { access: "viewer" },
      schema: { summary: "The right of this session to play a title", params: IdParams, response: { 201: Grant } },
    },
    async (request, reply) => {
      const issued = await issueGrant(needs, viewerOf(request), titleIdOf(request.params.id));
      switch (issued.kind) {
        case "missing":
          return refuse(reply, "not-found");
        case "damaged":
          return refuse(reply, "unplayable");
        case "issued":
          return reply.code(201).send({
            playlist: `/media/${issued.grant}/master.m3u8`,
            pictures: issued.hasPictures ? `/media/${issued.grant}/scrub/cues.vtt` : null,
            expiresAt: toIso(issued.expiresAt),
          });
      }
    },
  );

  app.put(
    "/api/titles/:id/progress",
    {
      config: { access: "viewer" },
      schema: {
        summary: "Where this account stands in a title",
        params: IdParams,
        body: SetProgress,
        response: { 204: Nothing },
      },
    },
    async (request, reply) => {
      const titleId = titleIdOf(request.params.id);
      if (!(await titleExists(db, titleId))) return refuse(reply, "not-found");
      await saveProgress(db, viewerOf(request).accountId, titleId, request.body, clock.now());
      return reply.code(204).send(null);
    },
  );

  const readFile = fileReader(needs);
  const underWay = answersUnderWay();
  app.get<{ Params: { readonly grant: string; readonly "*": string } }>(
    "/media/:grant/*",
    {
      config: { access: "grant" },
      schema: {
        summary: "A playlist, segment, subtitle or scrub picture of what a grant names",
        // No schema for the parameters: both are text whatever is sent, and both are parsed below.
        security: [],
      },
    },
    async (request, reply) => {
      void reply.header("cache-control", "private, no-store");
      const claims = await admitted(needs, request.params.grant);
      if (claims === undefined) return refuse(reply, "grant-refused");
      const name = request.params["*"];
      if (!resourceName.test(name)) return refuse(reply, "not-found");

      const done = underWay.begin(claims.accountId);
      if (done === undefined) return refuse(reply, "busy", { retryAfterSeconds: 2 });
      const gone = new AbortController();
      reply.raw.once("finish", done);
      whenLeft(reply, () => {
        done();
        gone.abort();
      });
      const answer = await answerMedia(needs, readFile, claims, name, gone.signal);
      switch (answer.kind) {
        case "missing":
          return refuse(reply, "not-found");
        case "unreadable":
          needs.log.warn({ fileId: claims.fileId, reason: answer.message }, "a file could not be streamed");
          return refuse(reply, "unplayable");
        case "busy":
          return refuse(reply, "busy", { retryAfterSeconds: 2 });
        case "found":
          return reply.type(answer.contentType).header("etag", answer.etag).send(answer.body);
      }
    },
  );

  return { releaseOwner: (sessionId) => needs.media.release(sessionId) };
}

/**
 * Playlists and segments on their way to one account at once, over all its devices: a household plays with a quarter of it.
 * Each is held in memory until its last byte is taken, so who asks and does not read would fill it.
 */
export const answersPerAccount = 64;

/**
 * Counts what is on its way. `begin` answers what ends one, by whichever call comes first; `undefined` if there is no room
 * for it.
 */
function answersUnderWay(): { begin(accountId: AccountId): (() => void) | undefined } {
  const counts = new Map<AccountId, number>();
  return {
    begin: (accountId) => {
      const before = counts.get(accountId) ?? 0;
      if (before >= answersPerAccount) return undefined;
      counts.set(accountId, before + 1);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        const left = (counts.get(accountId) ?? 1) - 1;
        if (left === 0) counts.delete(accountId);
        else counts.set(accountId, left);
      };
    },
  };
}

type Issued =
  | { readonly kind: "issued"; readonly grant: string; readonly hasPictures: boolean; readonly expiresAt: EpochMs }
  | { readonly kind: "missing" | "damaged" };

/** A grant never outlives its session; the check would refuse it anyway. */
async function issueGrant(
  { db, clock, grants }: Pick<StreamingRoutesNeeds, "db" | "clock" | "grants">,
  { accountId, sessionId, expiresAt: sessionEndsAt }: Viewer,
  titleId: TitleId,
): Promise<Issued> {
  const file = await chooseFile(db, titleId);
  if (file.kind !== "playable") return { kind: file.kind };
  const latest = plus(clock.now(), grantLifeMs);
  const expiresAt = sessionEndsAt < latest ? sessionEndsAt : latest;
  const grant = await grants.issue({ accountId, sessionId, titleId, fileId: file.fileId, expiresAt });
  return { kind: "issued", grant, hasPictures: file.hasPictures, expiresAt };
}

/**
 * Whether a grant opens anything now: our signature, not expired, and a session that the check finds good at this
 * moment. A session that ended takes its transcodes with it.
 */
async function admitted(
  { grants, check, media }: Pick<StreamingRoutesNeeds, "grants" | "check" | "media">,
  text: string,
): Promise<GrantClaims | undefined> {
  const claims = await grants.verify(text);
  if (claims === undefined) return undefined;
  const { accountId, sessionId } = claims;
  const viewer = await check({ kind: "grant", accountId, sessionId });
  if (viewer !== null && isOf(viewer, accountId, sessionId)) return claims;
  media.release(sessionId);
  return undefined;
}

const isOf = (viewer: Viewer, accountId: AccountId, sessionId: SessionId): boolean =>
  viewer.accountId === accountId && viewer.sessionId === sessionId;

type FileReader = (claims: GrantClaims, fresh: boolean) => Promise<PlayableFile | undefined>;

async function answerMedia(
  { media }: Pick<StreamingRoutesNeeds, "media">,
  readFile: FileReader,
  claims: GrantClaims,
  name: string,
  signal: AbortSignal,
): Promise<MediaAnswer> {
  const file = await readFile(claims, false);
  if (file === undefined) return { kind: "missing" };
  const answer = await resourceOf(media, file, name, claims.sessionId, signal);
  if (answer.kind !== "unreadable") return answer;
  // Renamed since the row was read? Then the row says where it is now.
  const now = await readFile(claims, true);
  if (now === undefined) return { kind: "missing" };
  if (now.path === file.path && now.fingerprint === file.fingerprint) return answer;
  return resourceOf(media, now, name, claims.sessionId, signal);
}

async function resourceOf(
  media: StreamingRoutesNeeds["media"],
  file: PlayableFile,
  name: string,
  owner: SessionId,
  signal: AbortSignal,
): Promise<MediaAnswer> {
  try {
    return await media.resource(file, name, owner, signal);
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === "MEDIA_UNREADABLE") {
      return { kind: "unreadable", message: thrown.message };
    }
    if (thrown instanceof Fault && thrown.code === "BUSY") return { kind: "busy" };
    throw thrown;
  }
}

/** Reads a file's row at most every 10 s: its index is large and does not change while the fingerprint stands. */
function fileReader({ db, clock }: Pick<StreamingRoutesNeeds, "db" | "clock">): FileReader {
  const kept = new Map<string, { readonly file: PlayableFile; readonly readAt: EpochMs }>();
  return async ({ fileId, titleId }, fresh) => {
    const now = clock.now();
    const before = kept.get(fileId);
    if (!fresh && before !== undefined && before.file.titleId === titleId && now - before.readAt < fileLivesMs) {
      return before.file;
    }
    kept.delete(fileId);
    const file = await readPlayableFile(db, fileId, titleId);
    if (file !== undefined) {
      kept.set(fileId, { file, readAt: now });
      const oldest = kept.keys().next();
      if (kept.size > filesKept && oldest.done !== true) kept.delete(oldest.value);
    }
    return file;
  };
}
