import type { FastifyReply, FastifyRequest } from "fastify";
import { plus, toIso, type Clock } from "../kernel/clock.ts";
import type { Secret } from "../kernel/secret.ts";
import { handOver } from "../http/cookies.ts";
import { freshProofMs, viewerOf } from "../http/viewer.ts";
import type { ProvedSession } from "../wire/accounts.ts";

/** The answer to a new proof: the session, and its new token, handed over in the way in which the old one came. */
export function proved(request: FastifyRequest, reply: FastifyReply, token: Secret, clock: Clock): ProvedSession {
  const { accountId, sessionId, class: sessionClass, role, expiresAt } = viewerOf(request);
  return {
    accountId,
    sessionId,
    class: sessionClass,
    role,
    expiresAt: toIso(expiresAt),
    freshUntil: toIso(plus(clock.now(), freshProofMs)),
    ...handOver(request, reply, token, clock),
  };
}
