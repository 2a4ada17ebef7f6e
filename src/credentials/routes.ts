import { toIso } from "../kernel/clock.ts";
import { parseId, type AccountId } from "../kernel/brand.ts";
import { Secret } from "../kernel/secret.ts";
import { browserBindingsOf, newBrowserBinding, secretText } from "../http/cookies.ts";
import { preferredLocale } from "../http/locale.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import {
  AccountCreated,
  AddOperator,
  ChangePassword,
  CodeSent,
  ConfirmSignUp,
  OperatorChanged,
  Operators,
  PasswordChanged,
  SignUp,
} from "../wire/accounts.ts";
import { IdParams } from "../wire/common.ts";
import { changePassword } from "./change-password.ts";
import { addOperator, keepOperator, listOperators, removeOperator } from "./operators.ts";
import { beginSignUp, codeLifetimeMs, confirmSignUp } from "./sign-up.ts";

/** What the operations of this room need, all together. */
export type CredentialNeeds = Parameters<typeof changePassword>[0] & Parameters<typeof beginSignUp>[0];

/** Letters that one network may cause in ten minutes by asking for codes. */
export const codesPerNetwork = { purpose: "codes", limit: 300, windowMs: 10 * 60_000, perNetwork: true } as const;

export function credentialRoutes(app: App, needs: CredentialNeeds): void {
  app.post(
    "/api/accounts",
    { config: { access: "anyone" }, schema: { body: SignUp, response: { 202: CodeSent } } },
    async (request, reply) => {
      if (!(await withinLimit(needs, request.ip, codesPerNetwork))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const { address, password, name, locale, token } = request.body;
      const browser = newBrowserBinding(request, reply, needs.random, codeLifetimeMs / 1_000, token === true);
      const outcome = await beginSignUp(needs, {
        address,
        password: Secret.fromText(password),
        name,
        locale: locale ?? preferredLocale(request.headers["accept-language"]),
        network: request.ip,
        browser,
      });
      switch (outcome.kind) {
        case "address-refused":
          return refuse(reply, "address-refused", { detail: outcome.reason });
        case "password-refused":
          return refuse(reply, "password-refused", {
            detail: outcome.detail,
            fields: [{ field: "body.password", rule: outcome.rule }],
          });
        case "code-sent":
          return reply.code(202).send({
            kind: "code-sent",
            expiresAt: toIso(outcome.expiresAt),
            ...(token === true ? { browser: secretText(browser) } : {}),
          });
      }
    },
  );

  app.post(
    "/api/accounts/confirm",
    { config: { access: "anyone" }, schema: { body: ConfirmSignUp, response: { 201: AccountCreated } } },
    async (request, reply) => {
      const browsers = browserBindingsOf(request, request.body.browser);
      if (browsers.length === 0) return refuse(reply, "code-refused");
      const outcome = await confirmSignUp(needs, { typedCode: request.body.code, browsers });
      if (outcome.kind === "refused") return refuse(reply, "code-refused");
      return reply.code(201).send({ kind: "account-created", accountId: outcome.accountId });
    },
  );

  app.post(
    "/api/password",
    { config: { access: "viewer" }, schema: { body: ChangePassword, response: { 200: PasswordChanged } } },
    async (request, reply) => {
      const { currentPassword, newPassword, signOutDevices } = request.body;
      const viewer = viewerOf(request);
      const tries = { purpose: "password change", limit: 20, windowMs: 10 * 60_000 } as const;
      if (!(await withinLimit(needs, viewer.accountId, tries))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const outcome = await changePassword(needs, viewer, {
        current: currentPassword === undefined ? undefined : Secret.fromText(currentPassword),
        next: Secret.fromText(newPassword),
        signOutDevices: signOutDevices ?? true,
      });
      switch (outcome.kind) {
        case "changed":
          return reply.send({ kind: "password-changed", signedOutDevices: signOutDevices ?? true });
        case "wrong-password":
          return refuse(reply, "wrong-password");
        case "renew-first":
        case "password-is-old":
          return refuse(reply, outcome.kind);
        case "session-ended":
          return refuse(reply, "not-signed-in");
        case "refused":
          return refuse(reply, "password-refused", {
            detail: outcome.detail,
            fields: [{ field: "body.newPassword", rule: outcome.rule }],
          });
      }
    },
  );

  app.get(
    "/api/operators",
    { config: { access: "operator" }, schema: { response: { 200: Operators } } },
    async (request) => {
      const operators = await listOperators(needs);
      const { accountId } = viewerOf(request);
      return {
        operators: operators.map((operator) => ({
          ...operator,
          addresses: [...operator.addresses],
          current: operator.accountId === accountId,
        })),
      };
    },
  );

  app.post(
    "/api/operators",
    { config: { access: "fresh operator" }, schema: { body: AddOperator, response: { 200: OperatorChanged } } },
    async (request, reply) => {
      const outcome = await addOperator(needs, request.body.address, viewerOf(request));
      switch (outcome.kind) {
        case "added":
          return reply.send({ kind: "operator-added" });
        case "no-such-account":
          return refuse(reply, "not-found", { detail: "no account has this address" });
        case "contained":
          return refuse(reply, "renew-first");
      }
    },
  );

  app.post(
    "/api/operators/:id/keep",
    { config: { access: "fresh operator" }, schema: { params: IdParams, response: { 200: OperatorChanged } } },
    async (request, reply) => {
      switch (await keepOperator(needs, request.params.id as AccountId, viewerOf(request))) {
        case "kept":
          return reply.send({ kind: "operator-kept" });
        case "not-an-operator":
          return refuse(reply, "not-found");
        case "contained":
          return refuse(reply, "renew-first");
      }
    },
  );

  app.delete(
    "/api/operators/:id",
    { config: { access: "fresh operator" }, schema: { params: IdParams, response: { 200: OperatorChanged } } },
    async (request, reply) => {
      const accountId = parseId<AccountId>(request.params.id);
      if (accountId === undefined) return refuse(reply, "not-found");
      switch (await removeOperator(needs, accountId, viewerOf(request).accountId)) {
        case "demoted":
          return reply.send({ kind: "operator-removed" });
        case "last":
          return refuse(reply, "last-operator");
        case "not-an-operator":
          return refuse(reply, "not-found");
      }
    },
  );
}
