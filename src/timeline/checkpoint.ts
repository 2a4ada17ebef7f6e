import { createHash, createPublicKey, verify } from "node:crypto";

/**
 * The log's name, first line of every checkpoint and name of its key: no scheme, no space, no plus
 * (C2SP tlog-checkpoint, "origin").
 */
export const originOf = (databaseId: string): string => `houselights/timeline/${databaseId}`;

/** What is signed: origin, size in decimal, root in base64, each line ended (C2SP tlog-checkpoint). */
export function checkpointBody(origin: string, size: number, root: Uint8Array): string {
  return `${origin}\n${size}\n${Buffer.from(root).toString("base64")}\n`;
}

/** The body with its signature: `— name base64(key id || signature)` after an empty line (C2SP signed-note). */
export function signedNote(body: string, name: string, publicKey: Uint8Array, signature: Uint8Array): string {
  const blob = Buffer.concat([noteKeyId(name, publicKey), signature]).toString("base64");
  return `${body}\n\u2014 ${name} ${blob}\n`;
}

/** First four bytes of SHA-256(name || 0x0A || 0x01 || public key); 0x01 is Ed25519 (C2SP signed-note). */
export function noteKeyId(name: string, publicKey: Uint8Array): Buffer {
  const digest = createHash("sha256").update(name).update(Uint8Array.of(0x0a, 0x01)).update(publicKey).digest();
  return digest.subarray(0, 4);
}

/** Whether the raw 32-byte Ed25519 key signed the message (RFC 8032). */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const key = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") },
    format: "jwk",
  });
  return verify(null, message, key, signature);
}

export interface Checkpoint {
  readonly size: number;
  readonly root: Buffer;
}

const bodyPattern = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n$/;

/**
 * Reads a checkpoint of the log `origin` that at least one of the keys signed; `undefined` for anything else.
 * Signatures by others (cosigners) may stand beside ours. Notes above 16 KiB or with more than 32 signatures are not read.
 */
export function readCheckpoint(
  note: string,
  origin: string,
  publicKeys: readonly Uint8Array[],
): Checkpoint | undefined {
  const split = note.indexOf("\n\n");
  if (note.length > 16_384 || split < 0 || !note.endsWith("\n")) return undefined;
  const body = note.slice(0, split + 1);
  const [, name, size, root] = bodyPattern.exec(body) ?? [];
  if (name !== origin || size === undefined || root === undefined) return undefined;
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > 32) return undefined;
  const isSigned = lines.some((line) => {
    const prefix = `\u2014 ${origin} `;
    if (!line.startsWith(prefix)) return false;
    const encoded = line.slice(prefix.length);
    const blob = Buffer.from(encoded, "base64");
    // One text for one signature: Buffer.from skips what is not base64.
    if (blob.toString("base64") !== encoded) return false;
    return publicKeys.some(
      (key) =>
        noteKeyId(origin, key).equals(blob.subarray(0, 4)) && verifyEd25519(key, Buffer.from(body), blob.subarray(4)),
    );
  });
  return isSigned ? { size: Number(size), root: Buffer.from(root, "base64") } : undefined;
}
