import { lookup as lookUpName } from "node:dns";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { secondMs } from "../kernel/clock.ts";
import { isLoopback } from "../config/config.ts";
import { hostOf } from "./endpoint.ts";

/** Where signals are pushed, and how. */
export interface Endpoint {
  readonly url: string;
  readonly authorization: string | undefined;
  /** Whether the operator has agreed that it is a machine of a private network. */
  readonly privateNetwork: boolean;
  /** Whether this service itself is on one's own machine: then the receiver may be, too. */
  readonly mayBeThisMachine: boolean;
  /** Certificates to trust besides the system's, for tests. */
  readonly ca?: string;
}

export type Posted =
  | { readonly kind: "taken" }
  /** It will never take this token: RFC 8935 section 2.4 with a reason that lies in the token. */
  | { readonly kind: "refused"; readonly err: string }
  /**
   * To be tried again; `why` names no address and nothing that the receiver said but its status and error code. An answer is
   * what a receiver says by itself, and not that it, or what stands before it, is away (RFC 9110 section 15.6.3 and after).
   * `isTried`: it had the token, or nobody knows, and it may be this one that it does not get over.
   */
  | {
      readonly kind: "later";
      readonly why: string;
      readonly isAnswer?: true;
      readonly isTried?: true;
      readonly afterMs?: number;
    };

const answerWithinMs = 10 * secondMs;
/** An answer is empty, or a short error. */
const maxAnswerBytes = 16 * 1024;

const listOf = (subnets: readonly (readonly [network: string, bits: number, family: "ipv4" | "ipv6"])[]): BlockList => {
  const list = new BlockList();
  for (const [network, bits, family] of subnets) {
    list.addSubnet(network, bits, family);
    if (family === "ipv6") continue;
    // The same, written as IPv6 (RFC 4291 section 2.5.5.2, RFC 6052 section 2.1).
    list.addSubnet(`::ffff:${network}`, 96 + bits, "ipv6");
    list.addSubnet(`64:ff9b::${network}`, 96 + bits, "ipv6");
  }
  return list;
};

/**
 * Addresses that are nobody's on the internet (RFC 6890): loopback, private, shared, link-local, documentation, multicast; and
 * those that a network may lead to any IPv4 address of its own (IPv4-compatible, RFC 8215, Teredo).
 */
