import { Fault } from "../kernel/fault.ts";

/** One part of a fragmented MP4 as an encoder writes it to a pipe. */
export type Fragment =
  | { readonly kind: "init"; readonly bytes: Buffer }
  | { readonly kind: "media"; readonly bytes: Buffer; readonly samples: number };

/** A larger fragment is refused: the 2 s that we ask an encoder for take a tenth of it at any of our rates. */
const maxFragmentBytes = 32 * 1024 * 1024;

/**
 * Cuts a stream of bytes into the initialization (ftyp, moov) and fragments (moof, mdat), ISO/IEC 14496-12. Other boxes
 * are left out. The stream is our own encoder's, so anything else in it is a fault.
 *
 * @throws Fault MEDIA_UNREADABLE when the bytes are not such boxes, or one is too large.
 */
export function fragmentCutter(): { push(part: Buffer): Fragment[] } {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let wanted = 8;
  let held: Buffer[] = [];

  const take = (count: number): Buffer => {
    const all = pending.length === 1 && pending[0] !== undefined ? pending[0] : Buffer.concat(pending);
    pending = all.length > count ? [all.subarray(count)] : [];
    pendingBytes = all.length - count;
    return all.subarray(0, count);
  };
  const peekHeader = (): { readonly size: number; readonly type: string } => {
    const first = pending[0];
    const header = first !== undefined && first.length >= 8 ? first : Buffer.concat(pending);
    pending = header === first ? pending : [header];
    return { size: header.readUInt32BE(0), type: header.toString("latin1", 4, 8) };
  };

  return {
    push: (part) => {
      const out: Fragment[] = [];
      pending.push(part);
      pendingBytes += part.length;
      while (pendingBytes >= wanted) {
        const { size, type } = peekHeader();
        if (size < 8 || size > maxFragmentBytes) {
          throw new Fault("MEDIA_UNREADABLE", "the encoder wrote a box of an impossible size");
        }
        if (pendingBytes < size) {
          wanted = size;
          break;
        }
        wanted = 8;
        const box = take(size);
        if (type === "ftyp" || type === "moof") held = [box];
        else if (type === "moov") {
          out.push({ kind: "init", bytes: Buffer.concat([...held, box]) });
          held = [];
        } else if (type === "mdat") {
          const moof = held[0];
          if (moof === undefined) throw new Fault("MEDIA_UNREADABLE", "the encoder wrote a fragment without a head");
          out.push({ kind: "media", bytes: Buffer.concat([moof, box]), samples: samplesOf(moof) });
          held = [];
        }
      }
      return out;
    },
  };
}

/** Where the box at `path` lies (types from the outermost to its own), looked for between the offsets `from` and `to`. */
function findBox(
  bytes: Buffer,
  path: readonly string[],
  from = 0,
  to = bytes.length,
): { at: number; end: number } | undefined {
  let at = from;
  while (at + 8 <= to) {
    const size = bytes.readUInt32BE(at);
    if (size < 8 || at + size > to) return undefined;
    if (bytes.toString("latin1", at + 4, at + 8) === path[0]) {
      return path.length === 1 ? { at, end: at + size } : findBox(bytes, path.slice(1), at + 8, at + size);
    }
    at += size;
  }
  return undefined;
}

function samplesOf(moof: Buffer): number {
  const trun = findBox(moof, ["moof", "traf", "trun"]);
  return trun === undefined ? 0 : moof.readUInt32BE(trun.at + 12);
}

/**
 * Writes a fragment's place in the whole film into it: decode time in ticks (`tfdt`, version 1) and sequence number. In
 * place; an encoder that started in the middle does not know them.
 *
 * @throws Fault MEDIA_UNREADABLE when the fragment has no 64-bit decode time.
 */
export function placeFragment(bytes: Buffer, decodeTicks: number, sequence: number): void {
  const tfdt = findBox(bytes, ["moof", "traf", "tfdt"]);
  const mfhd = findBox(bytes, ["moof", "mfhd"]);
  if (tfdt === undefined || mfhd === undefined || bytes[tfdt.at + 8] !== 1) {
    throw new Fault("MEDIA_UNREADABLE", "the encoder wrote a fragment without a decode time");
  }
  bytes.writeBigUInt64BE(BigInt(decodeTicks), tfdt.at + 12);
  bytes.writeUInt32BE(sequence, mfhd.at + 12);
}
