/** A packet as a walk over the tables sees it, in decode order. */
export interface WalkedPacket {
  readonly ticks: number;
  readonly duration: number;
  readonly bytes: number;
  readonly key: boolean;
}

/** A key frame and the frames that follow it in the file. */
export interface Group {
  readonly key: number;
  readonly lowest: number;
  readonly highest: number;
  readonly lastDuration: number;
  readonly bytes: number;
}

/**
 * Divides packets into groups and measures how far frames are reordered: frame i of a group is shown at rank r among them,
 * and the decoder must have read i − r frames ahead.
 */
export function groupsOf(packets: readonly WalkedPacket[]): {
  readonly groups: readonly Group[];
  readonly reorderDepth: number;
  readonly durations: readonly number[];
} {
  const groups: Group[] = [];
  const durations: number[] = [];
  let reorderDepth = 0;
  for (let from = 0; from < packets.length;) {
    let to = from + 1;
    while (to < packets.length && packets[to]?.key === false) to++;
    const own = packets.slice(from, to);
    const sorted = own.map(({ ticks }) => ticks).toSorted((one, other) => one - other);
    const rankOf = new Map(sorted.map((ticks, rank) => [ticks, rank]));
    let bytes = 0;
    for (const [index, packet] of own.entries()) {
      bytes += packet.bytes;
      reorderDepth = Math.max(reorderDepth, index - (rankOf.get(packet.ticks) ?? index));
    }
    for (let i = 1; i < sorted.length; i++) durations.push((sorted[i] ?? 0) - (sorted[i - 1] ?? 0));
    const key = own[0];
    const highest = sorted.at(-1) ?? 0;
    if (key?.key === true) {
      const lastDuration = own.find(({ ticks }) => ticks === highest)?.duration ?? 0;
      groups.push({ key: key.ticks, lowest: sorted[0] ?? key.ticks, highest, lastDuration, bytes });
    }
    from = to;
  }
  return {
    groups,
    reorderDepth: Math.min(reorderDepth, 32),
    durations: durations.length > 0 ? durations : packets.map(({ duration }) => duration),
  };
}

/** More key frames than this are one every 0.4 s for two hours. */
const mostGroups = 20_000;

/**
 * At most one group a second where there are very many: nobody cuts or seeks closer, and where every frame is a key frame a
 * list of them all would be larger than its segments. Fewer than 20,000 stay as they are.
 */
export function thinned(groups: readonly Group[], timescale: number): readonly Group[] {
  if (groups.length <= mostGroups) return groups;
  const kept: Group[] = [];
  for (const group of groups) {
    const last = kept.at(-1);
    if (last === undefined || group.lowest - last.key >= timescale) kept.push(group);
    else
      kept[kept.length - 1] = {
        ...last,
        lowest: Math.min(last.lowest, group.lowest),
        highest: Math.max(last.highest, group.highest),
        bytes: last.bytes + group.bytes,
      };
  }
  return kept;
}

/** 0 of nothing. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[sorted.length >> 1] ?? 0;
}

/**
 * What the first coded slice of an H.264 access unit is: `idr` (type 5) or another (ITU-T H.264 section 7.4.1). Reads
 * length-prefixed units as `avcC` says, or start codes if there is no such description.
 */
export function firstUnit(data: Uint8Array, config: { readonly description?: unknown } | null): "idr" | "other" {
  const description = config?.description;
  const isPrefixed = description instanceof Uint8Array && description[0] === 1;
  const view = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (isPrefixed) {
    const lengthBytes = ((description[4] ?? 3) & 3) + 1;
    for (let at = 0; at + lengthBytes < view.length;) {
      const length = view.readUIntBE(at, lengthBytes);
      const type = (view[at + lengthBytes] ?? 0) & 31;
      if (type >= 1 && type <= 5) return type === 5 ? "idr" : "other";
      at += lengthBytes + length;
    }
    return "other";
  }
  for (let at = view.indexOf("\0\0\u0001", 0, "latin1"); at >= 0; at = view.indexOf("\0\0\u0001", at + 3, "latin1")) {
    const type = (view[at + 3] ?? 0) & 31;
    if (type >= 1 && type <= 5) return type === 5 ? "idr" : "other";
  }
  return "other";
}
