import type { FastifyRequest } from "fastify";
import type { IncomingMessage } from "node:http";
import { isReadableQuery } from "./form-body.ts";
import type { ProblemCode } from "./problem.ts";

const unsafeMethods: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** Whether a method may change something (RFC 9110 section 9.2.1). */
export const isUnsafe = (method: string): boolean => unsafeMethods.has(method);

/**
 * What is wrong with a request, judged by its headers and its address alone before anything is looked up; `undefined` for one
 * that may go on.
 */
export function refusalOf(request: FastifyRequest, publicOrigin: string): ProblemCode | undefined {
  if (isUnsafe(request.method) && !sameOrigin(request, publicOrigin)) return "foreign-origin";
  if (request.raw.rawHeaders.length > 2 * mostHeaders) return "headers-too-large";
  if (!isReadableQuery(request.url) || !isFramed(request.raw)) return "malformed-request";
  return undefined;
}

/**
 * Whether an unsafe request comes from our own pages or from no browser at all. Browsers send `Origin` with every
 * unsafe request (Fetch standard) and `Sec-Fetch-Site` besides; a program that sends neither carries no one's cookies
 * unawares.
 */
function sameOrigin(request: FastifyRequest, publicOrigin: string): boolean {
  const { origin, "sec-fetch-site": site } = request.headers;
  if (origin !== undefined) return origin === publicOrigin || sameLoopback(origin, publicOrigin);
  return site === undefined || site === "same-origin" || site === "none";
}

/**
 * Whether headers that there is one of come once, Host does come, and a body has an end (RFC 9110 section 5.3, RFC 9112
 * section 3.2). Node keeps the first and drops the rest in silence, and a proxy in front may have looked at another. Lengths are
 * the parser's to refuse.
 */
function isFramed({ rawHeaders, headers, httpVersion }: IncomingMessage): boolean {
  let seen = 0;
  for (let place = 0; place < rawHeaders.length; place += 2) {
    const name = rawHeaders[place] ?? "";
    // By length first: a request has a dozen headers, and few are as long as one of these.
    const bit = name.length === 4 || name.length === 12 || name.length === 13 ? bitOf(name.toLowerCase()) : 0;
    if ((seen & bit) !== 0) return false;
    seen |= bit;
  }
  // Where a body ends that is in anything but chunks, nobody knows (RFC 9112 section 6.1); a proxy in front may think
  // otherwise.
  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked") return false;
  return (seen & single.host) !== 0 || httpVersion === "1.0";
}

const single = Object.freeze({ host: 1, authorization: 2, "content-type": 4 });

/** More than any browser or proxy sends. Node leaves out what comes after the two-thousandth, in silence. */
const mostHeaders = 200;

const bitOf = (name: string): number =>
  name === "host" || name === "authorization" || name === "content-type" ? single[name] : 0;

const loopbackNames = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** On one's own machine, localhost and 127.0.0.1 are the same place. */
function sameLoopback(origin: string, publicOrigin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const one = new URL(origin);
  const other = new URL(publicOrigin);
  return (
    loopbackNames.has(one.hostname) &&
    loopbackNames.has(other.hostname) &&
    one.port === other.port &&
    one.protocol === other.protocol
  );
}
