/** The bytes that are compared before the rest is. */
export const keyBytes = 8;

/** A to Z are searched as a to z. */
const folded = Uint8Array.from({ length: 256 }, (_none, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte));

/** Every needle there is, in a few flat arrays: millions of them, and no object for any. */
export interface Needles {
  /** Notes a stretch of bytes; one of fewer than eight is not looked for. */
  add(what: string, bytes: Uint8Array): void;
  /** Adds what of it stands in these bytes to `found`; one pass, however many needles there are. */
  search(bytes: Uint8Array, found: Set<string>): void;
  readonly count: number;
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
  /** Where in the needle the eight bytes are that it is found by. */
  let anchors = new Uint16Array(1 << 10);
  let count = 0;
  /** Open addressing: the first needle of a key, plus one. */
  let heads = new Int32Array(1 << 12);
  let keys = 0;
  /** Set where any key falls: what is read for each byte of a haystack has to be small. */
  let bits = new Uint32Array(1 << 13);
  let shift = 32 - 18;

  const keyAt = (at: number): number => {
    const high = (pool[at]! << 24) | (pool[at + 1]! << 16) | (pool[at + 2]! << 8) | pool[at + 3]!;
    const low = (pool[at + 4]! << 24) | (pool[at + 5]! << 16) | (pool[at + 6]! << 8) | pool[at + 7]!;
    return mix(high, low);
  };

  const place = (needle: number): void => {
    const key = keyAt(starts[needle]! + anchors[needle]!);
    bits[(key >>> shift) >>> 5]! |= 1 << ((key >>> shift) & 31);
    const mask = heads.length - 1;
    let slot = (key ^ (key >>> 13)) & mask;
    for (; heads[slot] !== 0; slot = (slot + 1) & mask) {
      const first = heads[slot]! - 1;
      if (keyAt(starts[first]! + anchors[first]!) !== key) continue;
      nexts[needle] = first + 1;
      heads[slot] = needle + 1;
      return;
    }
    nexts[needle] = 0;
    heads[slot] = needle + 1;
    keys++;
  };

  const firstWith = (key: number): number => {
    const mask = heads.length - 1;
    for (let slot = (key ^ (key >>> 13)) & mask; heads[slot] !== 0; slot = (slot + 1) & mask) {
      const first = heads[slot]! - 1;
      if (keyAt(starts[first]! + anchors[first]!) === key) return first + 1;
    }
    return 0;
  };

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
      for (let other = firstWith(keyAt(used + at)); other !== 0; other = nexts[other - 1]!, others++) {
        if (anchors[other - 1] === at && lengths[other - 1] === bytes.length && matches(pool, used, other - 1)) return;
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

  function matches(bytes: Uint8Array, from: number, needle: number): boolean {
    const [start, length] = [starts[needle]!, lengths[needle]!];
    if (from < 0 || from + length > bytes.length) return false;
    for (let at = 0; at < length; at++) if (folded[bytes[from + at]!] !== pool[start + at]) return false;
    return true;
  }

  const search = (bytes: Uint8Array, found: Set<string>): void => {
    const [near, by] = [bits, shift];
    // A window of eight folded bytes slides along, as two numbers.
    let high = 0;
    let low = 0;
    for (let at = 0; at < bytes.length; at++) {
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | folded[bytes[at]!]!;
      const key = mix(high, low);
      if (((near[(key >>> by) >>> 5]! >>> ((key >>> by) & 31)) & 1) === 0 || at < keyBytes - 1) continue;
      for (let needle = firstWith(key); needle !== 0; needle = nexts[needle - 1]!) {
        if (matches(bytes, at - keyBytes + 1 - anchors[needle - 1]!, needle - 1)) found.add(words[whats[needle - 1]!]!);
      }
    }
  };

  return {
    add,
    search,
    get count() {
      return count;
    },
  };
}

function mix(high: number, low: number): number {
  const mixed = Math.imul(high ^ Math.imul(low, 0x9e37_79b1), 0x85eb_ca6b);
  return (mixed ^ (mixed >>> 15) ^ low) >>> 0;
}

function grown<Kind extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(before: Kind, after: Kind): Kind {
  after.set(before);
  return after;
}
