/** The MACs of version 1 stand alone: they were stored before a MAC could name its key. */
const unnamedBytes = 32;
const namedBytes = 4 + unnamedBytes;

/**
 * A MAC as rows store it: `key version (4, big-endian) | HMAC-SHA-256 (32)`, or the 32 bytes alone for version 1. So
 * every row says which key it needs, and a key that no row names can be retired.
 */
export function nameMac(version: number, mac: Uint8Array): Buffer {
  if (version === 1) return Buffer.from(mac);
  const named = Buffer.alloc(namedBytes);
  named.writeUInt32BE(version);
  named.set(mac, 4);
  return named;
}

/** The version and the MAC of a stored one; `null` for bytes that are none. */
export function parseMac(stored: Uint8Array): { readonly version: number; readonly mac: Uint8Array } | null {
  if (stored.length === unnamedBytes) return { version: 1, mac: stored };
  if (stored.length !== namedBytes) return null;
  const version = new DataView(stored.buffer, stored.byteOffset, 4).getUint32(0);
  return { version, mac: stored.subarray(4) };
}

/**
 * The stored MACs of a list as `Keyholder.index` answers it: one after another, newest key first, and often one alone. Bytes that are
 * no stored MAC are left out.
 */
export function splitMacs(list: Uint8Array): Buffer[] {
  const bytes = Buffer.from(list.buffer, list.byteOffset, list.byteLength);
  const macs: Buffer[] = [];
  let at = 0;
  for (; bytes.length - at >= namedBytes; at += namedBytes) macs.push(bytes.subarray(at, at + namedBytes));
  // Version 1 is the oldest there can be, so one without a name stands last.
  if (bytes.length - at === unnamedBytes) macs.push(bytes.subarray(at));
  return macs;
}
