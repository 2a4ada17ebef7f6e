import { Type } from "typebox";
import { parseId, type AccountId, type IncidentId } from "../kernel/brand.ts";
import { secondMs, toIso } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Db } from "../db/db.ts";
import type { Reserve } from "../db/reserve.ts";
import { longAnswer } from "../http/long-answer.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { preferredLocale } from "../http/locale.ts";
import { viewerOf } from "../http/viewer.ts";
import { CurrentNotice } from "../wire/accounts.ts";
import { IdParams } from "../wire/common.ts";
import {
  AmendIncident,
  CloseIncident,
  Contain,
  Contained,
  IncidentList,
  IncidentStatus,
  LetterParams,
  OwnLetterParams,
  Notified,
  Notify,
  OpenIncident,
  RecordReview,
  RecordWayIn,
} from "../wire/incidents.ts";
import { sharedCaseNumbers, type ReadCaseNumbers } from "./case-numbers.ts";
import { amendIncident } from "./amend.ts";
import { closeIncident, recordReview, recordWayIn } from "./close.ts";
import { contain, containAccount } from "./contain.ts";
import { despiteFullDisk } from "./despite-full-disk.ts";
import { currentLetter, currentNotice, incidentOf } from "./notice.ts";
import { isIncident, openIncident, readOpenIncident } from "./open.ts";
import { proveLetter } from "./letter-proof.ts";
import { listIncidents, incidentStatus } from "./status.ts";
import { notifyIncident } from "./notify.ts";
import { sharedScopeCounts } from "./plan.ts";
import { closeRefusal, noCase, reviewRefusal, toldRefusal, wayInRefusal } from "./refusals.ts";
import { containedReply, wouldContain } from "./would-contain.ts";
import { sharedReport, type ReportNeeds } from "./report.ts";
import { reportHtml } from "./report-html.ts";
import { pagePolicy } from "./report-markup.ts";
import type { FastifyReply } from "fastify";

export type IncidentNeeds = Parameters<typeof contain>[0] &
  Parameters<typeof notifyIncident>[0] &
  ReportNeeds &
  Parameters<typeof proveLetter>[0] & {
    readonly db: Db;
    readonly containDb: Db;
    /** `undefined` where the database is elsewhere. */
    readonly reserve: Reserve | undefined;
  };

/** A dialog shows the counts beside its question, and proxies give up after a minute. */
const countBesideMs = 20 * secondMs;

/**
 * The case file over HTTP: the same operations as the command line. Dangerous acts ask for a strong proof of the last five
 * minutes.
 */
