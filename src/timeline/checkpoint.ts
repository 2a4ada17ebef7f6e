import { fromBase64, isSignedBy, readNote, signatureLine, verifierKey } from "./note.ts";

/**
 * The log's name, first line of every checkpoint and name of its key: no scheme, no space, no plus
 * (C2SP tlog-checkpoint, "origin").
 */
export const originOf = (databaseId: string): string => `houselights/timeline/${databaseId}`;

/** What is signed: origin, size in decimal, root in base64, each line ended (C2SP tlog-checkpoint). */
export function checkpointBody(origin: string, size: number, root: Uint8Array): string {
  return `${origin}\n${size}\n${Buffer.from(root).toString("base64")}\n`;
}

/** The body with its signature after an empty line (C2SP signed-note). */
export function signedNote(body: string, name: string, publicKey: Uint8Array, signature: Uint8Array): string {
  return `${body}\n${signatureLine(verifierKey(name, publicKey), signature)}\n`;
}

export interface Checkpoint {
  readonly size: number;
  readonly root: Buffer;
}

/** Lines behind the third are allowed, and mean nothing here (C2SP tlog-checkpoint, "extension lines"). */
const bodyPattern = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n((?:[^\n]+\n)*)$/;

/** What the body of a note says as a checkpoint, its signatures unread: for finding one's way, never for believing it. */
export function readCheckpointBody(body: string): (Checkpoint & { readonly origin: string }) | undefined {
  const [, origin, size, encoded] = bodyPattern.exec(body) ?? [];
  const root = encoded === undefined ? undefined : fromBase64(encoded);
  if (origin === undefined || root === undefined || !Number.isSafeInteger(Number(size))) return undefined;
  return { origin, size: Number(size), root };
}

/** The same of a whole note. */
export function readUnsignedCheckpoint(text: string): (Checkpoint & { readonly origin: string }) | undefined {
  const note = readNote(text);
  return note === undefined ? undefined : readCheckpointBody(note.body);
}

/**
 * Reads a checkpoint of the log `origin` that at least one of the keys signed; `undefined` for anything else.
 * Signatures by others (cosigners) may stand beside ours.
 */
export function readCheckpoint(
  text: string,
  origin: string,
  publicKeys: readonly Uint8Array[],
): Checkpoint | undefined {
  const note = readNote(text);
  const stated = note === undefined ? undefined : readCheckpointBody(note.body);
  if (note === undefined || stated?.origin !== origin) return undefined;
  const keys = publicKeys.map((publicKey) => verifierKey(origin, publicKey));
  return isSignedBy(note, keys) ? { size: stated.size, root: stated.root } : undefined;
}
