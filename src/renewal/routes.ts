import { toIso } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import { browserBindingOf, newBrowserBinding, secretText } from "../http/cookies.ts";
import { preferredLocale } from "../http/locale.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { AskRenewal, CodeSent, CompleteRenewal, Renewed } from "../wire/accounts.ts";
import { codesPerNetwork } from "../credentials/routes.ts";
import { codeLifetimeMs } from "../credentials/sign-up.ts";
import { askRenewal, completeRenewal } from "./renewal.ts";

export type RenewalNeeds = Parameters<typeof completeRenewal>[0];

export function renewalRoutes(app: App, needs: RenewalNeeds): void {
  app.post(
    "/api/renewals",
    { config: { access: "anyone" }, schema: { body: AskRenewal, response: { 202: CodeSent } } },
    async (request, reply) => {
      if (!(await withinLimit(needs, request.ip, codesPerNetwork))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const browser = newBrowserBinding(reply, needs.random, codeLifetimeMs / 1_000);
      const { expiresAt } = await askRenewal(needs, {
        address: request.body.address,
        locale: preferredLocale(request.headers["accept-language"]),
        network: request.ip,
        browser,
      });
      return reply.code(202).send({
        kind: "code-sent",
        expiresAt: toIso(expiresAt),
        ...(request.body.token === true ? { browser: secretText(browser) } : {}),
      });
    },
  );

  app.post(
    "/api/renewals/complete",
    { config: { access: "anyone" }, schema: { body: CompleteRenewal, response: { 200: Renewed } } },
    async (request, reply) => {
      const { code, password, browser: fromBody } = request.body;
      const browser = browserBindingOf(request, fromBody);
      if (browser === undefined) return refuse(reply, "code-refused");
      const signOutDevices = request.body.signOutDevices ?? true;
      const outcome = await completeRenewal(needs, {
        typedCode: code,
        browser,
        password: Secret.fromText(password),
        secondFactor: request.body.secondFactor,
        signOutDevices,
      });
      switch (outcome.kind) {
        case "renewed":
          return reply.send({ kind: "renewed", signedOutDevices: outcome.signedOutDevices });
        case "refused":
          return refuse(reply, "code-refused");
        case "password-is-old":
        case "second-factor-needed":
        case "second-factor-refused":
          return refuse(reply, outcome.kind);
        case "wait":
          return refuse(reply, "too-many", { retryAfterSeconds: outcome.seconds });
        case "password-refused":
          return refuse(reply, "password-refused", {
            detail: outcome.detail,
            fields: [{ field: "body.password", rule: outcome.rule }],
          });
      }
    },
  );
}
