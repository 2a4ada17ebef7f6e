import { parseCookie, stringifySetCookie } from "cookie";
import type { FastifyReply, FastifyRequest } from "fastify";
import { secondsUntil, type Clock } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import { newSecret, type Random } from "../kernel/random.ts";
import { viewerOf, type Viewer } from "./viewer.ts";

/**
 * `__Host-` cookies: Secure, this host only, path `/` (RFC 6265bis section 4.1.3.2). Browsers accept Secure cookies over
 * plain http on loopback, and config refuses a plain http origin anywhere else.
 */
export const sessionCookie = "__Host-houselights";
export const browserCookie = "__Host-houselights-browser";
export const passkeyCookie = "__Host-houselights-passkey";
export const stepCookie = "__Host-houselights-step";
export const placeCookie = "__Host-houselights-place";
export const lineCookie = "__Host-houselights-line";

const attributes = { path: "/", secure: true, httpOnly: true, sameSite: "lax" } as const;

/** Sets a cookie in place of what the same answer set under its name before. */
function setCookie(reply: FastifyReply, name: string, value: string, maxAgeSeconds: number): void {
  const others = [reply.getHeader("set-cookie") ?? []].flat().filter((one) => !String(one).startsWith(`${name}=`));
  const cookie = stringifySetCookie({ name, value, ...attributes, maxAge: maxAgeSeconds });
  void reply.removeHeader("set-cookie").header("set-cookie", [...others, cookie]);
}

function clearCookie(reply: FastifyReply, name: string): void {
  setCookie(reply, name, "", 0);
}

export function setSessionCookie(reply: FastifyReply, token: string, maxAgeSeconds: number): void {
  setCookie(reply, sessionCookie, token, maxAgeSeconds);
}

/** How a caller keeps its token: a browser in the cookie, a program wherever it likes. */
type Keeping = "cookie" | "bearer";

const keptBy = (request: FastifyRequest): Keeping =>
  request.headers.authorization === undefined ? "cookie" : "bearer";

/**
 * The session whose token the answer's own takes the place of: the one that the request brought, if it is kept in the same
 * place. A program that asks for a token of its own leaves alone the cookie that came with its request.
 */
export const replacedBy = (request: FastifyRequest, keeping: Keeping): Viewer | null =>
  keptBy(request) === keeping ? request.viewer : null;

/**
 * Hands over the token that a proof has put in the place of the one presented, by the way that one came. @returns what
 * the answer's body has of it: the token, for a program.
 */
export function handOver(
  request: FastifyRequest,
  reply: FastifyReply,
  token: Secret,
  clock: Clock,
): { readonly token?: string } {
  const text = token.revealText();
  if (keptBy(request) === "bearer") return { token: text };
  setSessionCookie(reply, text, secondsUntil(clock, viewerOf(request).expiresAt));
  return {};
}

export function clearSessionCookie(reply: FastifyReply): void {
  clearCookie(reply, sessionCookie);
}

/** Keeps a right password's step until its second factor comes. */
export function setStepCookie(reply: FastifyReply, step: string, maxAgeSeconds: number): void {
  setCookie(reply, stepCookie, step, maxAgeSeconds);
}

export function clearStepCookie(reply: FastifyReply): void {
  clearCookie(reply, stepCookie);
}

/** The step that a request completes: from the body, or from the cookie. */
export function stepOf(request: FastifyRequest, fromBody?: string): Secret | undefined {
  const text = fromBody ?? readCookie(request, stepCookie);
  return text === undefined ? undefined : Secret.fromText(text.slice(0, 300));
}

/**
 * Takes the session cookie back from somebody who signs out, and with it what the browser kept of their pages: posters may
 * be kept for long (ASVS 5.0 14.3.1; Clear Site Data section 3.1). Settings of the player stay; they are no one's secret.
 */
export function forgetSession(reply: FastifyReply): void {
  clearSessionCookie(reply);
  void reply.header("clear-site-data", '"cache"');
}

const secretPattern = /^[A-Za-z0-9_-]{43}$/;

/** Reads 256 bits of base64url; `undefined` for anything else. */
export function readSecret(text: string | undefined): Secret | undefined {
  return text !== undefined && secretPattern.test(text) ? new Secret(Buffer.from(text, "base64url")) : undefined;
}

