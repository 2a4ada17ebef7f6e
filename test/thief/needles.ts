/** The bytes that are compared before the rest is. */
export const keyBytes = 8;

/** A to Z are searched as a to z. */
const folded = Uint8Array.from({ length: 256 }, (_none, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte));

export interface Needles {
  /** Notes a stretch of bytes; one of fewer than eight is not looked for. */
  add(what: string, bytes: Uint8Array): void;
  /** All that was noted until now. */
  table(): NeedleTable;
}

/**
 * Every needle there is, in a few flat arrays: millions of them, and no object for any. They lie in memory that threads
 * share, so that a message which has them copies nothing.
 */
export interface NeedleTable {
  readonly words: readonly string[];
  readonly pool: Uint8Array;
  readonly starts: Uint32Array;
  readonly lengths: Uint16Array;
  readonly whats: Uint32Array;
  readonly nexts: Int32Array;
  /** Where in the needle the eight bytes are that it is found by. */
  readonly anchors: Uint16Array;
  /** Open addressing: the first needle of a key, plus one. */
  readonly heads: Int32Array;
  /** Set where any key falls: what is read for each byte of a haystack has to be small. */
  readonly bits: Uint32Array;
  readonly shift: number;
}

export function gatherNeedles(): Needles {
  const words: string[] = [];
  const numbers = new Map<string, number>();
  let pool = new Uint8Array(1 << 16);
  let used = 0;
  let starts = new Uint32Array(1 << 10);
  let lengths = new Uint16Array(1 << 10);
  let whats = new Uint32Array(1 << 10);
  let nexts = new Int32Array(1 << 10);
  let anchors = new Uint16Array(1 << 10);
  let count = 0;
  let heads = new Int32Array(1 << 12);
  let keys = 0;
  let bits = new Uint32Array(1 << 13);
  let shift = 32 - 18;

  const place = (needle: number): void => {
    const key = keyIn(pool, starts[needle]! + anchors[needle]!);
    bits[(key >>> shift) >>> 5]! |= 1 << ((key >>> shift) & 31);
    const mask = heads.length - 1;
    let slot = slotOf(key) & mask;
    for (; heads[slot] !== 0; slot = (slot + 1) & mask) {
      const first = heads[slot]! - 1;
      if (keyIn(pool, starts[first]! + anchors[first]!) !== key) continue;
      nexts[needle] = first + 1;
      heads[slot] = needle + 1;
      return;
    }
    nexts[needle] = 0;
    heads[slot] = needle + 1;
    keys++;
  };

  const firstWith = (key: number): number => firstOf(heads, pool, starts, anchors, key);

  const grow = (): void => {
    if (count === starts.length) {
      starts = grown(starts, new Uint32Array(2 * count));
      lengths = grown(lengths, new Uint16Array(2 * count));
      whats = grown(whats, new Uint32Array(2 * count));
      nexts = grown(nexts, new Int32Array(2 * count));
      anchors = grown(anchors, new Uint16Array(2 * count));
    }
    if (2 * keys < heads.length) return;
    heads = new Int32Array(2 * heads.length);
    // Thirty-two bits for each key that may come, up to what a processor keeps near.
    const wanted = Math.min(25, Math.log2(heads.length) + 4);
    bits = new Uint32Array(2 ** (wanted - 5));
    shift = 32 - wanted;
    keys = 0;
    for (let needle = 0; needle < count; needle++) place(needle);
  };

  const add = (what: string, bytes: Uint8Array): void => {
    if (bytes.length < keyBytes || bytes.length > 65_535) return;
    while (used + bytes.length > pool.length) pool = grown(pool, new Uint8Array(2 * pool.length));
    for (let at = 0; at < bytes.length; at++) pool[used + at] = folded[bytes[at]!]!;
    // Thousands begin in the same way: each is found by those eight bytes of it that the fewest others are found by.
    let anchor = 0;
    let fewest = Infinity;
    for (let at = 0; at + keyBytes <= bytes.length && fewest > 0; at++) {
      let others = 0;
      for (let other = firstWith(keyIn(pool, used + at)); other !== 0; other = nexts[other - 1]!, others++) {
        if (anchors[other - 1] === at && lengths[other - 1] === bytes.length && matches(used, other - 1)) return;
      }
      if (others < fewest) [anchor, fewest] = [at, others];
    }
    let number = numbers.get(what);
    if (number === undefined) {
      number = words.push(what) - 1;
      numbers.set(what, number);
    }
    grow();
    starts[count] = used;
    lengths[count] = bytes.length;
    whats[count] = number;
    anchors[count] = anchor;
    used += bytes.length;
    place(count);
    count++;
  };

  /** Whether the bytes at `from` of the pool are this needle. */
  function matches(from: number, needle: number): boolean {
    for (let at = 0; at < lengths[needle]!; at++) if (pool[from + at] !== pool[starts[needle]! + at]) return false;
    return true;
  }

  return {
    add,
    table: () => ({
      words: [...words],
      pool: shared(pool.subarray(0, used)),
      starts: shared(starts.subarray(0, count)),
      lengths: shared(lengths.subarray(0, count)),
      whats: shared(whats.subarray(0, count)),
      nexts: shared(nexts.subarray(0, count)),
      anchors: shared(anchors.subarray(0, count)),
      heads: shared(heads),
      bits: shared(bits),
      shift,
    }),
  };
}

