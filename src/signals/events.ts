/** The event types that streams carry, and what a signal says in a SET. */

const caep = "https://schemas.openid.net/secevent/caep/event-type/";
const risc = "https://schemas.openid.net/secevent/risc/event-type/";
const ssf = "https://schemas.openid.net/secevent/ssf/event-type/";

export const sessionRevoked = `${caep}session-revoked`;
export const credentialChange = `${caep}credential-change`;
export const credentialCompromise = `${risc}credential-compromise`;
export const accountPurged = `${risc}account-purged`;
export const verification = `${ssf}verification`;
export const streamUpdated = `${ssf}stream-updated`;

/** What happened to an account, in our own words; each becomes one SET with one event (CAEP Interop 1.0 section 2.8.1). */
const accountKinds = {
  "session revoked": { uri: sessionRevoked, claims: {} },
  "password compromised": { uri: credentialCompromise, claims: { credential_type: "password" } },
  "password changed": { uri: credentialChange, claims: { credential_type: "password", change_type: "update" } },
  "authenticator added": { uri: credentialChange, claims: { credential_type: "app", change_type: "create" } },
  "authenticator removed": { uri: credentialChange, claims: { credential_type: "app", change_type: "revoke" } },
  "passkey added": { uri: credentialChange, claims: { credential_type: "fido2-platform", change_type: "create" } },
  "passkey removed": { uri: credentialChange, claims: { credential_type: "fido2-platform", change_type: "revoke" } },
  "security key added": { uri: credentialChange, claims: { credential_type: "fido2-roaming", change_type: "create" } },
  "security key removed": {
    uri: credentialChange,
    claims: { credential_type: "fido2-roaming", change_type: "revoke" },
  },
  "account purged": { uri: accountPurged, claims: {} },
} as const;
export type SignalKind = keyof typeof accountKinds;

/** Of a stream itself. */
export type StreamSignalKind = "verification" | "stream updated";

/** Why it happened, and who began it (CAEP 1.0 section 2): what a receiver may show to its own operators. */
const causes = {
  contained: { by: "admin", says: "Everything made before a containment is refused" },
  "copy refused": {
    by: "system",
    says: "An older copy of the database was put back, and what it brought back is refused",
  },
  "account contained": { by: "admin", says: "The account was contained" },
  "devices signed out": { by: "user", says: "The owner signed out every other device" },
  "not me": { by: "user", says: "The owner took back a change that was not theirs" },
  "password changed": { by: "user", says: "The owner changed the password" },
  renewed: { by: "user", says: "The owner renewed the password" },
  "passkeys changed": { by: "user", says: "The owner changed the passkeys" },
  "second factor changed": { by: "user", says: "The owner changed the second factor" },
  "account deleted": { by: "user", says: "The account was deleted" },
  "account deleted by the host": { by: "admin", says: "The account was deleted" },
} as const;
export type SignalCause = keyof typeof causes;

const isKind = (kind: string): kind is SignalKind => kind in accountKinds;
const isCause = (cause: string): cause is SignalCause => cause in causes;

/** Every event type that a stream may ask for. */
export const supportedEvents: readonly string[] = [...new Set(Object.values(accountKinds).map(({ uri }) => uri))];

/** The signals that are sent of what was asked for; what is not understood is ignored (SSF 1.0 section 8.1.1). */
export const kindsOf = (requested: readonly string[]): SignalKind[] =>
  Object.keys(accountKinds)
    .filter(isKind)
    .filter((kind) => requested.includes(accountKinds[kind].uri));

export const eventsOf = (kinds: readonly string[]): string[] => [
  ...new Set(kinds.filter(isKind).map((kind) => accountKinds[kind].uri)),
];

/**
 * The `events` claim of what happened to an account at an instant, in seconds (CAEP 1.0 section 2; RISC 1.0 section 2).
 * Undefined for a kind that this version does not know.
 */
export function eventClaim(
  kind: string,
  cause: string,
  atSeconds: number,
): Readonly<Record<string, object>> | undefined {
  if (!isKind(kind)) return undefined;
  const { uri, claims } = accountKinds[kind];
  const why = isCause(cause) ? causes[cause] : { by: "system", says: "See the transmitter's own record" };
  if (uri === accountPurged) return { [uri]: {} };
  if (uri === credentialCompromise) {
    return { [uri]: { ...claims, event_timestamp: atSeconds, reason_admin: why.says } };
  }
  return {
    [uri]: { ...claims, event_timestamp: atSeconds, initiating_entity: why.by, reason_admin: { en: why.says } },
  };
}
