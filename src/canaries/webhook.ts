import { createHmac } from "node:crypto";
import { toIso, type EpochMs } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Secret } from "../kernel/secret.ts";

export interface Webhook {
  readonly url: Secret;
  /** Shared with the receiver; what it gets is signed with it. */
  readonly secret: Secret;
}

const answerWithinMs = 10_000;

/** The three headers of a signed delivery: HMAC-SHA-256 over id, seconds and body (Standard Webhooks 1.0, "Signature scheme"). */
export function signedHeaders(secret: Secret, id: string, now: EpochMs, body: string): Record<string, string> {
  const seconds = String(Math.floor(now / 1_000));
  const mac = createHmac("sha256", secret.reveal()).update(`${id}.${seconds}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": seconds, "webhook-signature": `v1,${mac}` };
}

/**
 * Posts one event. The id is the same at each try, so that a receiver can drop what comes twice. No redirect is
 * followed: where a redirect points is no address that the operator named. @returns `undefined` when the receiver took
 * it (2xx), else why not, without anything the receiver said.
 */
export async function deliver(
  { url, secret }: Webhook,
  { id, type, data }: { readonly id: string; readonly type: string; readonly data: object },
  now: EpochMs,
): Promise<string | undefined> {
  const body = JSON.stringify({ type, timestamp: toIso(now), data });
  try {
    const answer = await fetch(url.revealText(), {
      method: "POST",
      redirect: "manual",
      headers: { "content-type": "application/json", ...signedHeaders(secret, id, now, body) },
      body,
      signal: AbortSignal.timeout(answerWithinMs),
    });
    await answer.body?.cancel();
    return answer.ok ? undefined : `it answered ${answer.status}`;
  } catch (thrown) {
    return `it could not be reached (${codeOf(thrown) ?? messageOf(thrown)})`;
  }
}

/**
 * What the system or TLS calls it: a certificate that is not trusted, a connection refused. The message of a cause names the
 * address, its code does not.
 */
function codeOf(thrown: unknown): string | undefined {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" && /^[A-Z0-9_]{1,60}$/.test(code) ? code : undefined;
}