const nobodys = listOf([
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.0.2.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["198.51.100.0", 24, "ipv4"],
  ["203.0.113.0", 24, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
  ["192.88.99.0", 24, "ipv4"],
  ["::", 96, "ipv6"],
  ["::ffff:0:0:0", 96, "ipv6"],
  ["64:ff9b:1::", 48, "ipv6"],
  ["100::", 64, "ipv6"],
  ["2001::", 23, "ipv6"],
  ["fc00::", 7, "ipv6"],
  ["3fff::", 20, "ipv6"],
  ["5f00::", 16, "ipv6"],
  ["fe80::", 10, "ipv6"],
  ["fec0::", 10, "ipv6"],
  ["2001:db8::", 32, "ipv6"],
  ["2002::", 16, "ipv6"],
  ["ff00::", 8, "ipv6"],
]);
/** Those of them that are a private network's; a machine's own and the link's never are. */
const privateNetworks = listOf([
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["fc00::", 7, "ipv6"],
]);

/** Whether signals may go to a machine with this address. */
export function mayConnect(
  address: string,
  { privateNetwork, isThisMachine }: { readonly privateNetwork: boolean; readonly isThisMachine: boolean },
): boolean {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (isThisMachine) return isLoopback(address) || address === "::1";
  if (!nobodys.check(address, family)) return true;
  return privateNetwork && privateNetworks.check(address, family);
}

class Forbidden extends Error {}

/**
 * Hands one SET over (RFC 8935 section 2). The name is looked up here and the connection goes to the very address that
 * was judged, so that a name which points elsewhere a moment later leads nowhere. No redirect is followed; little of the
 * answer is read.
 */
export function postSet(endpoint: Endpoint, token: string): Promise<Posted> {
  const url = new URL(endpoint.url);
  const isThisMachine = endpoint.mayBeThisMachine && isLoopback(hostOf(url));
  const allowed = { privateNetwork: endpoint.privateNetwork, isThisMachine };
  const lookup: LookupFunction = (name, options, callback) => {
    lookUpName(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const found = addresses.filter(({ address }) => mayConnect(address, allowed));
      const [first] = found;
      if (first === undefined) return callback(new Forbidden("not a place of the internet"), []);
      if (options.all === true) callback(null, found);
      else callback(null, first.address, first.family);
    });
  };
  if (url.protocol !== "https:" && !isThisMachine) return Promise.resolve({ kind: "later", why: "it is not https" });
  // A number is not looked up.
  if (isIP(hostOf(url)) !== 0 && !mayConnect(hostOf(url), allowed)) {
    return Promise.resolve({ kind: "later", why: "its address is not a place of the internet" });
  }
  return new Promise((resolve) => {
    const late = AbortSignal.timeout(answerWithinMs);
    const later = (why: string): void => resolve({ kind: "later", why, isTried: true });
    const unreached = (why: string): void => resolve({ kind: "later", why });
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const request = send(
      url,
      {
        method: "POST",
        lookup,
        signal: late,
        agent: false,
        headers: {
          "content-type": "application/secevent+jwt",
          accept: "application/json",
          "content-length": Buffer.byteLength(token),
          ...(endpoint.authorization === undefined ? {} : { authorization: endpoint.authorization }),
        },
        ...(url.protocol === "https:" ? { minVersion: "TLSv1.2", ...(endpoint.ca && { ca: endpoint.ca }) } : {}),
      },
      (answer) => {
        const chunks: Buffer[] = [];
        let length = 0;
        answer.on("data", (chunk: Buffer) => {
          length += chunk.length;
          if (length > maxAnswerBytes) {
            answer.destroy();
            return later("its answer is too long");
          }
          chunks.push(chunk);
        });
        answer.on("error", () => later("its answer broke off"));
        answer.on("end", () =>
          resolve(judge(answer.statusCode ?? 0, Buffer.concat(chunks).toString("utf8"), answer.headers["retry-after"])),
        );
      },
    );
    request.on("error", (error: Error & { code?: string }) => {
      if (late.aborted) return later("it did not answer in time");
      unreached(
        error instanceof Forbidden
          ? "its address is not a place of the internet"
          : `it could not be reached (${error.code ?? "error"})`,
      );
    });
    request.end(token);
  });
}

/** Errors that lie in the token, so that another try would fare no better (RFC 8935 section 2.4, Table 1). */
const aboutToken: readonly string[] = ["invalid_request", "invalid_issuer", "invalid_audience", "invalid_state"];

/** Nobody there, or too much to do. */
const isAway: ReadonlySet<number> = new Set([429, 502, 503, 504]);

function judge(status: number, body: string, retryAfter: string | undefined): Posted {
  if (status >= 200 && status < 300) return { kind: "taken" };
  if (status === 400) {
    const err = errorOf(body);
    if (err !== undefined && aboutToken.includes(err)) return { kind: "refused", err };
    // A key that is not known yet, or a receiver that is set up wrong, may be put right.
    const why = `it answered 400${err === undefined ? "" : ` ${err}`}`;
    return { kind: "later", why, isAnswer: true, isTried: true };
  }
  const seconds = /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) : undefined;
  return {
    kind: "later",
    why: `it answered ${status}`,
    ...(isAway.has(status) ? {} : { isAnswer: true, isTried: true }),
    ...(seconds === undefined ? {} : { afterMs: Math.min(seconds, 3_600) * secondMs }),
  };
}

/** The error code; only those that look like one are repeated in our log. */
function errorOf(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body);
    const err = typeof value === "object" && value !== null && "err" in value ? value.err : undefined;
    return typeof err === "string" && /^[a-z_]{1,40}$/.test(err) ? err : undefined;
  } catch {
    return undefined;
  }
}
