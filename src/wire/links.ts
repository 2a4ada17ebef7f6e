import { Type, type Static } from "typebox";
import { Closed, Instant, limits } from "./common.ts";

/** POST /oauth/device_authorization, form or JSON (RFC 8628 section 3.1). */
export const DeviceAuthorizationRequest = Type.Object({
  client_id: Type.String({ minLength: 1, maxLength: 100 }),
  scope: Type.Optional(Type.String({ maxLength: 200 })),
  /** What the approving person reads: "Living-room TV". */
  device_name: Type.Optional(Type.String({ minLength: 1, maxLength: limits.nameLength })),
});
export const DeviceAuthorization = Type.Object({
  device_code: Type.String(),
  user_code: Type.String(),
  verification_uri: Type.String(),
  verification_uri_complete: Type.String(),
  expires_in: Type.Integer({ description: "seconds" }),
  interval: Type.Integer({ description: "seconds" }),
});
export type DeviceAuthorization = Static<typeof DeviceAuthorization>;

/** POST /oauth/token (RFC 8628 section 3.4). `use_cookie` is ours: a TV page in a browser gets a cookie, no readable token. */
export const TokenRequest = Type.Object({
  grant_type: Type.String({ maxLength: 100 }),
  device_code: Type.String({ minLength: 1, maxLength: 100 }),
  client_id: Type.String({ minLength: 1, maxLength: 100 }),
  use_cookie: Type.Optional(Type.Union([Type.Boolean(), Type.Literal("true")])),
});
export const TokenAnswer = Type.Object({
  access_token: Type.Optional(Type.String()),
  token_type: Type.String(),
  expires_in: Type.Integer({ description: "seconds" }),
});
/** RFC 6749 section 5.2 and RFC 8628 section 3.5. */
export const TokenError = Type.Object({
  error: Type.String(),
  error_description: Type.Optional(Type.String()),
  interval: Type.Optional(Type.Integer()),
});

/** POST /api/links/lookup: what is being linked, before anybody approves it. */
export const LinkLookup = Closed({ userCode: Type.String({ minLength: 4, maxLength: 40 }) });
export const LinkShown = Closed({
  userCode: Type.String(),
  class: Type.Union([Type.Literal("tv"), Type.Literal("app"), Type.Literal("tool")]),
  label: Type.String(),
  network: Type.String(),
  sameNetwork: Type.Boolean(),
  askedAt: Instant,
});
export type LinkShown = Static<typeof LinkShown>;

/** POST /api/links/decide */
export const LinkDecision = Closed({
  userCode: Type.String({ minLength: 4, maxLength: 40 }),
  decision: Type.Union([Type.Literal("approve"), Type.Literal("deny")]),
});
export const LinkDecided = Closed({ kind: Type.Union([Type.Literal("approved"), Type.Literal("denied")]) });
