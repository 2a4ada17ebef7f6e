import type { FastifyReply } from "fastify";
import { sendPage, wordsOf } from "./page.ts";
import { problemPage } from "./problem-page.ts";

/** Every refusal that leaves the process: stable code, status and title. Words for people are the pages' own. */
export const problems = {
  "malformed-request": [400, "The request is not in the documented form"],
  "sign-in-refused": [401, "Wrong address or password"],
  "sign-in-over": [401, "This sign-in has ended; begin again with the password"],
  "not-signed-in": [401, "Sign in first"],
  "receiver-refused": [401, "This is not the token of a relying service, or it has run out"],
  "operators-only": [403, "Only operators may do this"],
  "proof-needed": [403, "Prove your password again first"],
  "strong-proof-needed": [403, "Prove your second factor again first"],
  "second-factor-required": [403, "Operators need a second factor for this; add one first"],
  "passkey-refused": [401, "This passkey cannot be used here"],
  "passkey-not-added": [400, "This passkey could not be added; begin again"],
  "too-many-passkeys": [409, "This account has as many passkeys as it can have; remove one first"],
  "passkeys-unavailable": [409, "Browsers refuse passkeys where a service is reached by a number instead of a name"],
  "foreign-origin": [403, "The request came from another site"],
  "renew-first": [403, "Renew your password first"],
  "not-found": [404, "There is nothing here"],
  "code-refused": [400, "The code is wrong, used or too old"],
  "link-refused": [400, "The code is wrong, used or too old"],
  "second-factor-needed": [403, "This account has a second factor; its code is needed too"],
  "second-factor-refused": [400, "The code is wrong, used or too old"],
  "longer-password-needed": [409, "A password alone needs at least 15 characters; set a longer one first"],
  "password-refused": [400, "This password cannot be used"],
  "password-is-old": [400, "This is the password that was taken; choose another"],
  "wrong-password": [403, "The current password is wrong"],
  "address-refused": [400, "This is not an e-mail address that can get mail"],
  "not-confirmed": [400, "This is not an address of the account"],
  "last-address": [409, "The last address cannot be removed"],
  "too-many-addresses": [409, "An account has at most 5 addresses; remove one first"],
  "nobody-to-tell": [409, "The account has no address, so nobody could be told or could stop it"],
  "recovery-under-way": [409, "A recovery of this account is under way; end it first"],
  "last-operator": [409, "The last operator cannot be removed"],
  "too-many-streams": [409, "This relying service has as many streams as it can have; change or delete one"],
  "stream-disabled": [400, "The stream is disabled; enable it first"],
  "incident-in-hand": [409, "A case is already open"],
  "wrong-state": [409, "The case is not in a state for this"],
  "cannot-close": [409, "The case cannot be closed yet"],
  "text-refused": [400, "This text cannot be stored"],
  "card-number": [400, "A payment card number does not belong here; nothing was stored"],
  unplayable: [409, "This title cannot be played"],
  "tool-missing": [501, "This film has to be converted, and the program for it is not installed here"],
  "grant-refused": [403, "This right to play has ended"],
  "too-large": [413, "The request is too large"],
  "too-slow": [408, "The request took too long to arrive"],
  "headers-too-large": [431, "The request's headers are too large"],
  "unsupported-media-type": [415, "Send application/json"],
  "too-many": [429, "Too many tries; wait a little"],
  broken: [500, "Something is broken here; nothing you sent is at fault"],
  busy: [503, "The service is busy; try again shortly"],
  crowded: [503, "More people are here than can be served at once; nothing was tried, come again shortly"],
  "disk-full": [507, "There is no room to store this"],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof problems;

export interface ProblemDetail {
  readonly detail?: string;
  readonly reference?: string;
  /** Names the field and the rule, never the value. */
  readonly fields?: readonly { readonly field: string; readonly rule: string }[];
  readonly retryAfterSeconds?: number;
}

/**
 * Answers a refusal as application/problem+json (RFC 9457), or as a page where a person is looking at one. Returns the reply,
 * for the handler to return in turn; typed as whatever the handler's successes are, since a problem is a documented answer of
 * every route.
 */
export function refuse<Answer = FastifyReply>(
  reply: FastifyReply,
  code: ProblemCode,
  more: ProblemDetail = {},
): Answer {
  const [status, title] = problems[code];
  const { retryAfterSeconds, ...rest } = more;
  if (retryAfterSeconds !== undefined) void reply.header("retry-after", String(Math.ceil(retryAfterSeconds)));
  const frame = reply.server.pageFrame;
  if (frame !== null && asksForPage(reply)) {
    const { method, url } = reply.request;
    const shown = { code, status, reference: more.reference, retryAfterSeconds, method, url };
    return sendPage(reply, frame, problemPage(wordsOf(reply), shown), status) as Answer;
  }
  // Serialised here: a route's response schemas describe its successes, and this one shape is for all of them.
  return reply
    .code(status)
    .type("application/problem+json")
    .serializer((body: unknown) => JSON.stringify(body))
    .send({ type: `/problems/${code}`, title, status, code, ...rest }) as Answer;
}

/** Whether a person reads the answer: on routes that are pages, and where a browser went to a path that is nothing. */
function asksForPage({ request }: FastifyReply): boolean {
  if (request.routeOptions.config.page === true) return true;
  return request.is404 && request.method === "GET" && (request.headers.accept ?? "").includes("text/html");
}
