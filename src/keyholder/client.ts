import { parseId, type AccountId } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import { base64, maxDataKeyBytes, maxMacBytes, maxRecordBytes, maxSealedBytes } from "./arguments.ts";
import { openConnection } from "./connection.ts";
import type { ConnectionOptions, KeyholderStats } from "./connection.ts";
import { isRecord } from "./durable-file.ts";
import { parseStates } from "./key-states.ts";
import type { Counters, Keyholder, KeyKeeping, KeyUses, Place, Witness, WitnessState } from "./keyholder.ts";
import { padText, unpadText } from "./padding.ts";
import {
  notUnderstood,
  readBoolean,
  readBytes,
  readCount,
  readCounts,
  readList,
  readNumberOrNull,
  readPacked,
  readText,
} from "./read-answer.ts";
import { packBytes } from "./rewrap.ts";
import { readSnapshot, readUses } from "./uses.ts";
import { parseBook, parseFloors, parseHead, parseIntent } from "./witness.ts";

/** The keyholder over its socket, for one role. */
export interface KeyholderClient extends Keyholder {
  /** What this client asked so far. */
  stats(): KeyholderStats;
  /** Calls that wait fail with KEYHOLDER_UNAVAILABLE, and so does every later one. */
  close(): Promise<void>;
}

/**
 * What a row holds, cut above the length of anything that opens: a damaged row must be answered like any that does not open,
 * and not refused for its length.
 */
const stored = (bytes: Uint8Array, maxBytes: number): string => base64(bytes.subarray(0, maxBytes));

const placeValues = (place: Place): readonly string[] => [place.table, place.column, place.accountId];

function readWitness(answer: unknown): WitnessState {
  if (!isRecord(answer)) throw notUnderstood();
  const floors = parseFloors(answer["floors"]);
  const head = parseHead(answer["head"]);
  const intent = answer["intent"] === null ? null : parseIntent(answer["intent"]);
  if (floors === undefined || head === undefined || intent === undefined) throw notUnderstood();
  return { floors, head, intent };
}

/**
 * Connects to the key process as one role and stays connected: a process that died is waited for, and calls in flight
 * are repeated (each may be), until `waitMs` (default 2000) have passed since the call was made.
 *
 * Throws KEYHOLDER_UNAVAILABLE when nothing answers within `waitMs`, KEYHOLDER_REFUSED when the credential is not valid.
 */
