import { plus, secondsUntil, toIso } from "../kernel/clock.ts";
import { parseId, type SessionId } from "../kernel/brand.ts";
import { Secret } from "../kernel/secret.ts";
import {
  forgetSession,
  clearStepCookie,
  readSecret,
  replacedBy,
  setSessionCookie,
  setStepCookie,
  stepOf,
} from "../http/cookies.ts";
import { preferredLocale } from "../http/locale.ts";
import type { CurrentNotice, ReadCurrentNotice } from "../http/notice-banner.ts";
import { refuse, type ProblemDetail } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { freshProofMs, viewerOf } from "../http/viewer.ts";
import {
  CompleteSignIn,
  CurrentSession,
  DeviceList,
  ProveAgain,
  ProvedSession,
  SecondFactorAsked,
  SignedIn,
  SignedOut,
  SignIn,
  SignOutOthersQuery,
  UseOperatorLink,
} from "../wire/accounts.ts";
import { IdParams } from "../wire/common.ts";
import { describeDevice } from "./describe-device.ts";
import { listDevices, signOut, signOutOthers } from "./devices.ts";
import { exchangeOperatorLink } from "./operator-link.ts";
import type { Push } from "./push.ts";
import { proved } from "./proved.ts";
import { completeStep } from "./second-factor.ts";
import { proveAgain, signIn } from "./sign-in.ts";

export type SessionNeeds = Parameters<typeof signIn>[0] & {
  readonly push: () => Push;
  readonly currentNotice: ReadCurrentNotice;
};

/** Said with every failed sign-in while a case is in hand, whatever was wrong with it. */
const whatMustBeRenewed = (notice: CurrentNotice | null): ProblemDetail =>
  notice === null
    ? {}
    : {
        detail: `Passwords set before ${toIso(notice.renewPasswordsSetBefore)} must be renewed; notice ${notice.reference}`,
      };

/** What completes a sign-in whose password was right. */
const factors = ["totp", "recovery"] as const;