export const secretText = (secret: Secret): string => Buffer.from(secret.reveal()).toString("base64url");

/**
 * A cookie of the request, read when it is asked for: programs and players bring a header instead, and parsing for all of them
 * was a thirtieth of a session check.
 */
export function readCookie(request: FastifyRequest, name: string): string | undefined {
  const { cookie } = request.headers;
  return cookie === undefined ? undefined : parseCookie(cookie)[name];
}

/** More than the codes that one network may have mailed to an address in an hour, and few enough to try each. */
const bindingsKept = 8;

const bindingsIn = (request: FastifyRequest): Secret[] =>
  (readCookie(request, browserCookie) ?? "").split(".", bindingsKept).flatMap((text) => readSecret(text) ?? []);

/**
 * What mailed codes are bound to that this browser has asked for, 256 bits each, the newest first: from the body, which
 * has one, or from the cookie.
 */
export function browserBindingsOf(request: FastifyRequest, fromBody?: string): readonly Secret[] {
  const one = readSecret(fromBody);
  return one === undefined ? bindingsIn(request) : [one];
}

/**
 * The 256 bits that bind a passkey's challenge to the browser that asked for it. Kept for an hour from the last one: a
 * page that asks again does not take from another tab what it is waiting for. For a program that asks to have it `inBody`
 * it is a fresh one that no cookie holds: what a cookie holds is never in a body, where a page's scripts could read it
 * (ASVS 5.0 3.3.4).
 */
export function passkeyBinding(request: FastifyRequest, reply: FastifyReply, random: Random, inBody: boolean): Secret {
  if (inBody) return newSecret(random);
  const binding = readSecret(readCookie(request, passkeyCookie)) ?? newSecret(random);
  setCookie(reply, passkeyCookie, secretText(binding), 3_600);
  return binding;
}

/** The same where an answer comes back: from the body, or from the cookie. */
export function passkeyBindingOf(request: FastifyRequest, fromBody?: string): Secret | undefined {
  return readSecret(fromBody) ?? readSecret(readCookie(request, passkeyCookie));
}

const placeText = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{1,200})$/;

/**
 * The place in line that a request brings, and the secret of the browser that it was given to: from the body, or from two
 * cookies.
 */
export function placeOf(
  request: FastifyRequest,
  fromBody?: string,
): { readonly text: string; readonly browser: Secret } | undefined {
  const [, bodyBrowser, bodyText] = placeText.exec(fromBody ?? "") ?? [];
  const browser = readSecret(bodyBrowser ?? readCookie(request, lineCookie));
  const text = bodyText ?? readCookie(request, placeCookie);
  return browser === undefined || text === undefined ? undefined : { text: text.slice(0, 200), browser };
}

/** As `placeOf` reads it from a body, for callers without a cookie jar. */
export const bodyPlace = ({ text, browser }: { readonly text: string; readonly browser: Secret }): string =>
  `${secretText(browser)}.${text}`;

/** Keeps a place in line, and apart from it what it is bound to. */
export function setPlaceCookies(
  reply: FastifyReply,
  { text, browser }: { readonly text: string; readonly browser: Secret },
  maxAgeSeconds: number,
): void {
  setCookie(reply, placeCookie, text, maxAgeSeconds);
  setCookie(reply, lineCookie, secretText(browser), maxAgeSeconds);
}

/**
 * A fresh binding for each request of a code, so that tries are counted per code and old ones stay what they were: in a
 * cookie, or `inBody` for a program, and then in no cookie. The cookie keeps those that it has: letters come late, and who
 * asks again must not make the one that comes first worth nothing.
 */
export function newBrowserBinding(
  request: FastifyRequest,
  reply: FastifyReply,
  random: Random,
  maxAgeSeconds: number,
  inBody = false,
): Secret {
  const binding = newSecret(random);
  if (inBody) return binding;
  const kept = [binding, ...bindingsIn(request)].slice(0, bindingsKept);
  setCookie(reply, browserCookie, kept.map(secretText).join("."), maxAgeSeconds);
  return binding;
}