/** @returns adds what stands in these bytes to `found`; one pass, however many needles there are. */
export function searchThrough({
  words,
  pool,
  starts,
  lengths,
  whats,
  nexts,
  anchors,
  heads,
  bits,
  shift,
}: NeedleTable): (bytes: Uint8Array, found: Set<string>) => void {
  const matches = (bytes: Uint8Array, from: number, needle: number): boolean => {
    const [start, length] = [starts[needle]!, lengths[needle]!];
    if (from < 0 || from + length > bytes.length) return false;
    for (let at = 0; at < length; at++) if (folded[bytes[from + at]!] !== pool[start + at]) return false;
    return true;
  };

  return (bytes, found) => {
    // A window of eight folded bytes slides along, as two numbers.
    let high = 0;
    let low = 0;
    for (let at = 0; at < bytes.length; at++) {
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | folded[bytes[at]!]!;
      const key = mix(high, low);
      if (((bits[(key >>> shift) >>> 5]! >>> ((key >>> shift) & 31)) & 1) === 0 || at < keyBytes - 1) continue;
      for (let needle = firstOf(heads, pool, starts, anchors, key); needle !== 0; needle = nexts[needle - 1]!) {
        if (matches(bytes, at - keyBytes + 1 - anchors[needle - 1]!, needle - 1)) found.add(words[whats[needle - 1]!]!);
      }
    }
  };
}

/** The first needle of a key, plus one; 0 for none. */
function firstOf(heads: Int32Array, pool: Uint8Array, starts: Uint32Array, anchors: Uint16Array, key: number): number {
  const mask = heads.length - 1;
  for (let slot = slotOf(key) & mask; heads[slot] !== 0; slot = (slot + 1) & mask) {
    const first = heads[slot]! - 1;
    if (keyIn(pool, starts[first]! + anchors[first]!) === key) return first + 1;
  }
  return 0;
}

function keyIn(pool: Uint8Array, at: number): number {
  const high = (pool[at]! << 24) | (pool[at + 1]! << 16) | (pool[at + 2]! << 8) | pool[at + 3]!;
  const low = (pool[at + 4]! << 24) | (pool[at + 5]! << 16) | (pool[at + 6]! << 8) | pool[at + 7]!;
  return mix(high, low);
}

const slotOf = (key: number): number => key ^ (key >>> 13);

function mix(high: number, low: number): number {
  const mixed = Math.imul(high ^ Math.imul(low, 0x9e37_79b1), 0x85eb_ca6b);
  return (mixed ^ (mixed >>> 15) ^ low) >>> 0;
}

function grown<Kind extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(before: Kind, after: Kind): Kind {
  after.set(before);
  return after;
}

function shared<Kind extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(array: Kind): Kind {
  const Own = array.constructor as new (buffer: SharedArrayBuffer) => Kind;
  const copy = new Own(new SharedArrayBuffer(array.byteLength));
  copy.set(array);
  return copy;
}