export function incidentRoutes(app: App, needs: IncidentNeeds): void {
  const { db } = needs;
  const numbersOf = sharedCaseNumbers(needs);
  const scopeCounts = sharedScopeCounts(needs);
  const makeReport = sharedReport(needs);
  const idOf = (params: { id: string }): IncidentId => parseId<IncidentId>(params.id) as IncidentId;

  app.get(
    "/api/notice",
    { config: { access: "anyone" }, schema: { response: { 200: CurrentNotice } } },
    async (request, reply) => {
      const notice = await currentNotice(db);
      if (notice === null) return reply.send({ notice: null });
      const { reference, renewPasswordsSetBefore: before } = notice;
      const letter = await currentLetter(db, preferredLocale(request.headers["accept-language"]));
      return reply.send({ notice: { reference, renewPasswordsSetBefore: toIso(before), letter } });
    },
  );

  app.get("/api/incidents", { config: { access: "operator" }, schema: { response: { 200: IncidentList } } }, () =>
    listIncidents(db),
  );

  app.post(
    "/api/incidents",
    { config: { access: "operator act" }, schema: { body: OpenIncident, response: { 201: IncidentStatus } } },
    async (request, reply) => {
      const opened = await openIncident(needs, request.body, viewerOf(request).accountId);
      if (opened.kind === "in-hand") return refuse(reply, "incident-in-hand", { detail: opened.incidentId });
      if (opened.kind === "impossible") {
        return refuse(reply, "malformed-request", { fields: [{ field: `body.${opened.field}`, rule: opened.rule }] });
      }
      const status = await incidentStatus(needs, opened.incidentId, numbersOf);
      return status === undefined ? refuse(reply, "not-found") : reply.code(201).send(status);
    },
  );

  app.get(
    "/api/incidents/:id",
    { config: { access: "operator" }, schema: { params: IdParams, response: { 200: IncidentStatus } } },
    async (request, reply) => {
      const status = await incidentStatus(needs, idOf(request.params), numbersOf);
      return status === undefined ? refuse(reply, "not-found") : reply.send(status);
    },
  );

  app.post(
    "/api/incidents/:id/contain",
    {
      config: { access: "fresh operator" },
      schema: { params: IdParams, body: Contain, response: { 200: Contained } },
    },
    async (request, reply) => {
      const id = idOf(request.params);
      // Nothing of the case is counted first: containing waits for no letter.
      const open = await readOpenIncident(db, id);
      if (open === undefined) return refuse(reply, "wrong-state", noCase);
      const { mode = "everyone-out", keepTools = false, accountId, dryRun } = request.body;
      const operator = viewerOf(request).accountId;
      const account = parseId<AccountId>(accountId);
      // If they were ignored, what somebody has asked to spare would be signed out.
      if (account !== undefined && (keepTools || mode === "with-renewal")) {
        const rule = "excludes keepTools and with-renewal: one account is signed out everywhere";
        return refuse(reply, "malformed-request", { fields: [{ field: "body.accountId", rule }] });
      }
      if (dryRun === true) {
        const would = await wouldContain(needs, open, { mode, keepTools, account, withinMs: countBesideMs, operator });
        if (would === undefined) return refuse(reply, "not-found", { detail: "no such account" });
        return reply.send(would);
      }
      const order = { mode, keepTools, reason: open.reason, operator };
      const { result: contained, givenUp } = await despiteFullDisk(needs, async (reserve) => {
        const containNeeds = { ...needs, db: needs.containDb, reserve };
        if (account !== undefined) return containAccount(containNeeds, account, order);
        return contain(containNeeds, order);
      });
      if (contained.kind === "no-such-account") return refuse(reply, "not-found", { detail: "no such account" });
      return reply.send(containedReply(contained, givenUp));
    },
  );

  app.post(
    "/api/incidents/:id/notify",
    { config: { access: "fresh operator" }, schema: { params: IdParams, body: Notify, response: { 200: Notified } } },
    async (request, reply) => {
      const outcome = await notifyIncident(
        { ...needs, scopeCounts },
        idOf(request.params),
        request.body.action,
        viewerOf(request).accountId,
      );
      if (outcome.kind === "refused") return refuse(reply, "wrong-state", { detail: outcome.reason });
      return reply.send(outcome);
    },
  );

  app.put(
    "/api/incidents/:id/facts",
    {
      config: { access: "operator act" },
      schema: { params: IdParams, body: AmendIncident, response: { 200: IncidentStatus } },
    },
    async (request, reply) => {
      const id = idOf(request.params);
      const outcome = await amendIncident(needs, id, request.body, viewerOf(request).accountId);
      switch (outcome.kind) {
        case "amended":
          return answerStatus(needs, numbersOf, reply, id);
        case "not-open":
          return refuse(reply, "wrong-state", noCase);
        case "told":
          return refuse(reply, "wrong-state", { detail: toldRefusal });
        case "impossible":
          return refuse(reply, "malformed-request", {
            fields: [{ field: `body.${outcome.field}`, rule: outcome.rule }],
          });
      }
    },
  );

  app.put(
    "/api/incidents/:id/way-in",
    {
      config: { access: "operator act" },
      schema: { params: IdParams, body: RecordWayIn, response: { 200: IncidentStatus } },
    },
    async (request, reply) => {
      const id = idOf(request.params);
      const outcome = await recordWayIn(needs, id, request.body, viewerOf(request).accountId);
      if (outcome === "not-open") return refuse(reply, "wrong-state", noCase);
      if (outcome !== "recorded") return refuse(reply, "wrong-state", { detail: wayInRefusal(outcome) });
      return answerStatus(needs, numbersOf, reply, id);
    },
  );

  app.put(
    "/api/incidents/:id/review",
    {
      config: { access: "operator act" },
      schema: { params: IdParams, body: RecordReview, response: { 200: IncidentStatus } },
    },
    async (request, reply) => {
      const id = idOf(request.params);
      const outcome = await recordReview(needs, id, request.body, viewerOf(request).accountId);
      if (outcome !== "recorded") return refuse(reply, "wrong-state", { detail: reviewRefusal(outcome) });
      return answerStatus(needs, numbersOf, reply, id);
    },
  );

  app.post(
    "/api/incidents/:id/close",
    {
      config: { access: "fresh operator" },
      schema: { params: IdParams, body: CloseIncident, response: { 200: IncidentStatus } },
    },
    async (request, reply) => {
      const id = idOf(request.params);
      const outcome = await closeIncident(needs, id, request.body, viewerOf(request).accountId);
      if (outcome.kind !== "closed") return refuse(reply, "cannot-close", { detail: closeRefusal(outcome) });
      return answerStatus(needs, numbersOf, reply, id);
    },
  );

  letterProofRoute(app, needs);

  app.get(
    "/api/incidents/:id/report",
    {
      config: { access: "operator" },
      schema: {
        params: IdParams,
        querystring: Type.Object({ format: Type.Optional(Type.Union([Type.Literal("html"), Type.Literal("json")])) }),
      },
    },
    async (request, reply) => {
      const id = idOf(request.params);
      if (!(await isIncident(db, id))) return refuse(reply, "not-found");
      const wantsHtml =
        request.query.format === "html" ||
        (request.query.format === undefined && (request.headers.accept ?? "").includes("text/html"));
      const answer = await longAnswer(
        makeReport(id).then((report) => {
          if (report === undefined) throw new Fault("IMPOSSIBLE", "a case was removed");
          return wantsHtml ? reportHtml(report) : JSON.stringify(report);
        }),
      );
      if (!wantsHtml) return reply.type("application/json").send(answer);
      // One self-contained file that prints; it has no script, and nothing of it is fetched.
      void reply.headers({
        "content-security-policy": pagePolicy,
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
      });
      return reply.type("text/html; charset=utf-8").send(answer);
    },
  );
}