export async function connectKeyholder(options: ConnectionOptions): Promise<KeyholderClient> {
  const { call, stats, close } = await openConnection(options);

  const witness: Witness = {
    read: async (id, { floors, head }) => readWitness(await call("witness.read", [id, floors, head])),
    highestFloors: async () => {
      const answer = await call("witness.highestFloors", []);
      const floors = answer === null ? null : parseFloors(answer);
      if (floors === undefined) throw notUnderstood();
      return floors;
    },
    enrol: async (id, { floors, head }) => {
      await call("witness.enrol", [id, floors, head]);
    },
    intend: async (id, intent) => {
      await call("witness.intend", [id, intent]);
    },
    confirm: async (id, floors) => {
      await call("witness.confirm", [id, floors]);
    },
    abandon: async (id, epoch) => {
      await call("witness.abandon", [id, epoch]);
    },
    advance: async (id, head) => {
      await call("witness.advance", [id, head]);
    },
    adopt: async (id, { floors, head }) => {
      await call("witness.adopt", [id, floors, head]);
    },
  };

  const keys: KeyKeeping = {
    states: async () => {
      const answer = await call("keys.states", []);
      const states = isRecord(answer) ? parseStates(answer["states"]) : undefined;
      if (!isRecord(answer) || states === undefined) throw notUnderstood();
      return { generation: readCount(answer["generation"]), states };
    },
    rotate: async (purpose, after) => {
      await call("keys.rotate", [purpose, after]);
    },
    use: async (purpose, version) => {
      await call("keys.use", [purpose, version]);
    },
    close: async (purpose, version) => {
      await call("keys.close", [purpose, version]);
    },
    retire: async (purpose, version) => {
      await call("keys.retire", [purpose, version]);
    },
    rewrap: async (kind, contexts, sealed) => {
      if (sealed.length === 0) return [];
      const packed = base64(packBytes(sealed));
      const answers = readPacked(await call("keys.rewrap", [kind, contexts, packed]), sealed.length);
      return answers.map((answer) => (answer.length === 0 ? null : answer));
    },
  };

  const uses: KeyUses = {
    callers: async (databaseId) => readSnapshot(await call("uses.callers", [databaseId])),
    beyond: async (callerId, role, id) => readUses(await call("uses.beyond", [callerId, role, id])),
    settle: async (callers) => {
      if (callers.length > 0) await call("uses.settle", [callers.map(({ id, role }) => [id, role])]);
    },
  };

  return {
    stats,
    close,
    witness,
    keys,
    uses,
    standing: {
      read: async () => {
        const answer = await call("standing.read", []);
        if (!isRecord(answer) || typeof answer["isStandby"] !== "boolean") throw notUnderstood();
        const { isStandby, inStepAt, hasSameKeys } = answer;
        return {
          isStandby,
          follows: readList(answer["follows"]).map(readText),
          inStepAt: typeof inStepAt === "number" ? (inStepAt as EpochMs) : null,
          hasSameKeys: typeof hasSameKeys === "boolean" ? hasSameKeys : null,
        };
      },
      follow: async (have) => {
        const answer = await call("standing.follow", [have]);
        const states = isRecord(answer) ? parseStates(answer["states"]) : undefined;
        if (!isRecord(answer) || states === undefined) throw notUnderstood();
        return {
          at: readText(answer["at"]),
          book: parseBook(answer["witness"], "the other keyholder's answer"),
          generation: readCount(answer["generation"]),
          states,
        };
      },
      promote: async (wasNotInStep) => {
        await call("standing.promote", [wasNotInStep ? "not in step" : "in step"]);
      },
    },

    newDataKey: async (accountId) => readBytes(await call("newDataKey", [accountId])),

    seal: async (dataKey, place, plaintext) =>
      readBytes(
        await call("seal", [stored(dataKey, maxDataKeyBytes), ...placeValues(place), base64(padText(plaintext))]),
      ),

    open: async (values) => {
      // An empty list is common (a page of nothing) and needs nobody's answer.
      if (values.length === 0) return [];
      const asked = values.map(({ dataKey, place, sealed }) => [
        stored(dataKey, maxDataKeyBytes),
        ...placeValues(place),
        stored(sealed, maxSealedBytes),
      ]);
      const answers = readList(await call("open", [asked]));
      if (answers.length !== values.length) throw notUnderstood();
      return answers.map((answer) => (answer === null ? null : unpadText(readBytes(answer))));
    },

    index: async (purpose, value) => readBytes(await call("index", [purpose, base64(Buffer.from(value))])),

    indexMany: async (purpose, values) => {
      if (values.length === 0) return [];
      const packed = base64(packBytes(values.map((value) => Buffer.from(value))));
      return readPacked(await call("indexMany", [purpose, packed]), values.length);
    },

    codeMac: async (purpose, binding, code) =>
      readBytes(await call("codeMac", [purpose, base64(binding), base64(code.reveal())])),

    checkCode: async (purpose, binding, code, mac) =>
      readBoolean(await call("checkCode", [purpose, base64(binding), base64(code.reveal()), stored(mac, maxMacBytes)])),

    sealPassword: async (accountId, tag) => readBytes(await call("sealPassword", [accountId, base64(tag.reveal())])),

    verifyPassword: async (accountId, record, tag) =>
      readBoolean(await call("verifyPassword", [accountId, stored(record, maxRecordBytes), base64(tag.reveal())])),

    honeywords: async (fetched) =>
      readList(await call("honeywords", [fetched])).map((answer) => {
        const accountId = isRecord(answer) ? parseId<AccountId>(answer["accountId"]) : undefined;
        if (!isRecord(answer) || accountId === undefined) throw notUnderstood();
        return { number: readCount(answer["number"]), accountId };
      }),

    newTotpSeed: async (accountId, dataKey) => {
      const answer = await call("newTotpSeed", [accountId, stored(dataKey, maxDataKeyBytes)]);
      if (!isRecord(answer)) throw notUnderstood();
      return { seed: new Secret(readBytes(answer["seed"])), sealed: readBytes(answer["sealed"]) };
    },

    verifyTotp: async (accountId, dataKey, sealedSeed, code, step) =>
      readNumberOrNull(
        await call("verifyTotp", [
          accountId,
          stored(dataKey, maxDataKeyBytes),
          stored(sealedSeed, maxRecordBytes),
          base64(code.reveal()),
          step,
        ]),
        "step",
      ),

    recoveryMacs: async (accountId, dataKey, codes) =>
      readList(
        await call("recoveryMacs", [
          accountId,
          stored(dataKey, maxDataKeyBytes),
          codes.map((code) => [base64(code.reveal())]),
        ]),
      ).map(readBytes),

    findRecoveryCode: async (accountId, dataKey, code, macs) =>
      readNumberOrNull(
        await call("findRecoveryCode", [
          accountId,
          stored(dataKey, maxDataKeyBytes),
          base64(code.reveal()),
          macs.map((mac) => [stored(mac, maxMacBytes)]),
        ]),
        "place",
      ),

    sealForMailer: async (context, secret) =>
      readBytes(await call("sealForMailer", [context, base64(secret.reveal())])),

    openForMailer: async (context, sealed) =>
      new Secret(readBytes(await call("openForMailer", [context, stored(sealed, maxSealedBytes)]))),

    sign: async (purpose, message) => readBytes(await call(`sign.${purpose}`, [base64(message)])),

    publicKeys: async (purpose) =>
      readList(await call("publicKeys", [purpose])).map((answer) => {
        if (!isRecord(answer)) throw notUnderstood();
        return { keyId: readCount(answer["keyId"]), publicKey: readBytes(answer["publicKey"]) };
      }),

    dkimSign: async (version, letters) => {
      if (letters.length === 0) return [];
      const packed = base64(packBytes(letters.flatMap(({ rsa, ed25519 }) => [rsa, ed25519])));
      const signatures = readPacked(await call("dkimSign", [version, packed]), 2 * letters.length);
      return letters.map((_, index) => ({
        rsa: signatures[2 * index] ?? Buffer.alloc(0),
        ed25519: signatures[2 * index + 1] ?? Buffer.alloc(0),
      }));
    },

    dkimPublicKeys: async () =>
      readList(await call("dkimPublicKeys", [])).map((answer) => {
        if (!isRecord(answer)) throw notUnderstood();
        return {
          version: readCount(answer["version"]),
          inUse: readBoolean(answer["inUse"]),
          publicKey: readBytes(answer["publicKey"]),
          ed25519PublicKey: readBytes(answer["ed25519PublicKey"]),
        };
      }),

    signSets: async (claims) => {
      if (claims.length === 0) return [];
      const answers = readList(await call("signSets", [claims.map((each) => [base64(Buffer.from(each))])]));
      if (answers.length !== claims.length) throw notUnderstood();
      return answers.map(readText);
    },

    setKeys: async () =>
      readList(await call("setKeys", [])).map((answer) => {
        if (!isRecord(answer)) throw notUnderstood();
        return { kid: readText(answer["kid"]), n: readText(answer["n"]), e: readText(answer["e"]) };
      }),

    counters: async (): Promise<Counters> => {
      const answer = await call("counters", []);
      const addresses = isRecord(answer) ? answer["addresses"] : undefined;
      if (!isRecord(answer) || !isRecord(addresses)) throw notUnderstood();
      return {
        served: readCounts(answer["served"]),
        refused: readCounts(answer["refused"]),
        unreadableRecords: readCount(answer["unreadableRecords"]),
        unreadableValues: readCount(answer["unreadableValues"]),
        addresses: {
          opened: readCount(addresses["opened"]),
          limit: readCount(addresses["limit"]),
          refused: readCount(addresses["refused"]),
        },
      };
    },
  };
}
