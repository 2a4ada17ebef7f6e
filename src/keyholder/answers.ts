import { createSecretKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { AccountId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { equalBytes } from "../kernel/secret.ts";
import {
  base64,
  contextPattern,
  databaseIdPattern,
  identifierPattern,
  limits,
  maxIndexed,
  maxOpened,
  readArguments,
} from "./arguments.ts";
import type { AddressLimit } from "./address-limit.ts";
import type { ArgumentReader } from "./arguments.ts";
import { dkimHandlers } from "./dkim.ts";
import type { ExactKeys } from "./exact-key.ts";
import { honeywordHits, judgeRecord, makeRecord, type Judged } from "./honeywords.ts";
import type { IndexPurpose, Place, Role, RsaPurpose, SignPurpose, Witness } from "./keyholder.ts";
import {
  codePurposes,
  indexPurposes,
  macOf,
  newestKey,
  rawPublicKey,
  ringOf,
  signPurposes,
  versionOf,
} from "./keys.ts";
import type { Keys } from "./keys.ts";
import { nameMac, parseMac } from "./named-mac.ts";
import { mayAsk, mayOpen } from "./permissions.ts";
import type { Operation } from "./permissions.ts";
import { packBytes, unpackBytes } from "./rewrap.ts";
import { canonical, openBytes, sealBytes } from "./sealed.ts";
import { setHandlers } from "./security-event-tokens.ts";
import { secondFactorHandlers } from "./second-factors.ts";
import { parseEpoch, parseFloors, parseHead, parseIntent } from "./witness.ts";

/** What goes back in JSON: bytes are base64, text that was sealed too (control characters would grow sixfold). */
export type Answer = string | boolean | null | object;

type Handler = (args: ArgumentReader, role: Role) => Answer | Promise<Answer>;

/** The operations that change keys, and those that account for their use; who may ask is decided before. */
export type KeepingHandlers = Readonly<Record<Extract<Operation, `keys.${string}`>, Handler>>;
export type StandingHandlers = Readonly<Record<Extract<Operation, `standing.${string}`>, Handler>>;
export type UseHandlers = Readonly<Record<Extract<Operation, `uses.${string}`>, Handler>>;

interface Needs {
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
  readonly witness: Witness;
  readonly exact: Pick<ExactKeys, "all">;
  /** The keys now: RSA keys come later than the others. */
  readonly keys: () => Keys;
  readonly keysWith: (purpose: RsaPurpose) => Promise<Keys>;
  readonly keeping: KeepingHandlers;
  readonly uses: UseHandlers;
  readonly standing: StandingHandlers;
  readonly addresses: AddressLimit;
}

/** A data key is wrapped with its own version before it, so that an account's key can be replaced too. */
const dataKeyVersion = 1;
/** The older form of a password record, which holds the hash: `1 | length | tag`. It is read and no longer made. */
const plainLayout = 1;

const placeContext = (place: Place): readonly string[] => [place.table, place.column, place.accountId];

const readPlace = (args: ArgumentReader): Place => ({
  table: args.text("table", identifierPattern),
  column: args.text("column", identifierPattern),
  accountId: args.accountId(),
});

/**
 * The operations inside the key process: checks the role, reads the arguments, answers. Throws a Fault
 * (KEYHOLDER_REFUSED, SEALED_UNREADABLE, DISK_FULL) whose text carries no value that came in and no key.
 */
export function answerer({
  random,
  clock,
  log,
  witness,
  exact,
  keys,
  keysWith,
  keeping,
  uses,
  standing,
  addresses,
}: Needs): (role: Role, operation: Operation, values: readonly unknown[]) => Answer | Promise<Answer> {
  const served = new Map<Operation, number>();
  const refused = new Map<Operation, number>();
  const honeywords = honeywordHits(clock.now());
  let unreadableRecords = 0;
  let unreadableValues = 0;

  const count = (counts: Map<Operation, number>, operation: Operation): unknown =>
    counts.set(operation, (counts.get(operation) ?? 0) + 1);

  /** A line at 1, 2, 4, 8, …: a table of damaged rows must not fill the disk with lines. */
  function warnUnreadable(what: string, total: number): void {
    if ((total & (total - 1)) === 0) log.warn({ what, total }, "sealed data does not open");
  }

  interface DataKey {
    readonly version: number;
    readonly key: KeyObject;
  }
  /** The data key opened last in this frame of calls: what is sealed for one account comes side by side. */
  let lastOpened:
    { readonly wrapped: Uint8Array; readonly accountId: AccountId; readonly dataKey: DataKey } | undefined;
  const forget = (): void => {
    lastOpened = undefined;
  };

  function unwrap(wrapped: Uint8Array, accountId: AccountId): DataKey | null {
    if (lastOpened?.accountId === accountId && equalBytes(lastOpened.wrapped, wrapped)) return lastOpened.dataKey;
    const opened = openBytes(versionOf(keys(), "wrap"), "data-key", [accountId], wrapped);
    if (opened === null || opened.length !== 4 + 32) return null;
    const dataKey = { version: opened.readUInt32BE(), key: createSecretKey(opened.subarray(4)) };
    // A frame is answered in one turn; in the next, the keys may be others.
    if (lastOpened === undefined) queueMicrotask(forget);
    lastOpened = { wrapped, accountId, dataKey };
    return dataKey;
  }

  function newDataKey(args: ArgumentReader): Answer {
    const accountId = args.accountId();
    args.end();
    const dataKey = Buffer.concat([Buffer.alloc(4), random.bytes(32)]);
    dataKey.writeUInt32BE(dataKeyVersion);
    return base64(sealBytes({ random }, newestKey(keys(), "wrap"), "data-key", [accountId], dataKey));
  }

  function seal(args: ArgumentReader): Answer {
    const wrapped = args.bytes("data key", ...limits.dataKey);
    const place = readPlace(args);
    const plaintext = args.bytes("plaintext", ...limits.value);
    args.end();
    const dataKey = unwrap(wrapped, place.accountId);
    if (dataKey === null) throw new Fault("SEALED_UNREADABLE", "seal: the data key does not open for this account");
    return base64(sealBytes({ random }, dataKey, "value", placeContext(place), plaintext));
  }

  /** Counts and logs that a role asked for what it may not; the fault is the caller's to throw. */
  function refusal(role: Role, operation: Operation, message: string): Fault {
    count(refused, operation);
    log.warn({ role, operation }, "a role asked for what it may not");
    return new Fault("KEYHOLDER_REFUSED", message);
  }

  function open(args: ArgumentReader, role: Role): Answer {
    const values = args.list("values", maxOpened, (value) => ({
      dataKey: value.bytes("data key", ...limits.dataKey),
      place: readPlace(value),
      sealed: value.bytes("sealed", ...limits.sealed),
    }));
    args.end();
    const places = values.map(({ place }) => place);
    if (!places.every((place) => mayOpen(role, place))) {
      throw refusal(role, "open", `open: the ${role} role may not open values of this table`);
    }
    addresses.admit(role, places);
    return values.map(({ dataKey, place, sealed }) => {
      const unwrapped = unwrap(dataKey, place.accountId);
      const keyOf = (version: number): KeyObject | undefined =>
        unwrapped?.version === version ? unwrapped.key : undefined;
      const opened = openBytes(keyOf, "value", placeContext(place), sealed);
      if (opened === null) warnUnreadable("values", ++unreadableValues);
      return opened === null ? null : base64(opened);
    });
  }

  /** Under each version that rows are looked up by, newest first. */
  function indexOf(purpose: IndexPurpose, value: Uint8Array): Buffer {
    const { newest, versions } = ringOf(keys(), `index.${purpose}`);
    const message = canonical(["houselights index 1", purpose, value]);
    const lookedUp = [...versions]
      .filter(([version, { closingSince }]) =>
        purpose === "throttle" ? version === newest : version <= newest && closingSince === null,
      )
      .toSorted(([one], [other]) => other - one);
    return Buffer.concat(lookedUp.map(([version, { key }]) => nameMac(version, macOf(key, message))));
  }

  function index(args: ArgumentReader): Answer {
    const purpose = args.oneOf("purpose", indexPurposes);
    const value = args.bytes("value", ...limits.indexed);
    args.end();
    return base64(indexOf(purpose, value));
  }

  function indexMany(args: ArgumentReader): Answer {
    const purpose = args.oneOf("purpose", indexPurposes);
    const values = unpackBytes(args.bytes("values", ...limits.batch));
    args.end();
    if (values === undefined || values.length > maxIndexed || values.some(({ length }) => length > limits.indexed[1])) {
      throw new Fault("KEYHOLDER_REFUSED", `indexMany: values must be at most ${maxIndexed}, none too long`);
    }
    return base64(packBytes(values.map((value) => indexOf(purpose, value))));
  }

  function codeMessage(args: ArgumentReader, purpose: string): Buffer {
    const binding = args.bytes("binding", ...limits.binding);
    return canonical(["houselights code 1", purpose, binding, args.bytes("code", ...limits.code)]);
  }

  function codeMac(args: ArgumentReader): Answer {
    const purpose = args.oneOf("purpose", codePurposes);
    const message = codeMessage(args, purpose);
    args.end();
    const { version, key } = newestKey(keys(), `code.${purpose}`);
    return base64(nameMac(version, macOf(key, message)));
  }

  function checkCode(args: ArgumentReader): Answer {
    const purpose = args.oneOf("purpose", codePurposes);
    const message = codeMessage(args, purpose);
    const mac = args.bytes("mac", ...limits.mac);
    args.end();
    const stored = parseMac(mac);
    const key = stored === null ? undefined : versionOf(keys(), `code.${purpose}`)(stored.version);
    return stored !== null && key !== undefined && equalBytes(macOf(key, message), stored.mac);
  }

  function sealPassword(args: ArgumentReader): Answer {
    const accountId = args.accountId();
    const tag = args.bytes("tag", ...limits.tag);
    args.end();
    const [newest] = exact.all();
    if (newest === undefined) throw new Fault("IMPOSSIBLE", "there is no exact key");
    const record = makeRecord({ random, exact: newest }, accountId, tag);
    return base64(sealBytes({ random }, newestKey(keys(), "password"), "password", [accountId], record));
  }

  function verifyPassword(args: ArgumentReader): Answer {
    const accountId = args.accountId();
    const sealed = args.bytes("record", ...limits.record);
    const tag = args.bytes("tag", ...limits.tag);
    args.end();
    const record = openBytes(versionOf(keys(), "password"), "password", [accountId], sealed);
    const judged = record === null ? "unreadable" : judge(record, accountId, tag);
    if (judged === "unreadable") {
      // The person sees a wrong password; the operator sees the counter.
      warnUnreadable("password records", ++unreadableRecords);
    }
    // The same no: who tries must not learn that the word fitted.
    if (judged === "honeyword") honeywords.add(accountId);
    return judged === "right";
  }

  function judge(record: Uint8Array, accountId: AccountId, tag: Uint8Array): Judged {
    if (record[0] !== plainLayout) return judgeRecord(exact.all(), record, accountId, tag);
    if (record[1] !== record.length - 2) return "unreadable";
    return equalBytes(record.subarray(2), tag) ? "right" : "wrong";
  }

  function fetchHoneywords(args: ArgumentReader): Answer {
    const fetched = args.parsed("number", (value) => (Number.isSafeInteger(value) ? Number(value) : undefined));
    args.end();
    return honeywords.after(fetched);
  }

  function sealForMailer(args: ArgumentReader): Answer {
    const context = args.text("context", contextPattern);
    const secret = args.bytes("secret", ...limits.value);
    args.end();
    return base64(sealBytes({ random }, newestKey(keys(), "mailer"), "mailer", [context], secret));
  }

  function openForMailer(args: ArgumentReader): Answer {
    const context = args.text("context", contextPattern);
    const sealed = args.bytes("sealed", ...limits.sealed);
    args.end();
    const opened = openBytes(versionOf(keys(), "mailer"), "mailer", [context], sealed);
    if (opened === null) {
      warnUnreadable("values", ++unreadableValues);
      throw new Fault("SEALED_UNREADABLE", "openForMailer: the value does not open in this context");
    }
    return base64(opened);
  }

  const signAs =
    (purpose: SignPurpose) =>
    (args: ArgumentReader): Answer => {
      const message = args.bytes("message", ...limits.message);
      args.end();
      return base64(sign(null, message, newestKey(keys(), `sign.${purpose}`).key));
    };

  function publicKeys(args: ArgumentReader): Answer {
    const purpose = args.oneOf("purpose", signPurposes);
    args.end();
    const { versions, published } = ringOf(keys(), `sign.${purpose}`);
    return [...published, ...[...versions].map(([version, { key }]) => [version, rawPublicKey(key)] as const)]
      .toSorted(([one], [other]) => other - one)
      .map(([keyId, publicKey]) => ({ keyId, publicKey: base64(publicKey) }));
  }

  function counters(args: ArgumentReader): Answer {
    args.end();
    return {
      served: Object.fromEntries(served),
      refused: Object.fromEntries(refused),
      unreadableRecords,
      unreadableValues,
      addresses: addresses.counts(),
    };
  }

  const databaseId = (args: ArgumentReader): string => args.text("database id", databaseIdPattern);

  const handlers: Readonly<Record<Operation, Handler>> = {
    newDataKey,
    seal,
    open,
    index,
    indexMany,
    codeMac,
    checkCode,
    sealPassword,
    verifyPassword,
    honeywords: fetchHoneywords,
    ...secondFactorHandlers({ random, unwrap, unreadable: () => warnUnreadable("values", ++unreadableValues) }),
    sealForMailer,
    openForMailer,
    "sign.grant": signAs("grant"),
    "sign.checkpoint": signAs("checkpoint"),
    "sign.letter": signAs("letter"),
    publicKeys,
    ...dkimHandlers({ keysWithDkim: () => keysWith("dkim") }),
    ...setHandlers(() => keysWith("signal")),
    counters,
    ...keeping,
    ...uses,
    ...standing,
    "witness.read": (args) => {
      const id = databaseId(args);
      const first = { floors: args.parsed("floors", parseFloors), head: args.parsed("head", parseHead) };
      args.end();
      return witness.read(id, first);
    },
    "witness.highestFloors": (args) => {
      args.end();
      return witness.highestFloors();
    },
    "witness.enrol": async (args) => {
      const id = databaseId(args);
      const first = { floors: args.parsed("floors", parseFloors), head: args.parsed("head", parseHead) };
      args.end();
      await witness.enrol(id, first);
      return null;
    },
    "witness.intend": async (args) => {
      const id = databaseId(args);
      const intent = args.parsed("intent", parseIntent);
      args.end();
      await witness.intend(id, intent);
      return null;
    },
    "witness.confirm": async (args) => {
      const id = databaseId(args);
      const floors = args.parsed("floors", parseFloors);
      args.end();
      await witness.confirm(id, floors);
      return null;
    },
    "witness.abandon": async (args) => {
      const id = databaseId(args);
      const epoch = args.parsed("epoch", parseEpoch);
      args.end();
      await witness.abandon(id, epoch);
      return null;
    },
    "witness.advance": async (args) => {
      const id = databaseId(args);
      const head = args.parsed("head", parseHead);
      args.end();
      await witness.advance(id, head);
      return null;
    },
    "witness.adopt": async (args) => {
      const id = databaseId(args);
      const now = { floors: args.parsed("floors", parseFloors), head: args.parsed("head", parseHead) };
      args.end();
      await witness.adopt(id, now);
      return null;
    },
  };

  return (role, operation, values) => {
    if (!mayAsk(role, operation)) throw refusal(role, operation, `the ${role} role may not ask for ${operation}`);
    count(served, operation);
    return handlers[operation](readArguments(operation, values), role);
  };
}
