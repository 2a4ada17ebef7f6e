import { isSignedOut, send } from "../app/api.ts";
import type { Notice, Session } from "../app/queries.ts";

/** Why a screen went dark. `refused` and `lapsed` are what the browser found out by itself. */
export type EndReason = "contained" | "signed-out" | "renewed" | "expired" | "refused" | "lapsed";

const told: readonly string[] = ["contained", "signed-out", "renewed", "expired"];

const readReason = (data: string): EndReason => {
  try {
    const parsed: unknown = JSON.parse(data);
    const reason = typeof parsed === "object" && parsed !== null && "reason" in parsed ? parsed.reason : undefined;
    return told.includes(String(reason)) ? (reason as EndReason) : "refused";
  } catch {
    return "refused";
  }
};

/**
 * The channel says every second that it is alive (src/sessions/push.ts). After this without a word it is not believed: something
 * on the way keeps what it is given, or has forgotten the connection. With the answer it stays below the two seconds of promise 7.
 */
const silentMs = 1_500;
/** How often the session is asked for while the channel is silent, and how long an answer is waited for. */
const askEveryMs = 1_000;
const answerMs = 5_000;

/**
 * Listens to the push channel and calls `ended` once, as soon as this session is known to be over. A channel that breaks,
 * comes back or is silent asks for the session itself, since an event may have been missed; no answer at all is no reason to
 * stop.
 *
 * @returns what stops listening.
 */
export function watchSession(ended: (reason: EndReason) => void): () => void {
  let over = false;
  let source: EventSource | undefined;
  let asking = false;
  let again: ReturnType<typeof setTimeout> | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;

  const end = (reason: EndReason) => {
    if (over) return;
    stop();
    ended(reason);
  };
  const ask = async () => {
    if (asking || over) return;
    asking = true;
    try {
      await send<Session>("GET", "/api/session", { signal: AbortSignal.timeout(answerMs) });
    } catch (error) {
      if (isSignedOut(error)) end("refused");
    } finally {
      asking = false;
    }
  };
  const expectWordWithin = (ms: number) => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      void ask();
      expectWordWithin(askEveryMs);
    }, ms);
  };
  const listen = () => {
    let opened = 0;
    source = new EventSource("/api/events");
    source.addEventListener("ended", (event: MessageEvent<string>) => end(readReason(event.data)));
    source.addEventListener("here", () => expectWordWithin(silentMs));
    source.addEventListener("open", () => {
      opened += 1;
      if (opened > 1) void ask();
    });
    source.addEventListener("error", () => {
      void ask();
      // CLOSED means that the browser gave up (an answer that is no event stream); it never tries again by itself.
      if (source?.readyState === EventSource.CLOSED && !over) again = setTimeout(listen, 2_000);
    });
  };
  const looked = () => {
    if (document.visibilityState === "visible") void ask();
  };
  const stop = () => {
    over = true;
    source?.close();
    clearTimeout(again);
    clearTimeout(silence);
    document.removeEventListener("visibilitychange", looked);
  };
  document.addEventListener("visibilitychange", looked);
  listen();
  expectWordWithin(silentMs);
  return stop;
}

/** Finds the plain reason behind a refusal: a case that is open, a session that ended, or a right to play that ran out. */
export async function reasonBehindRefusal(): Promise<EndReason> {
  try {
    await send<Session>("GET", "/api/session");
    return "lapsed";
  } catch (error) {
    if (!isSignedOut(error)) return "refused";
  }
  try {
    const { notice } = await send<{ notice: Notice }>("GET", "/api/notice");
    return notice === null ? "refused" : "contained";
  } catch {
    return "refused";
  }
}
