import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { readSecret, replacedBy, secretText, setSessionCookie } from "../http/cookies.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import type { LogSignIn } from "../http/sign-in-log.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import {
  DeviceAuthorization,
  DeviceAuthorizationRequest,
  LinkDecided,
  LinkDecision,
  LinkLookup,
  LinkShown,
  TokenAnswer,
  TokenError,
  TokenRequest,
} from "../wire/links.ts";
import { secondsUntil, toIso, type Clock } from "../kernel/clock.ts";
import type { SessionLifetimesMs } from "../sessions/open-session.ts";
import { describeDevice } from "../sessions/describe-device.ts";
import { askLink, claimLink, decideLink, linkLifetimeMs, showLink, spacedCode, type LinkClass } from "./links.ts";
import type { WaitingLinks } from "./waiting-links.ts";

export interface LinkNeeds {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimesMs: SessionLifetimesMs;
  readonly publicOrigin: string;
  readonly waiting: WaitingLinks;
  readonly logSignIn: LogSignIn;
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

/** RFC 8628 section 5.1: wrong codes a person may try in ten minutes before they wait. */
export const codeTries = { purpose: "user-code", limit: 10, windowMs: 10 * 60_000 } as const;

/** A television and a tool say in their `client_id` what they are; whoever approves is shown it, and decides. */
function classOf(clientId: string): LinkClass {
  if (clientId.startsWith("houselights-tv") || /\btv\b/i.test(clientId)) return "tv";
  return /\btool\b/i.test(clientId) ? "tool" : "app";
}

export function linkRoutes(app: App, needs: LinkNeeds): void {
  const { clock, publicOrigin } = needs;

  app.post(
    "/oauth/device_authorization",
    {
      config: { access: "anyone" },
      schema: { body: DeviceAuthorizationRequest, response: { 200: DeviceAuthorization, 400: TokenError } },
    },
    async (request, reply) => {
      const { client_id: clientId, device_name: deviceName } = request.body;
      const network = { purpose: "link", limit: 60, windowMs: 10 * 60_000, perNetwork: true } as const;
      if (!(await withinLimit(needs, request.ip, network))) return refuse(reply, "too-many", { retryAfterSeconds: 60 });
      const linkClass = classOf(clientId);
      const label = deviceName ?? describeDevice(request.headers["user-agent"], linkClass);
      const asked = await askLink(needs, { class: linkClass, label, network: request.ip });
      const userCode = spacedCode(asked.userCode);
      return {
        device_code: secretText(asked.deviceCode),
        user_code: userCode,
        verification_uri: `${publicOrigin}/link`,
        // In the fragment: the short code opens nothing by itself, and still has no business in a server's log.
        verification_uri_complete: `${publicOrigin}/link#${userCode}`,
        expires_in: linkLifetimeMs / 1_000,
        interval: asked.intervalSeconds,
      };
    },
  );

  app.post(
    "/oauth/token",
    { config: { access: "anyone" }, schema: { body: TokenRequest, response: { 200: TokenAnswer, 400: TokenError } } },
    async (request, reply) => {
      const { grant_type: grantType, device_code: deviceCode, use_cookie: useCookie } = request.body;
      if (grantType !== deviceGrant) return reply.code(400).send({ error: "unsupported_grant_type" });
      const secret = readSecret(deviceCode);
      if (secret === undefined) return reply.code(400).send({ error: "expired_token" });
      const inCookie = useCookie === true || useCookie === "true";
      const outcome = await claimLink(needs, secret, replacedBy(request, inCookie ? "cookie" : "bearer"));
      if (outcome.kind === "refused") {
        switch (outcome.reason) {
          case "pending":
            return reply.code(400).send({ error: "authorization_pending" });
          case "slow-down":
            return reply.code(400).send({ error: "slow_down" });
          case "denied":
            return reply.code(400).send({ error: "access_denied" });
          case "expired":
            return reply.code(400).send({ error: "expired_token" });
        }
      }
      const expiresIn = secondsUntil(clock, outcome.expiresAt);
      if (inCookie) {
        setSessionCookie(reply, outcome.token.revealText(), expiresIn);
        return { token_type: "Cookie", expires_in: expiresIn };
      }
      return { access_token: outcome.token.revealText(), token_type: "Bearer", expires_in: expiresIn };
    },
  );

  app.post(
    "/api/links/lookup",
    { config: { access: "viewer" }, schema: { body: LinkLookup, response: { 200: LinkShown } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, codeTries))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const link = await showLink(needs, request.body.userCode, request.ip);
      if (link === undefined) return refuse(reply, "link-refused");
      return { ...link, askedAt: toIso(link.askedAt) };
    },
  );

  app.post(
    "/api/links/decide",
    { config: { access: "viewer" }, schema: { body: LinkDecision, response: { 200: LinkDecided } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, codeTries))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const outcome = await decideLink(needs, viewer, request.body.userCode, request.body.decision);
      switch (outcome.kind) {
        case "approved":
        case "denied":
          return { kind: outcome.kind };
        case "renew-first":
        case "proof-needed":
          return refuse(reply, outcome.kind);
        case "refused":
          return refuse(reply, "link-refused");
      }
    },
  );
}
