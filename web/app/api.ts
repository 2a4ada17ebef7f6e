import type { Problem } from "../../src/wire/common.ts";
import { Silent, within } from "./limit.ts";

/**
 * How long an answer is waited for until it is whole. What only reads is answered by the service within 8 s, or refused; an act may
 * wait for its turn at hashing, and the count before a containment takes up to 20 s.
 */
const readingMs = 20_000;
const actingMs = 60_000;

/** The service answered, and the answer is no. `code` is what pages switch on. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;
  readonly code: string;
  readonly detail: string | undefined;
  readonly reference: string | undefined;

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? "broken";
    this.detail = problem.detail;
    this.reference = problem.reference;
  }
}

/** No answer came: the network is gone, the service is down, or it says nothing. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  /** The connection stood, and nothing came. */
  readonly isSilent: boolean;
  /** Something was asked for that is more than reading, and may have been done all the same. */
  readonly isUnsure: boolean;

  constructor(cause: unknown, isUnsure = false) {
    super("no answer", { cause });
    this.isSilent = cause instanceof Silent;
    this.isUnsure = isUnsure;
  }
}

type Method = "GET" | "POST" | "PUT" | "DELETE";

interface SendOptions {
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Lets the request outlive the page (at most 64 KB). */
  readonly keepalive?: boolean;
}

/**
 * One request to the service. Answers what `Reply` says, which the server's response schemas guarantee.
 *
 * @throws Refused for any status that is not 2xx, Unreachable when there is no answer in time.
 */
export async function send<Reply>(method: Method, path: string, options: SendOptions = {}): Promise<Reply> {
  try {
    return await sendOnce<Reply>(method, path, options);
  } catch (error) {
    // A proof in another tab gives the browser another token, and this request may have left with the one before: nothing
    // was done by it, and asked again it goes with the new one.
    if (!isRefused(error, "not-signed-in")) throw error;
    return sendOnce<Reply>(method, path, options);
  }
}

async function sendOnce<Reply>(method: Method, path: string, options: SendOptions): Promise<Reply> {
  const { body, signal, keepalive } = options;
  const limitMs = method === "GET" ? readingMs : actingMs;
  const wasOnline = navigator.onLine;
  const ask = async (ending: AbortSignal) => {
    const response = await fetch(path, {
      method,
      credentials: "same-origin",
      signal: ending,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(keepalive === undefined ? {} : { keepalive }),
    });
    return { response, text: await response.text() };
  };
  const { response, text } = await within(limitMs, ask, signal).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new Unreachable(error, method !== "GET" && wasOnline);
  });
  // A proxy's word that the service says nothing to it.
  if (response.status === 502 || response.status === 504) {
    throw new Unreachable(new Silent(`HTTP ${response.status}`), method !== "GET");
  }
  if (!response.ok) throw new Refused(response.status, parseProblem(text));
  return (text === "" ? undefined : JSON.parse(text)) as Reply;
}

function parseProblem(text: string): Partial<Problem> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

export const isRefused = (error: unknown, ...codes: readonly string[]): error is Refused =>
  error instanceof Refused && (codes.length === 0 || codes.includes(error.code));

/** Whether an error says that this browser is signed in no longer. */
export const isSignedOut = (error: unknown): boolean => error instanceof Refused && error.status === 401;

/** Leaves for the server's sign-in page and comes back here afterwards. */
export function goSignIn(next: string = location.pathname + location.search): void {
  location.assign(`/sign-in?next=${encodeURIComponent(next)}`);
}