/** The receipt of one account's letter, as a file that others verify offline: for operators, and for its owner. */
function letterProofRoute(app: App, needs: IncidentNeeds): void {
  async function answerProof(reply: FastifyReply, incidentId: IncidentId, accountId: AccountId) {
    const outcome = await proveLetter(needs, incidentId, accountId);
    switch (outcome.kind) {
      case "no-letter":
        return refuse(reply, "not-found", { detail: "no letter of this case went to an address of the account" });
      case "not-signed-yet":
        return refuse(reply, "busy", { detail: "its entry waits for a signature", retryAfterSeconds: 2 });
      case "proved":
        return reply
          .type("text/plain; charset=utf-8")
          .header("content-disposition", `attachment; filename="${outcome.fileName}"`)
          .send(outcome.proof);
    }
  }

  app.get(
    "/api/account/letters/:reference/proof",
    {
      config: { access: "viewer" },
      schema: { summary: "The proof that the viewer's own letter stands in the timeline", params: OwnLetterParams },
    },
    async (request, reply) => {
      const incidentId = await incidentOf(needs.db, request.params.reference);
      if (incidentId === undefined) return refuse(reply, "not-found");
      return answerProof(reply, incidentId, viewerOf(request).accountId);
    },
  );

  app.get(
    "/api/incidents/:id/letters/:accountId/proof",
    {
      config: { access: "operator" },
      schema: {
        summary: "The proof that a letter stands in the timeline (.tlog-proof)",
        params: LetterParams,
      },
    },
    (request, reply) => answerProof(reply, request.params.id as IncidentId, request.params.accountId as AccountId),
  );
}

async function answerStatus(
  needs: IncidentNeeds,
  numbersOf: ReadCaseNumbers,
  reply: FastifyReply,
  id: IncidentId,
): Promise<IncidentStatus> {
  return (await incidentStatus(needs, id, numbersOf)) ?? refuse<IncidentStatus>(reply, "not-found");
}
