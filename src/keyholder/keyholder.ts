import type { UseCounts } from "./key-uses.ts";
import type { AccountId, Epoch, FloorKind } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Secret } from "../kernel/secret.ts";

/** Who asks. Each role has its own credential and may call only the operations that `permissions.ts` lists for it. */
export type Role = "web" | "mailer" | "witness" | "keeper" | "transmitter" | "operator";

/**
 * Where a sealed value lives. All of it is authenticated with the value (AES-GCM associated data), so a value moved to
 * another row, column or account does not open.
 */
export interface Place {
  readonly table: string;
  readonly column: string;
  readonly accountId: AccountId;
}

/** What a blind index is for; each purpose has a key of its own. */
export type IndexPurpose = "address" | "user-code" | "throttle" | "canary" | "bounce";

/** What a short code is for; a code made for one purpose never answers for another. */
export type CodePurpose = "sign-up" | "renewal";

/** What is signed; each purpose has a key pair of its own. */
export type SignPurpose = "grant" | "checkpoint" | "letter";

/** Purposes whose key is 256 random bits: sealing (the first three) and MACs. */
export type SymmetricPurpose = "wrap" | "password" | "mailer" | `index.${IndexPurpose}` | `code.${CodePurpose}`;

/** Purposes whose key is RSA, because those who check what it signs ask for that; made when it is first asked for. */
export type RsaPurpose = "dkim" | "signal";

/** Every purpose has a key of its own, so that what is made for one never answers for another. */
export type KeyPurpose = SymmetricPurpose | `sign.${SignPurpose}` | RsaPurpose;

/** What can be sealed again under the newest key without the account: see `Keyholder.rewrap`. */
export type RewrapKind = "data-key" | "password" | "mailer";

/** What is signed for DKIM, or the signatures of it: one by each algorithm. */
export interface DkimForms {
  readonly rsa: Uint8Array;
  readonly ed25519: Uint8Array;
}

/** What a key's versions are, without the key. */
export interface KeyState {
  readonly purpose: KeyPurpose;
  /** New values are made with this version; 0 while there is none. Higher versions are prepared, and not in use yet. */
  readonly newest: number;
  /** Every version up to this one has been destroyed. */
  readonly retiredUpTo: number;
  readonly versions: readonly {
    readonly version: number;
    readonly madeAt: EpochMs;
    /** Since when it is on its way out, and left out of lookups; `null`: it is not. */
    readonly closingSince: EpochMs | null;
    /** Differs between two keys, and reveals nothing of either. */
    readonly fingerprintHex: string;
  }[];
}

/** An RSA public key of those that sign Security Event Tokens, as a JSON Web Key spells it (RFC 7517, RFC 7518 section 6.3.1). */
export interface SetKey {
  readonly kid: string;
  readonly n: string;
  readonly e: string;
}

/** Floors by kind, as the database or the witness has them. */
export type Floors = Readonly<Record<FloorKind, Epoch>>;

/** The timeline's size and root (RFC 9162 section 2.1), as hex; what the witness remembers so that a fork shows. */
export interface TimelineHead {
  readonly size: number;
  readonly rootHex: string;
}

/** A containment that is about to be: which floors it raises to which epoch, and how long the timeline is. */
export interface Intent {
  readonly epoch: Epoch;
  readonly kinds: readonly FloorKind[];
  readonly head: TimelineHead;
  /** The account, where a single one is contained; absent where everybody is, and in intents of earlier versions. */
  readonly account?: string;
}

/** What the witness remembers of one database. `intent` is a containment that was announced and not settled. */
export interface WitnessState {
  readonly floors: Floors;
  readonly head: TimelineHead;
  readonly intent: Intent | null;
}

/**
 * Figures of the running key process; they start again with it. An unreadable record looks like a wrong password to the
 * person who signs in, so here is where an operator sees that rows were damaged or moved, or that keys are missing.
 */
export interface Counters {
  readonly served: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  /** Password records that did not open. */
  readonly unreadableRecords: number;
  /** Sealed values that did not open. */
  readonly unreadableValues: number;
  /**
   * Addresses that the web role has opened in the present hour (a restart does not forget them), how many it may open, and
   * how many calls were refused because they asked for more.
   */
  readonly addresses: { readonly opened: number; readonly limit: number; readonly refused: number };
}

