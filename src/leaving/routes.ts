import { hourMs, toIso } from "../kernel/clock.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import { AccountExport, AskDeletion, Deletion, DeletionPlanned } from "../wire/leaving.ts";
import { plannedDeletion } from "../accounts/deletion.ts";
import { askDeletion, withdrawDeletion } from "./ask-deletion.ts";
import { exportAccount, type ExportNeeds } from "./export-account.ts";

/** Each opens every value that the account has. */
const exportsPerAccount = { purpose: "exports", limit: 6, windowMs: hourMs } as const;
/** Each is a letter to every address. */
const deletionsPerAccount = { purpose: "deletions", limit: 6, windowMs: hourMs } as const;

/** Leaving: a file of everything that is known about the viewer, and the deletion of the account. */
export function leavingRoutes(app: App, needs: ExportNeeds): void {
  app.post(
    "/api/account/export",
    { config: { access: "fresh viewer" }, schema: { response: { 200: AccountExport } } },
    async (request, reply) => {
      const { accountId, sessionId } = viewerOf(request);
      if (!(await withinLimit(needs, accountId, exportsPerAccount))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 3_600 });
      }
      const exported = await exportAccount(needs, accountId, { by: "owner", asking: sessionId });
      if (exported === undefined) return refuse(reply, "not-signed-in");
      const day = exported.exportedAt.slice(0, 10);
      return reply.header("content-disposition", `attachment; filename="account-${day}.json"`).send(exported);
    },
  );

  app.get(
    "/api/account/deletion",
    { config: { access: "viewer" }, schema: { response: { 200: Deletion } } },
    async (request) => {
      const at = await plannedDeletion(needs.db, viewerOf(request).accountId);
      return { deleteAfter: at === null ? null : toIso(at) };
    },
  );

  app.post(
    "/api/account/deletion",
    { config: { access: "fresh viewer" }, schema: { body: AskDeletion, response: { 202: DeletionPlanned } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, deletionsPerAccount))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 3_600 });
      }
      const outcome = await askDeletion(needs, viewer, request.body.confirmation);
      switch (outcome.kind) {
        case "planned":
          return reply.code(202).send({ kind: "deletion-planned", deleteAfter: toIso(outcome.deleteAfter) });
        case "not-confirmed":
          return refuse(reply, "not-confirmed", {
            fields: [{ field: "body.confirmation", rule: "is an address of the account" }],
          });
        case "last-operator":
          return refuse(reply, "last-operator");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );

  // Staying makes nothing more dangerous: any good session may.
  app.delete(
    "/api/account/deletion",
    { config: { access: "viewer" }, schema: { response: { 200: Deletion } } },
    async (request, reply) => {
      const kept = await withdrawDeletion(needs, viewerOf(request));
      return kept ? reply.send({ deleteAfter: null }) : refuse(reply, "not-found");
    },
  );
}
