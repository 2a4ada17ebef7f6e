import { tileWidth } from "./tile-paths.ts";

/** Entries one after the other, each behind its length in two bytes, big-endian (C2SP tlog-tiles, "Log entries"). */
export function writeBundle(bodies: readonly Uint8Array[]): Buffer {
  const bundle = Buffer.allocUnsafe(bodies.reduce((sum, { length }) => sum + 2 + length, 0));
  let at = 0;
  for (const body of bodies) {
    at = bundle.writeUInt16BE(body.length, at);
    bundle.set(body, at);
    at += body.length;
  }
  return bundle;
}

/** The entries of a bundle; `undefined` when it is cut, or holds more than a tile has. */
export function readBundle(bundle: Buffer): Buffer[] | undefined {
  const bodies: Buffer[] = [];
  let at = 0;
  while (at < bundle.length) {
    if (at + 2 > bundle.length || bodies.length === tileWidth) return undefined;
    const end = at + 2 + bundle.readUInt16BE(at);
    if (end > bundle.length) return undefined;
    bodies.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return bodies;
}
