import type { ServerResponse } from "node:http";
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

  async function look(some: readonly Stream[], reason: EndReason): Promise<void> {
    await Promise.all(
      some.map(async (stream) => {
        const { accountId, sessionId } = stream.viewer;
        const still = await check({ kind: "grant", accountId, sessionId });
        if (still !== null || !streams.delete(stream)) return;
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
      const stream = { viewer, response };
      streams.add(stream);
      response.on("close", () => streams.delete(stream));
      response.write("retry: 1000\n\nevent: here\ndata: {}\n\n");
    },
    open: () => streams.size,
    close: async () => {
      await heartbeat.stop();
      await listening.close();
      for (const { response } of streams) response.end();
      streams.clear();
    },
  };
}
