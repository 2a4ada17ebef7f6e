import { toIso } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import { bodyPlace, browserBindingsOf, newBrowserBinding, secretText } from "../http/cookies.ts";
import { preferredLocale } from "../http/locale.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { Type } from "typebox";
import { AskPlace, AskRenewal, Called, CodeSent, CompleteRenewal, InLine, Renewed } from "../wire/accounts.ts";
import { codesPerNetwork } from "../credentials/routes.ts";
import { codeLifetimeMs } from "../credentials/sign-up.ts";
import { askLobby, inLine } from "./lobby/admission.ts";
import type { Lobby } from "./lobby/lobby.ts";
import { askRenewal, completeRenewal, proveMailbox } from "./renewal.ts";

export type RenewalNeeds = Parameters<typeof completeRenewal>[0] & { readonly lobby: Lobby };

export function renewalRoutes(app: App, needs: RenewalNeeds): void {
  const { lobby } = needs;

  app.post(
    "/api/renewals",
    { config: { access: "anyone" }, schema: { body: AskRenewal, response: { 202: Type.Union([CodeSent, InLine]) } } },
    async (request, reply) => {
      const { place, token } = request.body;
      const keepsIt = token === true || place !== undefined;
      const admission = await askLobby(lobby, "ask", request, reply, { fromBody: place, keepsIt });
      if (admission.kind === "answered") return admission.answer;
      if (admission.kind === "waiting") return reply.code(202).send(inLine(reply, admission, keepsIt));
      if (!(await withinLimit(needs, request.ip, codesPerNetwork))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const browser = newBrowserBinding(request, reply, needs.random, codeLifetimeMs / 1_000, token === true);
      const { expiresAt } = await askRenewal(needs, {
        address: request.body.address,
        locale: preferredLocale(request.headers["accept-language"]),
        network: request.ip,
        browser,
      });
      return reply.code(202).send({
        kind: "code-sent",
        expiresAt: toIso(expiresAt),
        ...(token === true ? { browser: secretText(browser) } : {}),
      });
    },
  );

  app.post(
    "/api/renewals/place",
    {
      config: { access: "anyone" },
      schema: {
        summary: "How a place in line stands; whoever is called comes in by it",
        body: AskPlace,
        response: { 200: Type.Union([InLine, Called]) },
      },
    },
    async (request, reply) => {
      const { place } = request.body;
      const keepsIt = place !== undefined;
      const admission = await askLobby(lobby, "look", request, reply, { fromBody: place, keepsIt });
      if (admission.kind === "answered") return admission.answer;
      if (admission.kind === "waiting") return reply.send(inLine(reply, admission, keepsIt));
      const pass = admission.pass !== null && keepsIt ? { place: bodyPlace(admission.pass) } : {};
      return reply.send({ kind: "called", ...pass });
    },
  );

  app.post(
    "/api/renewals/complete",
    { config: { access: "anyone" }, schema: { body: CompleteRenewal, response: { 200: Renewed, 202: InLine } } },
    async (request, reply) => {
      const { code, password, browser: fromBody, place } = request.body;
      const browsers = browserBindingsOf(request, fromBody);
      if (browsers.length === 0) return refuse(reply, "code-refused");
      const keepsIt = fromBody !== undefined || place !== undefined;
      const places = { fromBody: place, ticketFromBody: fromBody, keepsIt };
      const admission = await askLobby(lobby, "complete", request, reply, places);
      if (admission.kind === "answered") return admission.answer;
      if (admission.kind === "waiting") {
        if (!(await proveMailbox(needs, { typedCode: code, browsers }))) return refuse(reply, "code-refused");
        return reply.code(202).send(inLine(reply, admission, keepsIt));
      }
      const signOutDevices = request.body.signOutDevices ?? true;
      const outcome = await lobby.complete(() =>
        completeRenewal(needs, {
          typedCode: code,
          browsers,
          password: Secret.fromText(password),
          secondFactor: request.body.secondFactor,
          signOutDevices,
        }),
      );
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
