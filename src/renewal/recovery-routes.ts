import { parseId, type AccountId } from "../kernel/brand.ts";
import { hourMs, toIso } from "../kernel/clock.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import { IdParams } from "../wire/common.ts";
import { FoundAccount, LookUpAccount, RecoveryEnded, RecoveryStarted, StartRecovery } from "../wire/recoveries.ts";
import { lookUpAccount } from "./look-up.ts";
import { cancelRecovery, startRecovery } from "./recovery.ts";

/** Each is a letter to every address of the account. */
const startsPerAccount = { purpose: "recoveries", limit: 6, windowMs: hourMs } as const;

/** What a person who answers letters looks up in an hour, and no list of who has an account. */
const lookUpsPerOperator = { purpose: "account look-ups", limit: 60, windowMs: hourMs } as const;

/** Operators start the way back of somebody who has lost every other, and end it. Nobody here chooses a password. */
export function recoveryRoutes(app: App, needs: Parameters<typeof startRecovery>[0]): void {
  app.post(
    "/api/recoveries",
    { config: { access: "fresh operator" }, schema: { body: StartRecovery, response: { 201: RecoveryStarted } } },
    async (request, reply) => {
      const { address, withoutSecondFactor = false } = request.body;
      const accountId = parseId<AccountId>(request.body.accountId) as AccountId;
      if (!(await withinLimit(needs, accountId, startsPerAccount))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 3_600 });
      }
      const { accountId: by, epoch } = viewerOf(request);
      const outcome = await startRecovery(needs, { accountId, address, withoutSecondFactor, epoch, by });
      switch (outcome.kind) {
        case "started": {
          const { readyAt, expiresAt } = outcome;
          return reply
            .code(201)
            .send({ kind: "recovery-started", readyAt: toIso(readyAt), expiresAt: toIso(expiresAt) });
        }
        case "address-refused":
          return refuse(reply, "address-refused", { fields: [{ field: "body.address", rule: outcome.reason }] });
        case "no-such-account":
          return refuse(reply, "not-found", { detail: "no such account" });
        case "full":
          return refuse(reply, "too-many-addresses");
        case "nobody-to-tell":
          return refuse(reply, "nobody-to-tell");
        case "under-way":
          return refuse(reply, "recovery-under-way");
        case "contained":
          return refuse(reply, "renew-first");
      }
    },
  );

  app.post(
    "/api/recoveries/lookup",
    { config: { access: "fresh operator" }, schema: { body: LookUpAccount, response: { 200: FoundAccount } } },
    async (request, reply) => {
      const { accountId: by } = viewerOf(request);
      if (!(await withinLimit(needs, by, lookUpsPerOperator))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 3_600 });
      }
      const found = await lookUpAccount(needs, request.body.address, by);
      if (found === undefined) return refuse(reply, "not-found", { detail: "no account has this address" });
      const { createdAt, recovery, ...rest } = found;
      return reply.send({
        ...rest,
        createdAt: toIso(createdAt),
        recovery:
          recovery === null
            ? null
            : { ...recovery, readyAt: toIso(recovery.readyAt), expiresAt: toIso(recovery.expiresAt) },
      });
    },
  );

  app.delete(
    "/api/recoveries/:id",
    { config: { access: "operator act" }, schema: { params: IdParams, response: { 200: RecoveryEnded } } },
    async (request, reply) => {
      const accountId = parseId<AccountId>(request.params.id) as AccountId;
      const ended = await cancelRecovery(needs, accountId, viewerOf(request).accountId);
      return ended ? reply.send({ kind: "recovery-ended" }) : refuse(reply, "not-found");
    },
  );
}