/**
 * The key process as its callers see it. Each method takes a batch where callers have one; calls made in the same turn
 * of the event loop travel in one frame. Every method throws Fault `KEYHOLDER_UNAVAILABLE` when the process does not
 * answer within the client's wait (it is restarted meanwhile), and `KEYHOLDER_REFUSED` when the role may not ask.
 */
export interface Keyholder {
  /** A fresh data key for an account, wrapped under the newest wrapping key. The wrapped form is what a row stores. */
  newDataKey(accountId: AccountId): Promise<Buffer>;

  /** Seals text under the account's data key. */
  seal(dataKey: Uint8Array, place: Place, plaintext: string): Promise<Buffer>;

  /** Opens many values of any accounts; an unreadable one is `null` in its place, so that one bad row hides no others. */
  open(
    values: readonly { readonly dataKey: Uint8Array; readonly place: Place; readonly sealed: Uint8Array }[],
  ): Promise<(string | null)[]>;

  /**
   * HMAC-SHA-256 at full length under the purpose's key, as a row stores it (`named-mac.ts`). There is one under each key
   * that rows may name, newest first, one after another, so that a row is found whichever key it was written under.
   * Throttle counts do not live long: they have one under the newest key alone.
   */
  index(purpose: IndexPurpose, value: string): Promise<Buffer>;

  /** The same for many values, at most 1,000, in one call. */
  indexMany(purpose: IndexPurpose, values: readonly string[]): Promise<Buffer[]>;

  /** The MAC a row stores in place of a short code (`named-mac.ts`); `binding` is the browser's digest or the account. */
  codeMac(purpose: CodePurpose, binding: Uint8Array, code: Secret): Promise<Buffer>;

  /** Whether the code answers the MAC, compared in constant time inside the key process. */
  checkCode(purpose: CodePurpose, binding: Uint8Array, code: Secret, mac: Uint8Array): Promise<boolean>;

  /** Seals an Argon2id tag as the account's password record, among honeywords (`honeywords.ts`). */
  sealPassword(accountId: AccountId, tag: Secret): Promise<Buffer>;

  /** Whether the tag is the one in the record. The record is opened and compared inside the key process only. */
  verifyPassword(accountId: AccountId, record: Uint8Array, tag: Secret): Promise<boolean>;

  /**
   * Mailer only: tries since the process started whose word fits a record and is not its password, the oldest 500 above the number
   * `fetched`; those up to it are forgotten. Whoever tries gets the same no as for any wrong password.
   */
  honeywords(fetched: number): Promise<readonly { readonly number: number; readonly accountId: AccountId }[]>;

  /**
   * A fresh TOTP seed of 160 bits (RFC 4226 section 4, R6), sealed under the account's data key. This answer is the only
   * time that the seed is seen outside: `open` does not open it, and codes are compared inside the key process.
   */
  newTotpSeed(accountId: AccountId, dataKey: Uint8Array): Promise<{ readonly seed: Secret; readonly sealed: Buffer }>;

  /**
   * The time step whose code this is, out of `step`, the one before and the one after (RFC 6238 section 5.2); the newest
   * if several have it, `null` if none or if the seed does not open. Whoever asks claims the step, so that it works once.
   */
  verifyTotp(
    accountId: AccountId,
    dataKey: Uint8Array,
    sealedSeed: Uint8Array,
    code: Secret,
    step: number,
  ): Promise<number | null>;

  /** The MACs that rows store in place of recovery codes, under a key derived from the account's data key. */
  recoveryMacs(accountId: AccountId, dataKey: Uint8Array, codes: readonly Secret[]): Promise<readonly Buffer[]>;

  /** Which of the MACs the code answers, all of them compared in constant time; `null` for none. */
  findRecoveryCode(
    accountId: AccountId,
    dataKey: Uint8Array,
    code: Secret,
    macs: readonly Uint8Array[],
  ): Promise<number | null>;

