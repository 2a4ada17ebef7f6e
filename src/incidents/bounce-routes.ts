import { createHash, createHmac } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { minuteMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { equalBytes, type Secret } from "../kernel/secret.ts";
import { batchRows } from "../db/batch.ts";
import type { Db, Tx } from "../db/db.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { enqueue } from "../jobs/jobs.ts";
import { tokenIn } from "../mail/return-token.ts";
import { BounceReport, BouncesTaken } from "../wire/bounces.ts";
import { limits } from "../wire/common.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  /** BOUNCE_WEBHOOK_SECRET. */
  readonly secret: Secret;
  /** BOUNCE_ADDRESS. */
  readonly address: string;
}

/** How far a report's clock may be from ours, either way. */
const toleranceMs = 5 * minuteMs;

/** What is signed: the id, the seconds and the bytes of the body (Standard Webhooks 1.0, "Signature scheme"). */
const macOf = (secret: Secret, id: string, seconds: string, body: Buffer): Buffer =>
  createHmac("sha256", secret.reveal()).update(`${id}.${seconds}.`).update(body).digest();

/**
 * Where a relay reports letters that came back. The signature is compared before the body is read as anything; a report
 * is good for five minutes and once, by its id. What it says is queued in the transaction that takes it, and judged by the
 * mailer: an address that is none of ours counts nothing.
 */
export function bounceRoutes(app: App, { db, clock, secret, address }: Needs): void {
  app.post(
    "/api/bounces",
    {
      config: { access: "anyone" },
      schema: { body: BounceReport, response: { 200: BouncesTaken } },
      // Before anything parses: what is not signed is not looked into.
      preParsing: async (request, reply, payload) => {
        const body = await bytesOf(payload);
        // What was not read would otherwise be waited for on a connection that nobody reads any more.
        if (body === undefined) return refuse(reply.header("connection", "close"), "too-large");
        if (!isSigned(request, body, clock.now())) return refuse(reply, "not-found");
        return Object.assign(Readable.from([body]), { receivedEncodedLength: body.length });
      },
    },
    async (request, reply) => {
      const now = clock.now();
      const bounces = request.body.bounces.flatMap(({ returnPath, status }) => {
        const token = tokenIn(returnPath, address);
        return token === undefined ? [] : [{ token, status }];
      });
      const isFirst = await db.transaction(async (tx) => {
        const claimed = await tx.run(
          `insert into bounce_report (digest, at) values ($1, $2) on conflict (digest) do nothing`,
          [createHash("sha256").update(headerOf(request, "webhook-id")).digest(), toDate(now)],
        );
        if (claimed === 0) return false;
        if (bounces.length > 0) await enqueue(tx, "bounces", { bounces });
        return true;
      });
      if (!isFirst) return refuse(reply, "wrong-state", { detail: "a report with this webhook-id was taken before" });
      return reply.send({ taken: bounces.length });
    },
  );

  function isSigned(request: FastifyRequest, body: Buffer, now: EpochMs): boolean {
    const id = headerOf(request, "webhook-id");
    const seconds = headerOf(request, "webhook-timestamp");
    if (!/^[\x21-\x7e]{1,200}$/.test(id) || !/^\d{1,12}$/.test(seconds)) return false;
    if (Math.abs(Number(seconds) * 1_000 - now) > toleranceMs) return false;
    const expected = macOf(secret, id, seconds, body);
    // Several while a secret is being changed, with spaces between.
    return headerOf(request, "webhook-signature")
      .split(" ")
      .slice(0, 5)
      .some((one) => one.startsWith("v1,") && equalBytes(Buffer.from(one.slice(3), "base64"), expected));
  }
}

const headerOf = (request: FastifyRequest, name: string): string => {
  const value = request.headers[name];
  return typeof value === "string" ? value : "";
};

async function bytesOf(payload: AsyncIterable<Buffer>): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of payload) {
    length += chunk.length;
    if (length > limits.bodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Forgets reports that could no longer be repeated: their time is over. @returns how many rows went. */
export const forgetBounceReports = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from bounce_report where digest in (
       select digest from bounce_report where at < $1 order by at limit $2)`,
    [toDate(plus(now, -3 * toleranceMs)), batchRows],
  );
