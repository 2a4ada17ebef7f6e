import { secondsUntil, toIso } from "../kernel/clock.ts";
import { passkeyBinding, passkeyBindingOf, replacedBy, secretText, setSessionCookie } from "../http/cookies.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import { ProvedSession, SignedIn } from "../wire/accounts.ts";
import { AskPasskeyOptions, PasskeyOptions, ProveByPasskey, SignInByPasskey } from "../wire/passkeys.ts";
import type { RelyingParty } from "../credentials/relying-party.ts";
import { describeDevice } from "./describe-device.ts";
import { proved } from "./proved.ts";
import { triesOfNetwork } from "./sign-in.ts";
import { askForPasskey, proveAgainByPasskey, signInByPasskey } from "./sign-in-by-passkey.ts";

export type PasskeySessionNeeds = Omit<Parameters<typeof signInByPasskey>[0], "party"> & {
  /** `null` where browsers refuse passkeys. */
  readonly party: RelyingParty | null;
};

/** Sign-in pages that one network may open in ten minutes, each of which asks for a challenge. */
const challengesPerNetwork = {
  purpose: "passkey challenge",
  limit: 5_000,
  windowMs: 10 * 60_000,
  perNetwork: true,
} as const;

const triesPerAccount = { purpose: "proof", limit: 20, windowMs: 10 * 60_000 } as const;

/** Signing in by passkey, and proving by one again: options first, then the authenticator's answer. */
export function passkeySessionRoutes(app: App, needs: PasskeySessionNeeds): void {
  const { clock, random, party } = needs;

  app.post(
    "/api/sessions/passkey/options",
    { config: { access: "anyone" }, schema: { body: AskPasskeyOptions, response: { 200: PasskeyOptions } } },
    async (request, reply) => {
      if (party === null) return refuse(reply, "passkeys-unavailable");
      if (!(await withinLimit(needs, request.ip, challengesPerNetwork))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const browser = passkeyBinding(request, reply, random, request.body.token === true);
      const asked = await askForPasskey({ ...needs, party }, browser, null);
      return reply.send({
        options: asked.options,
        expiresAt: toIso(asked.expiresAt),
        ...(request.body.token === true ? { browser: secretText(browser) } : {}),
      });
    },
  );

  app.post(
    "/api/sessions/passkey",
    { config: { access: "anyone" }, schema: { body: SignInByPasskey, response: { 201: SignedIn } } },
    async (request, reply) => {
      const { answer, browser: fromBody, token, class: asked, label } = request.body;
      if (party === null) return refuse(reply, "passkeys-unavailable");
      if (!(await withinLimit(needs, request.ip, triesOfNetwork))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const browser = passkeyBindingOf(request, fromBody);
      if (browser === undefined) return refuse(reply, "passkey-refused");
      const sessionClass = asked ?? (token === true ? "app" : "browser");
      const outcome = await signInByPasskey(
        { ...needs, party },
        {
          answer,
          browser,
          class: sessionClass,
          label: label ?? describeDevice(request.headers["user-agent"], sessionClass),
          network: request.ip,
          replaces: replacedBy(request, token === true ? "bearer" : "cookie"),
        },
      );
      if (outcome.kind === "refused") return refuse(reply, "passkey-refused");
      const { accountId, sessionId, role, expiresAt } = outcome;
      const signedIn = { kind: "signed-in" as const, accountId, sessionId, role, expiresAt: toIso(expiresAt) };
      // A bearer's holder keeps its token; setting a cookie besides would leave it in a jar that nobody watches.
      if (token === true) return reply.code(201).send({ ...signedIn, token: outcome.token.revealText() });
      setSessionCookie(reply, outcome.token.revealText(), secondsUntil(clock, expiresAt));
      return reply.code(201).send(signedIn);
    },
  );

  app.post(
    "/api/session/proof/passkey/options",
    { config: { access: "viewer" }, schema: { body: AskPasskeyOptions, response: { 200: PasskeyOptions } } },
    async (request, reply) => {
      if (party === null) return refuse(reply, "passkeys-unavailable");
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, { ...triesPerAccount, purpose: "proof challenge" }))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const browser = passkeyBinding(request, reply, random, request.body.token === true);
      const asked = await askForPasskey({ ...needs, party }, browser, viewer);
      return reply.send({
        options: asked.options,
        expiresAt: toIso(asked.expiresAt),
        ...(request.body.token === true ? { browser: secretText(browser) } : {}),
      });
    },
  );

  app.post(
    "/api/session/proof/passkey",
    { config: { access: "viewer" }, schema: { body: ProveByPasskey, response: { 200: ProvedSession } } },
    async (request, reply) => {
      if (party === null) return refuse(reply, "passkeys-unavailable");
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, triesPerAccount))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const { answer, browser: fromBody } = request.body;
      const browser = passkeyBindingOf(request, fromBody);
      const next = browser && (await proveAgainByPasskey({ ...needs, party }, viewer, { answer, browser }));
      return next === undefined ? refuse(reply, "passkey-refused") : proved(request, reply, next, clock);
    },
  );
}