export function sessionRoutes(app: App, needs: SessionNeeds): void {
  const { clock } = needs;

  app.post(
    "/api/sessions",
    { config: { access: "anyone" }, schema: { body: SignIn, response: { 201: SignedIn, 202: SecondFactorAsked } } },
    async (request, reply) => {
      const { address, password, token, class: asked, label } = request.body;
      const sessionClass = asked ?? (token === true ? "app" : "browser");
      const outcome = await signIn(needs, {
        address,
        password: Secret.fromText(password),
        class: sessionClass,
        label: label ?? describeDevice(request.headers["user-agent"], sessionClass),
        network: request.ip,
        replaces: replacedBy(request, token === true ? "bearer" : "cookie"),
      });
      if (outcome.kind === "too-many") return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      if (outcome.kind === "refused") {
        return refuse(reply, "sign-in-refused", whatMustBeRenewed(await needs.currentNotice()));
      }
      if (outcome.kind === "second-factor") {
        const asked = { kind: outcome.kind, factors: [...factors], expiresAt: toIso(outcome.expiresAt) };
        if (token === true) return reply.code(202).send({ ...asked, step: outcome.step.revealText() });
        setStepCookie(reply, outcome.step.revealText(), secondsUntil(clock, outcome.expiresAt));
        return reply.code(202).send(asked);
      }
      const answer = {
        kind: "signed-in" as const,
        accountId: outcome.accountId,
        sessionId: outcome.sessionId,
        role: outcome.role,
        expiresAt: toIso(outcome.expiresAt),
      };
      // A bearer's holder keeps its token; setting a cookie besides would leave it in a jar that nobody watches.
      if (token === true) return reply.code(201).send({ ...answer, token: outcome.token.revealText() });
      setSessionCookie(reply, outcome.token.revealText(), secondsUntil(clock, outcome.expiresAt));
      return reply.code(201).send(answer);
    },
  );

  app.post(
    "/api/sessions/second-factor",
    { config: { access: "anyone" }, schema: { body: CompleteSignIn, response: { 201: SignedIn } } },
    async (request, reply) => {
      const { code, step: fromBody } = request.body;
      const step = stepOf(request, fromBody);
      const outcome =
        step === undefined
          ? ({ kind: "step-over" } as const)
          : await completeStep(needs, {
              step,
              typed: code,
              network: request.ip,
              replaces: replacedBy(request, fromBody === undefined ? "cookie" : "bearer"),
            });
      if (fromBody === undefined && (outcome.kind === "step-over" || outcome.kind === "signed-in"))
        clearStepCookie(reply);
      switch (outcome.kind) {
        case "wait":
          return refuse(reply, "too-many", { retryAfterSeconds: outcome.seconds });
        case "refused":
          return refuse(reply, "second-factor-refused");
        case "step-over":
          return refuse(reply, "sign-in-over");
        case "signed-in": {
          const { accountId, sessionId, role, token } = outcome;
          const answer = { kind: outcome.kind, accountId, sessionId, role, expiresAt: toIso(outcome.expiresAt) };
          if (fromBody !== undefined) return reply.code(201).send({ ...answer, token: token.revealText() });
          setSessionCookie(reply, token.revealText(), secondsUntil(clock, outcome.expiresAt));
          return reply.code(201).send(answer);
        }
      }
    },
  );

  app.get(
    "/api/session",
    { config: { access: "viewer" }, schema: { response: { 200: CurrentSession } } },
    (request) => {
      const viewer = viewerOf(request);
      return {
        accountId: viewer.accountId,
        sessionId: viewer.sessionId,
        class: viewer.class,
        role: viewer.role,
        expiresAt: toIso(viewer.expiresAt),
        freshUntil: toIso(plus(viewer.provedAt, freshProofMs)),
      };
    },
  );

  app.post(
    "/api/session/proof",
    { config: { access: "viewer" }, schema: { body: ProveAgain, response: { 200: ProvedSession } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      const tries = { purpose: "proof", limit: 20, windowMs: 10 * 60_000 } as const;
      if (!(await withinLimit(needs, viewer.accountId, tries))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const { password, code } = request.body;
      const outcome = await proveAgain(needs, viewer, {
        password: password === undefined ? undefined : Secret.fromText(password),
        code,
      });
      switch (outcome.kind) {
        case "proved":
          return proved(request, reply, outcome.token, clock);
        case "wait":
          return refuse(reply, "too-many", { retryAfterSeconds: outcome.seconds });
        case "refused":
          return refuse(reply, "second-factor-refused");
        case "session-ended":
          return refuse(reply, "not-signed-in");
        default:
          return refuse(reply, outcome.kind);
      }
    },
  );

  app.get(
    "/api/sessions",
    { config: { access: "viewer" }, schema: { response: { 200: DeviceList } } },
    async (request) => {
      const devices = await listDevices(needs, viewerOf(request));
      return {
        devices: devices.map((device) => ({
          ...device,
          createdAt: toIso(device.createdAt),
          lastSeenAt: toIso(device.lastSeenAt),
        })),
      };
    },
  );

  app.delete(
    "/api/sessions/:id",
    { config: { access: "viewer" }, schema: { params: IdParams, response: { 200: SignedOut } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      const sessionId = parseId<SessionId>(request.params.id);
      if (sessionId === undefined || !(await signOut(needs, viewer, sessionId))) return refuse(reply, "not-found");
      if (sessionId === viewer.sessionId) forgetSession(reply);
      return reply.send({ kind: "signed-out", ended: 1 });
    },
  );

  app.delete(
    "/api/sessions",
    { config: { access: "viewer" }, schema: { querystring: SignOutOthersQuery, response: { 200: SignedOut } } },
    async (request, reply) => {
      const ended = await signOutOthers(needs, viewerOf(request));
      if (ended === undefined) return refuse(reply, "not-signed-in");
      return reply.send({ kind: "signed-out", ended });
    },
  );

  app.post(
    "/api/operator-sessions",
    { config: { access: "anyone" }, schema: { body: UseOperatorLink, response: { 201: SignedIn } } },
    async (request, reply) => {
      const secret = readSecret(request.body.secret);
      const label = describeDevice(request.headers["user-agent"], "browser");
      const locale = preferredLocale(request.headers["accept-language"]);
      const outcome =
        secret === undefined
          ? ({ kind: "refused" } as const)
          : await exchangeOperatorLink(needs, {
              secret,
              label,
              network: request.ip,
              locale,
              replaces: replacedBy(request, "cookie"),
            });
      if (outcome.kind === "refused") return refuse(reply, "link-refused");
      setSessionCookie(reply, outcome.token.revealText(), secondsUntil(clock, outcome.expiresAt));
      return reply.code(201).send({
        kind: "signed-in",
        accountId: outcome.accountId,
        sessionId: outcome.sessionId,
        role: "operator",
        expiresAt: toIso(outcome.expiresAt),
      });
    },
  );

  app.get(
    "/api/events",
    { config: { access: "viewer" }, schema: { description: "server-sent events; `ended` says why" } },
    (request, reply) => {
      const viewer = viewerOf(request);
      const headers = Object.fromEntries(Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined));
      reply.hijack();
      reply.raw.writeHead(200, {
        ...(headers as Record<string, string>),
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      });
      needs.push().attach(viewer, reply.raw);
    },
  );
}
