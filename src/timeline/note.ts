import { createHash, createPublicKey, sign, verify, type KeyObject } from "node:crypto";

/**
 * Signature types that are read: Ed25519 over the note, and a timestamped Ed25519 cosignature (C2SP signed-note,
 * "Signature types"; C2SP tlog-cosignature).
 */
export const signatureTypes = { ed25519: 0x01, cosignature: 0x04 } as const;
type SignatureType = (typeof signatureTypes)[keyof typeof signatureTypes];

/** Who may sign a note: a name, and the raw 32 bytes of an Ed25519 key. */
export interface VerifierKey {
  readonly name: string;
  readonly type: SignatureType;
  readonly publicKey: Buffer;
  /** Four bytes that stand before each of its signatures. */
  readonly id: Buffer;
}

/** First four bytes of SHA-256(name || 0x0A || type || public key) (C2SP signed-note, "Signatures"). */
export function noteKeyId(name: string, publicKey: Uint8Array, type: SignatureType = signatureTypes.ed25519): Buffer {
  const digest = createHash("sha256").update(name).update(Uint8Array.of(0x0a, type)).update(publicKey).digest();
  return digest.subarray(0, 4);
}

export function verifierKey(
  name: string,
  publicKey: Uint8Array,
  type: SignatureType = signatureTypes.ed25519,
): VerifierKey {
  return { name, type, publicKey: Buffer.from(publicKey), id: noteKeyId(name, publicKey, type) };
}

/** `name+id in hex+base64(type || key)`, one line that can be printed, mailed and compared (C2SP signed-note, "Verifier keys"). */
export function verifierKeyText({ name, type, publicKey, id }: VerifierKey): string {
  return `${name}+${id.toString("hex")}+${Buffer.concat([Buffer.of(type), publicKey]).toString("base64")}`;
}

/** A name without spaces, plus signs and control characters, at most 255 bytes. */
export const isKeyName = (name: string): boolean => /^[^\s+\p{Cc}]{1,255}$/u.test(name);

/** Reads such a line; `undefined` unless the id is the key's own and the type is one that is read here. */
export function readVerifierKey(text: string): VerifierKey | undefined {
  const [, name, id, encoded] = /^([^\s+]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(text.trim()) ?? [];
  if (name === undefined || id === undefined || encoded === undefined || !isKeyName(name)) return undefined;
  const bytes = fromBase64(encoded);
  const type = Object.values(signatureTypes).find((one) => one === bytes?.[0]);
  if (bytes === undefined || bytes.length !== 33 || type === undefined) return undefined;
  const key = verifierKey(name, bytes.subarray(1), type);
  return key.id.toString("hex") === id ? key : undefined;
}

interface NoteSignature {
  readonly name: string;
  readonly id: Buffer;
  readonly signature: Buffer;
  /** As it stands in the note, without its line end. */
  readonly line: string;
}

export interface Note {
  /** What is signed, its last line end included. */
  readonly body: string;
  readonly signatures: readonly NoteSignature[];
}

/** 16 must be read (C2SP signed-note, "Format"). */
const mostSignatures = 64;
const mostCharacters = 65_536;

/**
 * Takes a note apart without believing it. `undefined` for what is no note, or is larger than any we would make. A
 * signature line that is no signature makes it no note.
 */
export function readNote(text: string): Note | undefined {
  // The last empty line parts text and signatures.
  const split = text.lastIndexOf("\n\n");
  if (text.length > mostCharacters || split < 0 || !text.endsWith("\n")) return undefined;
  // oxlint-disable-next-line no-control-regex -- notes have none but the line end
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) return undefined;
  const signatures = text
    .slice(split + 2, -1)
    .split("\n")
    .map(readSignatureLine);
  if (signatures.length > mostSignatures || signatures.includes(undefined)) return undefined;
  return { body: text.slice(0, split + 1), signatures: signatures.filter((one) => one !== undefined) };
}

/** `— name base64(id || signature)`; `undefined` for anything else. */
export function readSignatureLine(line: string): NoteSignature | undefined {
  const [, name, encoded] = /^\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
  const bytes = encoded === undefined ? undefined : fromBase64(encoded);
  if (name === undefined || !isKeyName(name) || bytes === undefined || bytes.length < 5) return undefined;
  return { name, id: bytes.subarray(0, 4), signature: bytes.subarray(4), line };
}

export function signatureLine({ name, id }: Pick<VerifierKey, "name" | "id">, signature: Uint8Array): string {
  return `\u2014 ${name} ${Buffer.concat([id, signature]).toString("base64")}`;
}

/**
 * Whether one of the keys signed the note. A signature that names one of them and is false spoils the whole note
 * (C2SP signed-note, "Signatures"); others are passed over.
 */
export function isSignedBy(note: Note, keys: readonly VerifierKey[]): boolean {
  let isSigned = false;
  for (const { name, id, signature } of note.signatures) {
    const key = keys.find((one) => one.type === signatureTypes.ed25519 && one.name === name && one.id.equals(id));
    if (key === undefined) continue;
    if (!verifyEd25519(key.publicKey, Buffer.from(note.body), signature)) return false;
    isSigned = true;
  }
  return isSigned;
}

/**
 * When a witness cosigned a checkpoint, in seconds since the epoch; `undefined` if it did not (C2SP tlog-cosignature,
 * "Ed25519 signed message").
 */
export function cosignedAt(note: Note, witness: VerifierKey): number | undefined {
  if (witness.type !== signatureTypes.cosignature) return undefined;
  for (const { name, id, signature } of note.signatures) {
    if (name !== witness.name || !id.equals(witness.id) || signature.length !== 72) continue;
    const seconds = signature.readBigUInt64BE(0);
    if (seconds > BigInt(Number.MAX_SAFE_INTEGER)) continue;
    if (verifyEd25519(witness.publicKey, cosignedMessage(note.body, seconds), signature.subarray(8))) {
      return Number(seconds);
    }
  }
  return undefined;
}

/** The line by which a witness says that this is the largest tree it has seen of the log, at that second. */
export function cosignatureLine(witness: VerifierKey, privateKey: KeyObject, body: string, seconds: number): string {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(seconds));
  const signature = sign(null, cosignedMessage(body, BigInt(seconds)), privateKey);
  return signatureLine(witness, Buffer.concat([time, signature]));
}

const cosignedMessage = (body: string, seconds: bigint): Buffer =>
  Buffer.from(`cosignature/v1\ntime ${seconds}\n${body}`);

/** Whether the raw 32-byte Ed25519 key signed the message (RFC 8032). */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const key = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") },
    format: "jwk",
  });
  return verify(null, message, key, signature);
}

/** One text for one value: `Buffer.from` alone skips what is not base64. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}
