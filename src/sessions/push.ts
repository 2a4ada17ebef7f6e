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
}

/** Streams that one session holds at once: more than a browser's tabs need, and no way to use up a machine's sockets. */
export const streamsPerSession = 16;

/** Comments this often keep proxies from closing a silent stream, and sessions that expire are noticed by it. */
const heartbeatMs = 15_000;

/**
 * Listens for announcements and ends the streams whose sessions are no longer good, saying why; `ended` tells whoever
 * else holds work for that session (a transcode). A stream that cannot be judged stays open: the next segment is
 * checked anyway.
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
    return streams.delete(stream);
  }

  async function look(some: readonly Stream[], reason: EndReason): Promise<void> {
    await Promise.all(
      some.map(async (stream) => {
        const { accountId, sessionId } = stream.viewer;
        const still = await check({ kind: "grant", accountId, sessionId });
        if (still !== null || !remove(stream)) return;
        ended(stream.viewer);
        stream.response.end(`event: ended\ndata: ${JSON.stringify({ reason })}\n\n`);
      }),
    ).catch((thrown: unknown) => log.warn({ reason: messageOf(thrown) }, "open streams could not be judged"));
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
  const heartbeat = every(heartbeatMs, async () => {
    for (const { response } of streams) response.write(": here\n\n");
    await look([...streams], "expired");
  });

  return {
    attach: (viewer, response) => {
      if (closed) {
        response.end();
        return;
      }
      const stream = { viewer, response };
      add(stream);
      response.on("close", () => remove(stream));
      response.write("retry: 1000\n\nevent: here\ndata: {}\n\n");
      // Its session may have ended, and been announced, between the check and now.
      void look([stream], "signed-out");
    },
    open: () => streams.size,
    close: async () => {
      // A request that was admitted a moment ago must not leave a stream behind that nobody ends.
      closed = true;
      await heartbeat.stop();
      await listening.close();
      for (const { response } of streams) response.end();
      streams.clear();
      ofSession.clear();
    },
  };
}