  /** Seals something short for the mailer's eyes only (a code on its way to a letter); `context` must match to open. */
  sealForMailer(context: string, secret: Secret): Promise<Buffer>;

  /** Mailer only. */
  openForMailer(context: string, sealed: Uint8Array): Promise<Secret>;

  /** Ed25519 signature (RFC 8032) under the purpose's newest key. */
  sign(purpose: SignPurpose, message: Uint8Array): Promise<Buffer>;

  /** The purpose's public keys, newest first, as raw 32-byte Ed25519 points with their ids. */
  publicKeys(purpose: SignPurpose): Promise<readonly { readonly keyId: number; readonly publicKey: Buffer }[]>;

  /**
   * Mailer only: signs the header fields of at most 100 letters, each in the two forms that end with the one and with the
   * other signature's field (RFC 6376 section 3.7), by RSA-2048 with SHA-256 (RFC 8301) and by Ed25519 (RFC 8463). The
   * keys stay inside.
   */
  dkimSign(version: number, letters: readonly DkimForms[]): Promise<DkimForms[]>;

  /**
   * The public halves, oldest first: RSA as DER SubjectPublicKeyInfo, Ed25519 as the raw point; the base64 of each is the
   * `p=` of its DNS record (RFC 6376 section 3.6.1, RFC 8463 section 4.2). One above the version in use is prepared, one
   * below it has still to be found by who reads old letters.
   */
  dkimPublicKeys(): Promise<
    readonly {
      readonly version: number;
      readonly inUse: boolean;
      readonly publicKey: Buffer;
      readonly ed25519PublicKey: Buffer;
    }[]
  >;

  /**
   * Transmitter only: signs Security Event Tokens (RFC 8417) as compact JWS with RS256, at most 100 a call. Each is the
   * claims as JSON text with one event, and neither `sub` nor `exp` (SSF 1.0 section 4.1); anything else is refused, so
   * that no other kind of token is ever made with this key.
   */
  signSets(claims: readonly string[]): Promise<string[]>;

  /** Transmitter only: the public halves, newest first, the prepared one among them; the key id is the RFC 7638 thumbprint. */
  setKeys(): Promise<readonly SetKey[]>;

  /** What the key process counted since it started: calls served and refused by operation, records that did not open. */
  counters(): Promise<Counters>;

  readonly witness: Witness;

  readonly keys: KeyKeeping;

  readonly uses: KeyUses;

  readonly standing: KeyholderStanding;
}

/** Which of two keyholders serves. The operator's alone, and a standby answers no other questions. */
export interface KeyholderStanding {
  read(): Promise<{
    readonly isStandby: boolean;
    /** Whom it follows. */
    readonly follows: readonly string[];
    /** When it was in step with that one last, since it was started. */
    readonly inStepAt: EpochMs | null;
    /** Whether it has the same keys; `null`: it has not been told yet. */
    readonly hasSameKeys: boolean | null;
  }>;

  /** For a standby: what the other remembers, at once if `have` is not its last word, else with the next change or heartbeat. */
  follow(have: string): Promise<{
    readonly at: string;
    readonly book: ReadonlyMap<string, WitnessState>;
    readonly generation: number;
    readonly states: readonly KeyState[];
  }>;

  /** Makes a standby serve. Refused while the one that it follows answers, and while it may know less than that one. */
  promote(wasNotInStep: boolean): Promise<void>;
}

/**
 * Who asks, as the hello says: the digest of a secret that only this caller's memory has, so that whoever reads the rows in
 * which callers announce themselves cannot pass for one of them; and the database that it works for.
 */
export interface Caller {
  readonly id: string;
  readonly role: Role;
  readonly database: string | null;
}

/** One caller's uses of keys. An id is the number of a call: repeated after a lost connection it counts once. */
export interface CallerUses extends Caller {
  readonly firstAt: EpochMs;
  readonly lastAt: EpochMs;
  /** The highest id that was served. */
  readonly highest: number;
  readonly served: UseCounts;
  /** Ids that came again for another purpose: somebody else counts under this caller's name. */
  readonly contradicted: UseCounts;
}

