import type { KeyPurpose, RewrapKind } from "../keyholder/keyholder.ts";

interface Column {
  readonly table: string;
  readonly column: string;
  readonly purpose: KeyPurpose;
}

/** A value sealed under a key of the keyholder: it names its version, and is sealed again when that is changed. */
export interface RewrappedColumn extends Column {
  readonly rewrap: RewrapKind;
  /** The primary key, with its types. */
  readonly key: readonly (readonly [name: string, type: "uuid" | "bytea"])[];
  /** SQL over the row: what the value is bound to. */
  readonly context: string;
}

/** A keyed MAC: it names its version, and cannot be made again without what it was made of. */
export interface MacColumn extends Column {
  /** SQL over the row, with `$1` the instant: whether anybody may still look it up or compare with it. */
  readonly live: string;
}

/**
 * The catalogue of all that is sealed or keyed, by which keys are changed: what is sealed again, and what must not name
 * a version that is retired. A test compares it with the schema: a column of bytes that stands in no list here fails it.
 */
export const rewrappedColumns: readonly RewrappedColumn[] = [
  {
    table: "account",
    column: "data_key",
    purpose: "wrap",
    rewrap: "data-key",
    key: [["id", "uuid"]],
    context: "id::text",
  },
  {
    table: "password",
    column: "record",
    purpose: "password",
    rewrap: "password",
    key: [["account_id", "uuid"]],
    context: "account_id::text",
  },
  {
    table: "refused_password",
    column: "record",
    purpose: "password",
    rewrap: "password",
    key: [
      ["account_id", "uuid"],
      ["salt", "bytea"],
    ],
    context: "account_id::text",
  },
  {
    table: "sign_up",
    column: "data_key",
    purpose: "wrap",
    rewrap: "data-key",
    key: [["browser_digest", "bytea"]],
    context: "account_id::text",
  },
  {
    table: "sign_up",
    column: "record",
    purpose: "password",
    rewrap: "password",
    key: [["browser_digest", "bytea"]],
    context: "account_id::text",
  },
  {
    table: "link",
    column: "data_key",
    purpose: "wrap",
    rewrap: "data-key",
    key: [["device_digest", "bytea"]],
    context: "label_account_id::text",
  },
  {
    table: "lobby",
    column: "data_key",
    purpose: "wrap",
    rewrap: "data-key",
    key: [["case_id", "uuid"]],
    context: "case_id::text",
  },
  {
    table: "campaign",
    column: "data_key",
    purpose: "wrap",
    rewrap: "data-key",
    key: [["incident_id", "uuid"]],
    context: "incident_id::text",
  },
  {
    table: "canary",
    column: "data_key",
    purpose: "wrap",
    rewrap: "data-key",
    key: [["mark", "bytea"]],
    context: "seal_id::text",
  },
  {
    table: "signal_receiver",
    column: "data_key",
    purpose: "wrap",
    rewrap: "data-key",
    key: [["id", "uuid"]],
    context: "id::text",
  },
  {
    table: "mailbox_letter",
    column: "sealed",
    purpose: "mailer",
    rewrap: "mailer",
    key: [["id", "uuid"]],
    context: "'mailbox:' || id",
  },
];

const waiting = "used_at is null and expires_at > $1::timestamptz";
const always = "$1::timestamptz is not null";
/** Kept for what it was, and looked up by nobody. */
const never = "$1::timestamptz is null";

export const macColumns: readonly MacColumn[] = [
  { table: "address", column: "blind_index", purpose: "index.address", live: always },
  { table: "account_address", column: "blind_index", purpose: "index.address", live: always },
  { table: "account_address", column: "former_index", purpose: "index.address", live: always },
  { table: "sign_up", column: "address_index", purpose: "index.address", live: waiting },
  { table: "address_claim", column: "address_index", purpose: "index.address", live: waiting },
  { table: "recovery", column: "address_index", purpose: "index.address", live: "expires_at > $1::timestamptz" },
  { table: "ticket", column: "address_index", purpose: "index.address", live: never },
  {
    table: "link",
    column: "user_code_index",
    purpose: "index.user-code",
    live: "state = 'pending' and expires_at > $1::timestamptz",
  },
  { table: "canary", column: "mark", purpose: "index.canary", live: always },
  { table: "throttle", column: "subject", purpose: "index.throttle", live: never },
  { table: "known_network", column: "subject", purpose: "index.throttle", live: never },
  { table: "sign_up", column: "code_mac", purpose: "code.sign-up", live: waiting },
  { table: "address_claim", column: "code_mac", purpose: "code.sign-up", live: waiting },
  { table: "ticket", column: "code_mac", purpose: "code.renewal", live: waiting },
];

/** Sealed, or keyed, under a data key of the account (or link) beside it: it needs no key of the keyholder's but that key's own. */
export const underDataKey: readonly string[] = [
  "account.sealed_name",
  "account_address.sealed",
  "address_claim.sealed",
  "campaign.sealed_key",
  "canary.sealed_address",
  "link.sealed_label",
  "link.sealed_network",
  "lobby.sealed_key",
  "lobby_network.network",
  "passkey.sealed_descriptor",
  "passkey.sealed_name",
  "passkey_challenge.sealed_handle",
  "recovery.sealed",
  "recovery_code.mac",
  "removed_address.sealed",
  "security_event.sealed_detail",
  "session.sealed_label",
  "session.sealed_network",
  "sign_in_step.sealed_event",
  "sign_in_step.sealed_label",
  "sign_in_step.sealed_network",
  "sign_up.sealed_address",
  "sign_up.sealed_name",
  "signal_delivery.sealed",
  "signal_stream.sealed_authorization",
  "signal_stream.sealed_endpoint",
  "signal_subject.sealed_address",
  "totp.sealed_seed",
];

/** Bytes that no key was used for: digests of 256 random bits, hashes of what is public, salts, and signed texts. */
export const unkeyed: readonly string[] = [
  "account_change.other_digests",
  "account_change.undo_digest",
  "bounce_report.digest",
  "key_caller.caller",
  "key_surplus.caller",
  "key_version.fingerprint",
  "link.device_digest",
  "lobby_entry.browser_digest",
  "migration.hash",
  "notice.hash",
  "operator_link.digest",
  "passkey.handle_digest",
  "passkey.public_key",
  "passkey_challenge.browser_digest",
  "passkey_challenge.challenge_digest",
  "passkey_way.credential_digest",
  "password.salt",
  "refused_password.salt",
  "series.identity",
  "session.digest",
  "sign_in_step.digest",
  "sign_up.browser_digest",
  "sign_up.salt",
  "signal_receiver.token_digest",
  "ticket.browser_digest",
  "timeline_checkpoint.frontier",
  "timeline_checkpoint.root",
  "timeline_entry.body",
  "timeline_entry.leaf_hash",
  "timeline_node.hash",
  "title.identity",
];
