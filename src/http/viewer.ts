import type { TSchema } from "typebox";
import type { FastifyRequest } from "fastify";
import type { AccountId, Epoch, SessionClass, SessionId } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Tx } from "../db/db.ts";
import type { PageFrame } from "./page.ts";

/**
 * How a session's holder last proved who they are: not at all (handed over by another device, RFC 8628), by a password,
 * by a passkey with user verification, by password and one-time code, or by holding the host (`operator link`).
 */
export type Proof = "linked" | "password" | "passkey" | "password+totp" | "host";

/** The signed-in request: what the check found, and nothing that it did not need. */
export interface Viewer {
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  readonly class: SessionClass;
  readonly role: "viewer" | "operator";
  /** The session's own epoch: whatever this session goes on to prove is no newer than that. */
  readonly epoch: Epoch;
  readonly generation: number;
  readonly expiresAt: EpochMs;
  /** When the person behind it last proved a credential, and by what. */
  readonly provedAt: EpochMs;
  readonly proof: Proof;
  /** When they last proved more than a password. */
  readonly stronglyProvedAt: EpochMs | null;
  /** Of the secret that opened the session: what a new proof replaces, if nobody has replaced it meanwhile. */
  readonly digest: Uint8Array;
}

/**
 * Notes in the viewer's session that they have proved who they are, in the transaction of what proved it. The sessions room
 * passes it in. @returns the token that takes the place of the one that was presented, which opens nothing from the commit
 * on; `undefined` if the session was ended, or its token replaced, since it was checked.
 */
export type NoteProof = (
  tx: Tx,
  viewer: Viewer,
  proof: {
    readonly by: Exclude<Proof, "linked" | "host">;
    /** The account's, as it was when the proof was read. */
    readonly generation: number;
    readonly now: EpochMs;
    readonly random: Random;
    /** The password that proved it, as it was read: one that is refused by now, or was changed, has proved nothing. */
    readonly password?: { readonly epoch: Epoch; readonly setAt: EpochMs };
  },
) => Promise<Secret | undefined>;

/**
 * Who may call a route. Every route names one, or the server does not start:
 * `anyone` needs no session, `viewer` any good session, `fresh viewer` one proved less than five minutes ago (ASVS 5.0
 * 7.5.1), `operator` an operator's, for reading, `operator act` one of those proved by more than a password, `fresh
 * operator` one proved so less than five minutes ago (`strong-proof.ts` has the rule), `grant` a playback grant in the
 * path, which the route checks before it serves a byte, `receiver` the token of a relying service, which is no session:
 * the route checks it before the body is read.
 */
export type Access =
  "anyone" | "viewer" | "fresh viewer" | "operator" | "operator act" | "fresh operator" | "grant" | "receiver";

/** One route as it is registered. */
export interface RouteRow {
  readonly method: string;
  readonly url: string;
  readonly access: Access;
  /** What a body must be, if the route takes one. */
  readonly body?: TSchema;
}

/** How long a proof counts as recent for `fresh viewer` and `fresh operator` routes. */
export const freshProofMs = 5 * 60_000;

/** What a request presents; the sessions room judges it. */
export type Presented =
  | { readonly kind: "cookie" | "bearer"; readonly token: Secret }
  | { readonly kind: "grant"; readonly accountId: AccountId; readonly sessionId: SessionId };

/** The check, passed in by `app.ts`: the one gathered read that says whether what was presented is good now. */
export type Check = (presented: Presented) => Promise<Viewer | null>;

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
    /** Answers pages, not problems: who must sign in is sent to sign-in, and any other refusal is a page too. */
    page?: boolean;
  }
  interface FastifyRequest {
    viewer: Viewer | null;
  }
  interface FastifyReply {
    /** Why it is no success stands in the log already. */
    isLogged: boolean;
  }
  interface FastifyInstance {
    /** Set once, when the server is built. */
    pageFrame: PageFrame | null;
    /** Every route there is, with its access: what tests of containment walk over. */
    routeTable: readonly RouteRow[];
  }
}

/** The viewer of a route whose access asks for one. */
export function viewerOf(request: FastifyRequest): Viewer {
  if (request.viewer === null) throw new Fault("IMPOSSIBLE", "a route read its viewer without asking for one");
  return request.viewer;
}
