import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { Crowded, Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { translate } from "../db/unavailable.ts";
import { refuse } from "./problem.ts";
import type { Malformed } from "./validator.ts";

/** SQLSTATEs of text that PostgreSQL cannot hold: U+0000, which JSON can spell and no column can store. */
const unstorable: ReadonlySet<string> = new Set(["22021", "22P05"]);

/**
 * Decides what of an error leaves the process: a code, a reference for the operator, and nothing of the inside, which the log
 * has. Answers and never throws.
 */
export function answerError(
  thrown: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Log,
): FastifyReply {
  const reference = request.id;
  // The client has gone in the middle of its body: no fault of ours, and nobody reads the answer.
  if (request.raw.destroyed && request.raw.complete === false) {
    log.debug({ reference, route: request.routeOptions.url }, "broken off by who asked");
    return refuse(reply, "malformed-request");
  }
  const { method, routeOptions } = request;
  const logged = { reference, method, route: routeOptions.url, ms: Math.round(reply.elapsedTime) };
  const translated = translate(thrown);
  const error = translated instanceof Fault ? translated : thrown;
  if ("fields" in error) {
    const { problem = "malformed-request", fields } = error as Malformed;
    return refuse(reply, problem, { fields });
  }
  if (error instanceof Crowded) {
    log.debug({ reference, route: request.routeOptions.url, reason: error.message }, "crowded");
    return refuse(reply, "crowded", { retryAfterSeconds: error.retryAfterSeconds });
  }
  if (error instanceof Fault) {
    reply.isLogged = true;
    log.error({ ...logged, fault: error.code, reason: error.message, cause: messageOf(error.cause) }, "fault");
    switch (error.code) {
      case "BUSY":
      case "DB_UNAVAILABLE":
      case "DATABASE_UNKNOWN":
      case "KEYHOLDER_UNAVAILABLE":
        return refuse(reply, "busy", { reference, retryAfterSeconds: 2 });
      case "MEDIA_TOOL_MISSING":
        return refuse(reply, "tool-missing", { reference });
      case "DISK_FULL":
        return refuse(reply, "disk-full", { reference });
      default:
        return refuse(reply, "broken", { reference });
    }
  }
  if ("code" in error && unstorable.has(String(error.code))) return refuse(reply, "text-refused");
  const status = "statusCode" in error && typeof error.statusCode === "number" ? error.statusCode : 500;
  if (status === 413) return refuse(reply, "too-large");
  if (status === 415) return refuse(reply, "unsupported-media-type");
  if (status >= 400 && status < 500) return refuse(reply, "malformed-request");
  reply.isLogged = true;
  log.error({ ...logged, err: error }, "unexpected error");
  return refuse(reply, "broken", { reference });
}