export interface UseSnapshot {
  /** Another number for another file: totals begin anew with it. */
  readonly ledger: string;
  readonly totals: UseCounts;
  readonly callers: readonly CallerUses[];
}

/** What keys were used for, and by whom. The keeper's and the operator's alone. */
export interface KeyUses {
  /**
   * What was served to the callers of a database, and to callers that belong to no database known here. Whoever asks is taken to
   * compare: see `UseLedger.read`.
   */
  callers(databaseId: string): Promise<UseSnapshot>;

  /**
   * What a caller was served above an id, by purpose. Old ids are no longer told apart: of those only as many are counted as cannot
   * lie below it.
   */
  beyond(callerId: string, role: Role, id: number): Promise<UseCounts>;

  /** Forgets callers that are over, unless they were served something since they were read; the totals keep what they were served. */
  settle(callers: readonly { readonly id: string; readonly role: Role }[]): Promise<void>;
}

/** Changing keys. Each change is on disk when it is answered, and in force from the next call on. The keeper's alone. */
export interface KeyKeeping {
  /** Every key's versions, and the generation of the file they are in. */
  states(): Promise<{ readonly generation: number; readonly states: readonly KeyState[] }>;

  /**
   * Makes a new version. From the answer on everything new is made with it, but for DKIM and signals, whose new version is
   * only prepared until `use`. `after` is the highest version the caller knows of, so that a repeated call makes no second one.
   */
  rotate(purpose: KeyPurpose, after: number): Promise<void>;

  /** Takes a prepared version into use. */
  use(purpose: KeyPurpose, version: number): Promise<void>;

  /** Leaves a version out of lookups. It still opens and verifies. */
  close(purpose: KeyPurpose, version: number): Promise<void>;

  /** Destroys the oldest version, once it has been closing for the grace of the process. What it made is refused. */
  retire(purpose: KeyPurpose, version: number): Promise<void>;

  /**
   * Seals values again under the newest key, inside the key process, which reveals nothing of what is in them. The
   * contexts are what each is bound to: an account's id, or the mailer's context. One that does not open is `null`.
   */
  rewrap(kind: RewrapKind, contexts: readonly string[], sealed: readonly Uint8Array[]): Promise<(Buffer | null)[]>;
}

/**
 * The memory that a restored copy of the database cannot roll back: highest floors and last timeline head, fsynced in
 * the keyholder's own file, keyed by the database's identity.
 */
export interface Witness {
  /**
   * What is remembered. The first database of new keys is remembered at `first` and returned so, if its timeline is
   * empty. Any other that was never seen is refused (DATABASE_UNKNOWN): it may be a copy under another identity.
   */
  read(databaseId: string, first: { readonly floors: Floors; readonly head: TimelineHead }): Promise<WitnessState>;

  /** Operator only: for each kind the highest floor remembered of any database; `null` while none is remembered. */
  highestFloors(): Promise<Floors | null>;

  /** Operator only: remembers a database never seen at `first`. One that is remembered stays as it is. */
  enrol(databaseId: string, first: { readonly floors: Floors; readonly head: TimelineHead }): Promise<void>;

  /** Announces floors to be raised. Refused (KEYHOLDER_REFUSED) if `epoch` is not the highest floor plus one. */
  intend(databaseId: string, intent: Intent): Promise<void>;

  /** Settles: the intended floors are in force. Also pays an owed witness: floors above the remembered ones are taken as they are. */
  confirm(databaseId: string, floors: Floors): Promise<void>;

  /** Settles the other way: the transaction is known to have rolled back. */
  abandon(databaseId: string, epoch: Epoch): Promise<void>;

  /** Remembers a later head. A smaller size is ignored; the same size with another root is KEYHOLDER_REFUSED (a fork). */
  advance(databaseId: string, head: TimelineHead): Promise<void>;

  /**
   * Follows the database's own timeline from now on, although it is shorter than the remembered one or forks from it:
   * for a copy whose floors have been raised and whose alarm is recorded. Refused (KEYHOLDER_REFUSED) while any of its
   * floors is below the remembered one, or a containment is not settled.
   */
  adopt(databaseId: string, now: { readonly floors: Floors; readonly head: TimelineHead }): Promise<void>;
}
