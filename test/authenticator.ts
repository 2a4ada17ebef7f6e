import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { attestationCertificate, attestationKey } from "./attestation-certificate.ts";
import type { NewPasskeyAnswer, PasskeyAnswer } from "../src/wire/passkeys.ts";

/**
 * An authenticator and the browser before it, in software: makes P-256 passkeys and signs with them as Web Authentication
 * Level 3 says, or wrongly where a test asks for it.
 */
export interface Authenticator {
  /** Answers the options of a registration. */
  create(options: Record<string, unknown>, wrong?: Wrong & { readonly credentialId?: string }): NewPasskeyAnswer;
  /** Answers the options of a sign-in with the passkey made last, or the one named. */
  get(options: Record<string, unknown>, wrong?: Wrong & { readonly credentialId?: string }): PasskeyAnswer;
  /** The ids of the passkeys it has made, the oldest first. */
  readonly credentialIds: readonly string[];
  /** Its own count of signatures; stays at 0 unless set. */
  setCounter(count: number): void;
  /** The same keys in another place: what cloning the authenticator gives. */
  clone(): Authenticator;
}

export interface Wrong {
  readonly origin?: string;
  readonly rpId?: string;
  readonly challenge?: string;
  readonly userVerified?: boolean;
  readonly userPresent?: boolean;
  readonly type?: string;
  readonly userHandle?: string | null;
  readonly attestation?: "certificates" | "self";
  readonly algorithm?: number;
  readonly crossOrigin?: { readonly topOrigin: string };
  /** Flips a bit of the signature, or spells its length in two bytes where one does (BER, and not DER). */
  readonly signature?: "broken" | "long";
}

interface Key {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly handle: string;
}

const sha256 = (data: Uint8Array | string): Buffer => createHash("sha256").update(data).digest();
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

export function authenticator(
  origin: string,
  keys: Key[] = [],
  counting = { count: 0, isCounting: false },
): Authenticator {
  const rpIdOf = (options: Record<string, unknown>): string => {
    const party = options["rp"] as { id?: string } | undefined;
    return String(party?.id ?? options["rpId"]);
  };
  const clientData = (type: string, options: Record<string, unknown>, wrong: Wrong): Buffer =>
    Buffer.from(
      JSON.stringify({
        type: wrong.type ?? type,
        challenge: wrong.challenge ?? options["challenge"],
        origin: wrong.origin ?? origin,
        crossOrigin: wrong.crossOrigin !== undefined,
        ...wrong.crossOrigin,
      }),
    );
  const authData = (options: Record<string, unknown>, wrong: Wrong, attested?: Buffer): Buffer => {
    const flags =
      (wrong.userPresent === false ? 0 : 0x01) | (wrong.userVerified === false ? 0 : 0x04) | (attested ? 0x40 : 0);
    if (counting.isCounting) counting.count++;
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(counting.count);
    return Buffer.concat([
      sha256(wrong.rpId ?? rpIdOf(options)),
      Buffer.from([flags]),
      counter,
      attested ?? Buffer.alloc(0),
    ]);
  };

  return {
    credentialIds: keys.map(({ id }) => id),
    setCounter: (count) => {
      counting.count = count;
      counting.isCounting = true;
    },
    clone: () => authenticator(origin, [...keys], { ...counting }),
    create(options, wrong = {}) {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const jwk = publicKey.export({ format: "jwk" });
      const id = wrong.credentialId === undefined ? randomBytes(32) : Buffer.from(wrong.credentialId, "base64url");
      const user = options["user"] as { id: string };
      keys.push({ id: base64url(id), privateKey, handle: user.id });
      (this.credentialIds as string[]).push(base64url(id));
      const cose = cbor(
        new Map<number, unknown>([
          [1, 2],
          [3, wrong.algorithm ?? -7],
          [-1, 1],
          [-2, Buffer.from(jwk.x ?? "", "base64url")],
          [-3, Buffer.from(jwk.y ?? "", "base64url")],
        ]),
      );
      const length = Buffer.alloc(2);
      length.writeUInt16BE(id.length);
      const data = authData(options, wrong, Buffer.concat([Buffer.alloc(16), length, id, cose]));
      const client = clientData("webauthn.create", options, wrong);
      const toSign = Buffer.concat([data, sha256(client)]);
      const statement = (): Map<string, unknown> => {
        if (wrong.attestation === undefined) return new Map();
        const isSelf = wrong.attestation === "self";
        const signature = spoilt(sign("sha256", toSign, isSelf ? privateKey : attestationKey), wrong);
        const self = new Map<string, unknown>([
          ["alg", -7],
          ["sig", signature],
        ]);
        if (!isSelf) self.set("x5c", [attestationCertificate]);
        return self;
      };
      const object = cbor(
        new Map<string, unknown>([
          ["fmt", wrong.attestation === undefined ? "none" : "packed"],
          ["attStmt", statement()],
          ["authData", data],
        ]),
      );
      return {
        id: base64url(id),
        rawId: base64url(id),
        type: "public-key",
        clientExtensionResults: {},
        response: { clientDataJSON: base64url(client), attestationObject: base64url(object), transports: ["internal"] },
      };
    },
    get(options, wrong = {}) {
      const key = wrong.credentialId === undefined ? keys.at(-1) : keys.find(({ id }) => id === wrong.credentialId);
      if (key === undefined) throw new Error("this authenticator has no such passkey");
      const data = authData(options, wrong);
      const client = clientData("webauthn.get", options, wrong);
      const signature = spoilt(sign("sha256", Buffer.concat([data, sha256(client)]), key.privateKey), wrong);
      const handle = wrong.userHandle === undefined ? key.handle : wrong.userHandle;
      return {
        id: key.id,
        rawId: key.id,
        type: "public-key",
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(client),
          authenticatorData: base64url(data),
          signature: base64url(signature),
          ...(handle === null ? {} : { userHandle: handle }),
        },
      };
    },
  };
}

function spoilt(signature: Buffer, { signature: how }: Wrong): Buffer {
  if (how === "long") return Buffer.concat([signature.subarray(0, 1), Buffer.of(0x81), signature.subarray(1)]);
  if (how === "broken") signature[signature.length - 1]! ^= 1;
  return signature;
}

/** RFC 8949, as much as authenticators need: integers, bytes, text, lists, maps. */
function cbor(value: unknown): Buffer {
  if (typeof value === "number") return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  if (value instanceof Map) {
    return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, one]) => [cbor(key), cbor(one)])]);
  }
  throw new Error("not needed");
}

function head(major: number, count: number): Buffer {
  if (count < 24) return Buffer.from([(major << 5) | count]);
  if (count < 256) return Buffer.from([(major << 5) | 24, count]);
  return Buffer.from([(major << 5) | 25, count >> 8, count & 255]);
}
