import type { ServerResponse } from "node:http";
import type { SessionId } from "../kernel/brand.ts";
import { every } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Db } from "../db/db.ts";
import type { Check, Viewer } from "../http/viewer.ts";
import { readAnnouncement, sessionsChannel, type EndReason } from "./announce.ts";

/** Open event streams of this process, and what makes them end. */
export interface Push {
  /** Takes over a response as a stream of server-sent events until the session ends or the browser leaves. */
  attach(viewer: Viewer, response: ServerResponse): void;
  open(): number;
  close(): Promise<void>;
}

interface Stream {
  readonly viewer: Viewer;
  readonly response: ServerResponse;
  /** When in each second it has its sign of life: 0 to 9. */
  readonly turn: number;
}

const signOfLife = "event: here\ndata: {}\n\n";

/** Streams that one session holds at once: more than a browser's tabs need, and no way to use up a machine's sockets. */
export const streamsPerSession = 16;

/**
 * A sign of life for every stream. A page that misses one asks for its session by itself (web/player/session-watch.ts), so that a
 * stream which is connected and delivers nothing costs no more than the two seconds of promise 7.
 */
const heartbeatMs = 1_000;

/** Streams have their sign of life at as many different moments of that time: ten thousand at once would hold up everything else. */
const heartbeatTurns = 10;

/** Sessions that expire are noticed by looking at all of them this often. */
const lookMs = 15_000;

/**
 * Listens for announcements and ends the streams whose sessions are no longer good, saying why; `ended` tells whoever
 * else holds work for that session (a transcode). A stream that cannot be judged stays open, and is looked at again a second
 * later: the next segment is checked anyway.
 */
export async function startPush({
  db,
  check,
  log,
  ended,
}: {
  readonly db: Db;
  readonly check: Check;
  readonly log: Log;
  readonly ended: (viewer: Viewer) => void;
}): Promise<Push> {
  const streams = new Set<Stream>();
  /** What could not be judged, and why it was looked at. */
  const unjudged = new Map<Stream, EndReason>();
  let attached = 0;
  let closed = false;

  /** Of each session its streams, the oldest first: a set keeps the order in which its members came. */
  const ofSession = new Map<SessionId, Set<Stream>>();

  function add(stream: Stream): void {
    const own = ofSession.get(stream.viewer.sessionId) ?? new Set<Stream>();
    const [oldest] = own;
    if (own.size >= streamsPerSession && oldest !== undefined && remove(oldest)) oldest.response.end();
    ofSession.set(stream.viewer.sessionId, own.add(stream));
    streams.add(stream);
  }

  /** @returns false if it was removed before. */
  function remove(stream: Stream): boolean {
    const own = ofSession.get(stream.viewer.sessionId);
    own?.delete(stream);
    if (own?.size === 0) ofSession.delete(stream.viewer.sessionId);
    unjudged.delete(stream);
    return streams.delete(stream);
  }

  async function lookAt(stream: Stream, reason: EndReason): Promise<void> {
    const { accountId, sessionId } = stream.viewer;
    const still = await check({ kind: "grant", accountId, sessionId });
    unjudged.delete(stream);
    if (still !== null || !remove(stream)) return;
    ended(stream.viewer);
    stream.response.end(`event: ended\ndata: ${JSON.stringify({ reason })}\n\n`);
  }

  async function look(some: readonly Stream[], reason: EndReason): Promise<void> {
    let failure: unknown;
    await Promise.all(
      some.map((stream) =>
        lookAt(stream, reason).catch((thrown: unknown) => {
          failure = thrown;
          // The first reason stays: why it was looked at again says less.
          if (streams.has(stream) && !unjudged.has(stream)) unjudged.set(stream, reason);
        }),
      ),
    );
    if (failure !== undefined) log.warn({ reason: messageOf(failure) }, "open streams could not be judged");
  }

  const listening = await db.listen(
    sessionsChannel,
    (payload) => {
      const announcement = readAnnouncement(payload);
      if (announcement === undefined) return;
      const { accountId, reason } = announcement;
      const some = [...streams].filter(({ viewer }) => accountId === null || viewer.accountId === accountId);
      void look(some, reason);
    },
    () => void look([...streams], "signed-out"),
  );
  let turn = 0;
  const heartbeat = every(heartbeatMs / heartbeatTurns, async () => {
    turn = (turn + 1) % heartbeatTurns;
    for (const stream of streams) {
      // A browser that reads nothing is written no more: that would lie in this process's memory.
      if (stream.turn === turn && !stream.response.writableNeedDrain) stream.response.write(signOfLife);
    }
  });
  const looking = every(lookMs, () => look([...streams], "expired"));
  const lookingAgain = every(heartbeatMs, async () => {
    for (const reason of new Set(unjudged.values()))
      await look(
        [...unjudged].filter(([, why]) => why === reason).map(([stream]) => stream),
        reason,
      );
  });

  return {
    attach: (viewer, response) => {
      if (closed) {
        response.end();
        return;
      }
      attached += 1;
      const stream = { viewer, response, turn: attached % heartbeatTurns };
      add(stream);
      response.on("close", () => remove(stream));
      response.write(`retry: 1000\n\n${signOfLife}`);
      // Its session may have ended, and been announced, between the check and now.
      void look([stream], "signed-out");
    },
    open: () => streams.size,
    close: async () => {
      // A request that was admitted a moment ago must not leave a stream behind that nobody ends.
      closed = true;
      await Promise.all([heartbeat.stop(), looking.stop(), lookingAgain.stop()]);
      await listening.close();
      for (const { response } of streams) response.end();
      streams.clear();
      unjudged.clear();
      ofSession.clear();
    },
  };
}
