import { toIso } from "../kernel/clock.ts";
import { parseId } from "../kernel/brand.ts";
import { handOver, passkeyBinding, passkeyBindingOf, secretText } from "../http/cookies.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import { IdParams } from "../wire/common.ts";
import {
  AddPasskey,
  AskPasskeyOptions,
  PasskeyChanged,
  PasskeyList,
  PasskeyOptions,
  RemovePasskeyQuery,
  RenamePasskey,
} from "../wire/passkeys.ts";
import { addPasskey, beginAddingPasskey } from "./add-passkey.ts";
import { keepPasskey, removePasskey, renamePasskey } from "./manage-passkeys.ts";
import { listPasskeys, type PasskeyId } from "./passkeys.ts";
import type { RelyingParty } from "./relying-party.ts";

export type PasskeyNeeds = Omit<Parameters<typeof addPasskey>[0], "party"> &
  Parameters<typeof removePasskey>[0] & {
    /** `null` where browsers refuse passkeys. */
    readonly party: RelyingParty | null;
    readonly publicOrigin: string;
  };

const changesPerAccount = { purpose: "passkeys", limit: 30, windowMs: 10 * 60_000 } as const;

/** The viewer's passkeys. What changes who can sign in asks for a fresh proof (ASVS 5.0 7.5.1). */
export function passkeyRoutes(app: App, needs: PasskeyNeeds): void {
  const { random, party, publicOrigin } = needs;

  app.get(
    "/api/account/passkeys",
    { config: { access: "viewer" }, schema: { response: { 200: PasskeyList } } },
    async (request) => {
      const passkeys = await listPasskeys(needs, viewerOf(request).accountId);
      return {
        available: party !== null,
        origin: publicOrigin,
        passkeys: passkeys.map((passkey) => ({
          ...passkey,
          addedAt: toIso(passkey.addedAt),
          lastUsedAt: passkey.lastUsedAt === null ? null : toIso(passkey.lastUsedAt),
        })),
      };
    },
  );

  app.post(
    "/api/account/passkeys/options",
    { config: { access: "fresh viewer" }, schema: { body: AskPasskeyOptions, response: { 200: PasskeyOptions } } },
    async (request, reply) => {
      if (party === null) return refuse(reply, "passkeys-unavailable");
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, changesPerAccount))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const browser = passkeyBinding(request, reply, random, request.body.token === true);
      const outcome = await beginAddingPasskey({ ...needs, party }, viewer, browser);
      switch (outcome.kind) {
        case "options":
          return reply.send({
            options: outcome.options,
            expiresAt: toIso(outcome.expiresAt),
            ...(request.body.token === true ? { browser: secretText(browser) } : {}),
          });
        case "too-many":
          return refuse(reply, "too-many-passkeys");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );

  app.post(
    "/api/account/passkeys",
    { config: { access: "fresh viewer" }, schema: { body: AddPasskey, response: { 201: PasskeyChanged } } },
    async (request, reply) => {
      if (party === null) return refuse(reply, "passkeys-unavailable");
      const { answer, name, browser: fromBody } = request.body;
      const browser = passkeyBindingOf(request, fromBody);
      if (browser === undefined) return refuse(reply, "passkey-not-added");
      const order = { answer, name: name.trim(), browser };
      const outcome = await addPasskey({ ...needs, party }, viewerOf(request), order);
      switch (outcome.kind) {
        case "added": {
          const handed = handOver(request, reply, outcome.token, needs.clock);
          return reply.code(201).send({ kind: "passkey-added", ...handed });
        }
        case "refused":
          return refuse(reply, "passkey-not-added");
        case "too-many":
          return refuse(reply, "too-many-passkeys");
        case "renew-first":
          return refuse(reply, "renew-first");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );

  app.put(
    "/api/account/passkeys/:id",
    {
      config: { access: "viewer" },
      schema: { params: IdParams, body: RenamePasskey, response: { 200: PasskeyChanged } },
    },
    async (request, reply) => {
      const id = parseId<PasskeyId>(request.params.id);
      const renamed = id !== undefined && (await renamePasskey(needs, viewerOf(request), id, request.body.name.trim()));
      return renamed ? reply.send({ kind: "passkey-renamed" }) : refuse(reply, "not-found");
    },
  );

  app.delete(
    "/api/account/passkeys/:id",
    {
      config: { access: "fresh viewer" },
      schema: { params: IdParams, querystring: RemovePasskeyQuery, response: { 200: PasskeyChanged } },
    },
    async (request, reply) => {
      const id = parseId<PasskeyId>(request.params.id);
      if (id === undefined) return refuse(reply, "not-found");
      const signOutDevices = request.query.devices !== "keep";
      switch (await removePasskey(needs, viewerOf(request), id, { signOutDevices })) {
        case "removed":
          return reply.send({ kind: "passkey-removed" });
        case "not-found":
          return refuse(reply, "not-found");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );

  app.post(
    "/api/account/passkeys/:id/keep",
    { config: { access: "fresh viewer" }, schema: { params: IdParams, response: { 200: PasskeyChanged } } },
    async (request, reply) => {
      const id = parseId<PasskeyId>(request.params.id);
      const kept = id !== undefined && (await keepPasskey(needs, viewerOf(request), id));
      return kept ? reply.send({ kind: "passkey-kept" }) : refuse(reply, "not-found");
    },
  );
}
