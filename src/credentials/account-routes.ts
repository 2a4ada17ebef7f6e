import type { AccountId } from "../kernel/brand.ts";
import { minuteMs, toIso, type EpochMs } from "../kernel/clock.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import { AccountEvents } from "../wire/account-events.ts";
import { Account, AddAddress, AddressChanged, CodeSent } from "../wire/accounts.ts";
import { Closed, IdParams, TypedCode } from "../wire/common.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { listEvents } from "../accounts/security-events.ts";
import { claimAddress, confirmAddress } from "./add-address.ts";
import { chooseFirstAddress, removeOneAddress } from "./addresses.ts";
import { doubtedAddresses } from "./added-since.ts";
import { keepAddress } from "./keep-address.ts";
import { passwordSetAt } from "./passwords.ts";

/** A containment of everybody, as each account's page tells of it. */
export interface ContainmentTold {
  readonly id: string;
  readonly at: EpochMs;
  readonly reference: string;
  /** There is a receipt of the account's letter about it. */
  readonly receipt: boolean;
}

export type AccountNeeds = Parameters<typeof claimAddress>[0] & {
  /** The containments of everybody since an instant, with what one account was told; the incidents room owns that table. */
  readonly containmentsSince: (since: EpochMs, accountId: AccountId) => Promise<readonly ContainmentTold[]>;
};

/** Addresses that one account may ask a code for. */
const addressesPerAccount = { purpose: "addresses", limit: 10, windowMs: 10 * minuteMs } as const;
/** Changes of addresses by one account: each is a letter to all of them. */
const changesPerAccount = { purpose: "address changes", limit: 20, windowMs: 10 * minuteMs } as const;
const eventsShown = 100;

/** The account page: what a viewer has, what has happened, and the addresses. */
export function accountRoutes(app: App, needs: AccountNeeds): void {
  app.get(
    "/api/account",
    { config: { access: "viewer" }, schema: { response: { 200: Account } } },
    async (request, reply) => {
      const { accountId } = viewerOf(request);
      const [account] = await openAccounts(needs, [accountId]);
      if (account === undefined) return refuse(reply, "not-found");
      const { name, locale, role, addresses, createdAt } = account;
      const [setAt, doubted] = await Promise.all([
        passwordSetAt(needs.db, accountId),
        doubtedAddresses(needs.db, [accountId]),
      ]);
      return {
        accountId,
        name,
        locale,
        role,
        addresses: addresses.map(({ id, address, confirmedAt }) => ({
          id,
          address,
          confirmedAt: toIso(confirmedAt),
          doubted: doubted.has(id),
        })),
        createdAt: toIso(createdAt),
        passwordSetAt: setAt === null ? null : toIso(setAt),
      };
    },
  );

  app.get(
    "/api/account/events",
    { config: { access: "viewer" }, schema: { response: { 200: AccountEvents } } },
    async (request, reply) => {
      const [account] = await openAccounts(needs, [viewerOf(request).accountId]);
      if (account === undefined) return refuse(reply, "not-found");
      const [own, everybodys] = await Promise.all([
        listEvents(needs, account, eventsShown),
        needs.containmentsSince(account.createdAt, account.accountId),
      ]);
      const events = [...own, ...everybodys.map((one) => ({ ...one, kind: "contained" as const }))]
        .toSorted((one, other) => other.at - one.at)
        .slice(0, eventsShown);
      return { events: events.map((event) => ({ ...event, at: toIso(event.at) })) };
    },
  );

  app.post(
    "/api/account/addresses",
    // An address is a way to the account: whoever holds a stolen session must not add theirs.
    { config: { access: "fresh viewer" }, schema: { body: AddAddress, response: { 202: CodeSent } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, addressesPerAccount))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      const outcome = await claimAddress(needs, viewer, request.body.address, request.ip);
      switch (outcome.kind) {
        case "address-refused":
          return refuse(reply, "address-refused", { detail: outcome.reason });
        case "full":
          return refuse(reply, "too-many-addresses");
        case "renew-first":
          return refuse(reply, "renew-first");
        case "code-sent":
          return reply.code(202).send({ kind: "code-sent", expiresAt: toIso(outcome.expiresAt) });
      }
    },
  );

  app.post(
    "/api/account/addresses/confirm",
    { config: { access: "viewer" }, schema: { body: Closed({ code: TypedCode }), response: { 200: AddressChanged } } },
    async (request, reply) => {
      const added = await confirmAddress(needs, viewerOf(request), request.body.code);
      return added ? reply.send({ kind: "address-added" }) : refuse(reply, "code-refused");
    },
  );

  app.post(
    "/api/account/addresses/:id/keep",
    { config: { access: "fresh viewer" }, schema: { params: IdParams, response: { 200: AddressChanged } } },
    async (request, reply) => {
      const kept = await keepAddress(needs, viewerOf(request), request.params.id);
      return kept ? reply.send({ kind: "address-kept" }) : refuse(reply, "not-found");
    },
  );

  app.delete(
    "/api/account/addresses/:id",
    { config: { access: "fresh viewer" }, schema: { params: IdParams, response: { 200: AddressChanged } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, changesPerAccount))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      switch (await removeOneAddress(needs, viewer, request.params.id)) {
        case "removed":
          return reply.send({ kind: "address-removed" });
        case "not-there":
          return refuse(reply, "not-found");
        case "last":
          return refuse(reply, "last-address");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );

  app.post(
    "/api/account/addresses/:id/first",
    { config: { access: "fresh viewer" }, schema: { params: IdParams, response: { 200: AddressChanged } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (!(await withinLimit(needs, viewer.accountId, changesPerAccount))) {
        return refuse(reply, "too-many", { retryAfterSeconds: 600 });
      }
      switch (await chooseFirstAddress(needs, viewer, request.params.id)) {
        case "changed":
          return reply.send({ kind: "first-address-changed" });
        case "not-there":
          return refuse(reply, "not-found");
        case "session-ended":
          return refuse(reply, "not-signed-in");
      }
    },
  );
}
