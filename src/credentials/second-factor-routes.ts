import { toIso } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import { handOver } from "../http/cookies.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import {
  ConfirmTotp,
  KeepTotp,
  RecoveryCodesMade,
  RemoveTotp,
  SecondFactor,
  TotpAdded,
  TotpBegun,
  TotpKept,
  TotpRemoved,
} from "../wire/second-factors.ts";
import { makeRecoveryCodes } from "./recovery-codes.ts";
import { leastPasswordLength, readSecondFactors } from "./second-factors.ts";
import { beginTotp, confirmTotp, keepTotp, removeTotp } from "./totp.ts";

export type SecondFactorNeeds = Parameters<typeof removeTotp>[0];

/** Changes of second factors that one account may ask for. */
const changesPerAccount = { purpose: "second factor", limit: 20, windowMs: 10 * 60_000 } as const;

/** `BCDFGHJKLMNPQRST` as `BCDF-GHJK-LMNP-QRST`. */
const grouped = (code: Secret): string => code.revealText().match(/.{4}/g)?.join("-") ?? "";

/**
 * The account page's part on second factors. What changes one asks for a fresh proof: whoever holds a stolen session
 * must not put theirs in the owner's place (ASVS 5.0 7.5.1).
 */
export function secondFactorRoutes(app: App, needs: SecondFactorNeeds): void {
  const tooMany = async (accountId: string): Promise<boolean> =>
    !(await withinLimit(needs, accountId, changesPerAccount));

  app.get(
    "/api/account/second-factor",
    { config: { access: "viewer" }, schema: { response: { 200: SecondFactor } } },
    async (request) => {
      const factors = await readSecondFactors(needs.db, viewerOf(request).accountId, needs.seen);
      const { totpAddedAt, setAside, recoveryCodesLeft: left, recoveryCodesMadeAt: madeAt } = factors;
      return {
        totpAddedAt: totpAddedAt === null ? null : toIso(totpAddedAt),
        setAside: setAside === null ? null : { addedAt: toIso(setAside.addedAt), why: setAside.why },
        recoveryCodes: madeAt === null ? null : { left, madeAt: toIso(madeAt) },
        passwordLength: leastPasswordLength(factors),
      };
    },
  );

  app.post(
    "/api/account/totp",
    { config: { access: "fresh viewer" }, schema: { response: { 201: TotpBegun } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (await tooMany(viewer.accountId)) return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      const outcome = await beginTotp(needs, viewer);
      switch (outcome.kind) {
        case "begun": {
          // Loaded when the first is drawn.
          const { drawQrCode } = await import("./qr-code.ts");
          return reply.code(201).send({
            kind: "totp-begun",
            key: outcome.key.revealText(),
            uri: outcome.uri.revealText(),
            qrCode: drawQrCode(outcome.uri.revealText()),
            expiresAt: toIso(outcome.expiresAt),
          });
        }
        case "renew-first":
          return refuse(reply, "renew-first");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );

  app.post(
    "/api/account/totp/confirm",
    { config: { access: "fresh viewer" }, schema: { body: ConfirmTotp, response: { 200: TotpAdded } } },
    async (request, reply) => {
      const outcome = await confirmTotp(needs, viewerOf(request), request.body.code);
      switch (outcome.kind) {
        case "added": {
          const handed = handOver(request, reply, outcome.token, needs.clock);
          const recoveryCodes = outcome.recoveryCodes?.map(grouped) ?? null;
          return reply.send({ kind: "totp-added", recoveryCodes, ...handed });
        }
        case "refused":
          return refuse(reply, "second-factor-refused");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );

  app.post(
    "/api/account/totp/keep",
    { config: { access: "fresh viewer" }, schema: { body: KeepTotp, response: { 200: TotpKept } } },
    async (request, reply) => {
      const outcome = await keepTotp(needs, viewerOf(request), request.body.code);
      switch (outcome.kind) {
        case "kept":
          return reply.send({ kind: "totp-kept" });
        case "refused":
          return refuse(reply, "second-factor-refused");
        case "wait":
          return refuse(reply, "too-many", { retryAfterSeconds: outcome.seconds });
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );

  app.post(
    "/api/account/totp/remove",
    { config: { access: "fresh viewer" }, schema: { body: RemoveTotp, response: { 200: TotpRemoved } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (await tooMany(viewer.accountId)) return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      const { password } = request.body;
      const outcome = await removeTotp(needs, viewer, password === undefined ? undefined : Secret.fromText(password));
      switch (outcome.kind) {
        case "removed":
          return reply.send({ kind: "totp-removed" });
        case "nothing-to-remove":
          return refuse(reply, "not-found");
        case "session-ended":
          return refuse(reply, "not-signed-in");
        case "wrong-password":
        case "longer-password-needed":
          return refuse(reply, outcome.kind);
      }
    },
  );

  app.post(
    "/api/account/recovery-codes",
    { config: { access: "fresh viewer" }, schema: { response: { 201: RecoveryCodesMade } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (await tooMany(viewer.accountId)) return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      const outcome = await makeRecoveryCodes(needs, viewer);
      switch (outcome.kind) {
        case "made":
          return reply.code(201).send({ kind: "recovery-codes-made", codes: outcome.codes.map(grouped) });
        case "renew-first":
          return refuse(reply, "renew-first");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );
}
