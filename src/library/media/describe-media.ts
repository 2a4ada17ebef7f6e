import type { EncodedPacket, EncodedPacketSink, InputAudioTrack, InputVideoTrack } from "mediabunny";
import { messageOf } from "../../kernel/fault.ts";
import type { AudioDescription, Description, VideoDescription } from "./demux-jobs.ts";
import { firstUnit, groupsOf, medianOf, thinned, type Group, type WalkedPacket } from "./groups.ts";
import { makeInit, type OpenMedia } from "./open-media.ts";

/** Says that the walk goes on: without it for two seconds the thread is ended. */
export type Alive = () => void;

const metadataOnly = { metadataOnly: true } as const;
/** Packets between two signs of life. */
const packetsAtOnce = 2_000;
/** Enough to see how far frames are reordered. */
const reorderPackets = 250;
/** Key frames whose bytes are looked at. */
const keysChecked = 6;
/** Cues further apart than this are no index for seeking: the file is read once instead. */
const sparseCuesSeconds = 12;
/** One a second for 27 hours. */
const mostKeys = 100_000;
/** A film whose first frame lies further before zero has been trimmed inside a group of pictures. */
const trimmedSeconds = 0.05;

/**
 * Reads everything that cutting segments later needs. An MP4 answers from its sample tables; a Matroska file from its
 * Cues, if a few of them prove right, else it is read whole, once.
 */
export async function describeMedia(media: OpenMedia, alive: Alive): Promise<Description> {
  let video: Description["video"];
  try {
    video =
      media.video === null
        ? "it has no video track that can be copied"
        : await describeVideo(media, media.video, alive);
  } catch (thrown) {
    video = `its video track cannot be copied: ${messageOf(thrown)}`;
  }
  const audio: (AudioDescription | string)[] = [];
  for (const track of media.audio) {
    alive();
    try {
      audio.push(await describeAudio(media, track));
    } catch (thrown) {
      audio.push(`its sound cannot be copied: ${messageOf(thrown)}`);
    }
  }
  return { kind: "described", container: media.container, video, audio };
}

async function describeVideo(
  media: OpenMedia,
  track: InputVideoTrack,
  alive: Alive,
): Promise<VideoDescription | string> {
  const codecName = await track.getCodec();
  const codec = await track.getCodecParameterString();
  if (codecName === null || codec === null) return "its video codec is not known";
  if (codecName === "vp8") return "browsers play VP8 in no segment format";
  if (/^avc[13]\.(?:6e|7a|f4|2c)/i.test(codec)) return "browsers do not play H.264 of more than 8 bits or 4:2:0";
  if (media.severalEdits) return "its edit list joins several pieces";
  if (isPacked(media, track)) return "its frames are compressed again inside Matroska";

  const timescale = Math.round(await track.getTimeResolution());
  const sink = media.sinkOf(track);
  const first = await sink.getFirstKeyPacket();
  if (first === null) return "it has no key frame";
  const ticksOf = (packet: EncodedPacket): number => Math.round(packet.timestamp * timescale);
  const walked = await (media.container === "mp4"
    ? walkAll(sink, timescale, alive)
    : ((await walkCues(media, track, timescale, alive)) ?? walkAll(sink, timescale, alive)));
  const { groups, reorderDepth, durations } = walked;
  if (groups.length === 0) return "it has no key frame";
  const frameTicks = Math.max(1, medianOf(durations));
  if ((groups[0]?.key ?? 0) < -trimmedSeconds * timescale) return "its edit list begins inside a group of pictures";

  const readable = await lastReadable(sink, groups, timescale, alive);
  if (readable === undefined) return "none of its frames can be read";
  const kept = thinned(groups.slice(0, readable.groups), timescale);
  if (kept.length > mostKeys) return "it has more than 100,000 key frames";
  const isInOrder = kept.every(({ key }, at) => key > (kept[at - 1]?.key ?? -Infinity));
  if (!isInOrder || readable.endTicks < (kept.at(-1)?.key ?? 0)) return "its key frames are not in the order of time";
  // Frames at the end of a Matroska cluster have no duration.
  const endTicks = readable.endTicks + (readable.lastDuration > 0 ? readable.lastDuration : frameTicks);

  if (codecName === "avc" || codecName === "hevc") {
    for (let i = 0; i < keysChecked; i++) {
      const group = kept[Math.floor((i * (kept.length - 1)) / (keysChecked - 1))];
      if (group === undefined) break;
      const key = await sink.getKeyPacket(group.key / timescale);
      if (key === null || ticksOf(key) !== group.key) return "its index of key frames is wrong";
      if (codecName === "avc") {
        const next = await sink.getNextPacket(key);
        const leads = next !== null && next.type !== "key" && ticksOf(next) < group.key;
        if (leads || firstUnit(key.data, await track.getDecoderConfig()) !== "idr")
          return "its groups of pictures are open (H.264)";
      }
      alive();
    }
  }
  const openGop = kept.some((group) => group.lowest < group.key);
  if (openGop && codecName === "avc") return "its groups of pictures are open (H.264)";
  return {
    codecName,
    codec: codec.replace(/^hev1/, "hvc1").replace(/^avc3/, "avc1"),
    timescale,
    width: await track.getDisplayWidth(),
    height: await track.getDisplayHeight(),
    frameRate: timescale / (medianOf(durations) || timescale),
    reorderDepth,
    frameTicks,
    keyTicks: kept.map(({ key }) => key),
    groupTicks: kept.map(({ lowest }) => lowest),
    groupBytes: kept.map(({ bytes }) => bytes),
    endTicks,
    openGop,
    init: await makeInit(track, first),
  };
}

interface Walked {
  readonly groups: readonly Group[];
  readonly reorderDepth: number;
  readonly durations: readonly number[];
}

async function walkAll(sink: EncodedPacketSink, timescale: number, alive: Alive): Promise<Walked> {
  const packets: WalkedPacket[] = [];
  let packet = await sink.getFirstKeyPacket(metadataOnly);
  while (packet !== null) {
    packets.push({
      ticks: Math.round(packet.timestamp * timescale),
      duration: Math.round(packet.duration * timescale),
      bytes: packet.byteLength,
      key: packet.type === "key",
    });
    if (packets.length % packetsAtOnce === 0) alive();
    packet = await sink.getNextPacket(packet, metadataOnly);
  }
  return groupsOf(packets);
}

/** @returns undefined when the Cues are missing, sparse or wrong. */
async function walkCues(
  media: OpenMedia,
  track: InputVideoTrack,
  timescale: number,
  alive: Alive,
): Promise<Walked | undefined> {
  const cues = (media.heads?.cues ?? []).filter((cue) => cue.track === track.id);
  const keys = [...new Set(cues.map(({ ticks }) => ticks))];
  const sink = media.sinkOf(track);
  const first = await sink.getFirstKeyPacket();
  if (first === null || Math.round(first.timestamp * timescale) !== keys[0]) return undefined;
  if (keys.some((key, index) => index > 0 && key - (keys[index - 1] ?? 0) > sparseCuesSeconds * timescale))
    return undefined;
  const packets: WalkedPacket[] = [];
  const take = (packet: EncodedPacket): number =>
    packets.push({
      ticks: Math.round(packet.timestamp * timescale),
      duration: Math.round(packet.duration * timescale),
      bytes: packet.byteLength,
      key: packet.type === "key",
    });
  for (let packet: EncodedPacket | null = first; packet !== null && packets.length < reorderPackets;) {
    take(packet);
    packet = await sink.getNextPacket(packet);
  }
  alive();
  const beginning = groupsOf(packets);
  if (beginning.groups.some(({ key }) => !keys.includes(key))) return undefined;
  for (let i = 1; i < keysChecked; i++) {
    const key = keys[Math.floor((i * (keys.length - 1)) / (keysChecked - 1))] ?? 0;
    const packet = await sink.getPacket(key / timescale);
    if (packet === null || packet.type !== "key" || Math.round(packet.timestamp * timescale) !== key) return undefined;
    if (i === 3) {
      // The group after this key frame ends at the next cue, or the cues leave key frames out (which is no harm) or lie.
      const next = await sink.getNextKeyPacket(packet);
      if (next !== null && Math.round(next.timestamp * timescale) > (keys[keys.indexOf(key) + 1] ?? Infinity))
        return undefined;
    }
    alive();
  }
  const offsets = new Map(cues.map(({ ticks, clusterOffset }) => [ticks, clusterOffset]));
  const groups = keys.map((key, index): Group => {
    const from = offsets.get(key) ?? 0;
    const next = keys[index + 1];
    const to = next === undefined ? media.sizeBytes : (offsets.get(next) ?? from);
    return { key, lowest: key, highest: key, lastDuration: 0, bytes: Math.max(0, to - from) };
  });
  // Several key frames in one cluster: its bytes are spread over them.
  for (let from = 0; from < groups.length;) {
    let to = from;
    while (to + 1 < groups.length && groups[to]?.bytes === 0) to++;
    const share = Math.ceil((groups[to]?.bytes ?? 0) / (to - from + 1));
    for (let at = from; at <= to; at++) groups.splice(at, 1, { ...groups[at]!, bytes: share });
    from = to + 1;
  }
  return { ...beginning, groups };
}

/** Where reading ends: a truncated file lists frames that are not there. */
async function lastReadable(
  sink: EncodedPacketSink,
  groups: readonly Group[],
  timescale: number,
  alive: Alive,
): Promise<{ readonly groups: number; readonly endTicks: number; readonly lastDuration: number } | undefined> {
  const readKey = async (index: number): Promise<EncodedPacket | null> => {
    alive();
    const ticks = groups[index]?.key ?? 0;
    try {
      const packet = await sink.getKeyPacket(ticks / timescale);
      return packet !== null && packet.data.length > 0 && Math.round(packet.timestamp * timescale) === ticks
        ? packet
        : null;
    } catch {
      return null;
    }
  };
  // The highest key frame that can be read: the last one of a whole file, else found by halving.
  let good = groups.length - 1;
  let key = await readKey(good);
  if (key === null) {
    let [low, high] = [-1, groups.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((await readKey(middle)) === null) high = middle;
      else low = middle;
    }
    good = low;
    key = good < 0 ? null : await readKey(good);
    if (key === null) return undefined;
  }
  let endTicks = -Infinity;
  let lastDuration = 0;
  for (let packet: EncodedPacket | null = key, count = 0; packet !== null; count++) {
    const ticks = Math.round(packet.timestamp * timescale);
    if (ticks > endTicks) [endTicks, lastDuration] = [ticks, Math.round(packet.duration * timescale)];
    if (count % 50 === 0) alive();
    try {
      packet = await sink.getNextPacket(packet);
    } catch {
      packet = null;
    }
  }
  return { groups: good + 1, endTicks, lastDuration };
}

function isPacked({ heads }: OpenMedia, track: InputVideoTrack | InputAudioTrack): boolean {
  return heads?.tracks.find(({ number }) => number === track.id)?.packed === true;
}

const opusFrameSamples = [120, 240, 480, 960, 1_920, 2_880];

async function describeAudio(media: OpenMedia, track: InputAudioTrack): Promise<AudioDescription | string> {
  const codecName = await track.getCodec();
  const codec = await track.getCodecParameterString();
  if (codecName === null || codec === null) return "its audio codec is not known";
  const sampleRate = await track.getSampleRate();
  const channels = await track.getNumberOfChannels();
  const isCopied = (codecName === "aac" && codec === "mp4a.40.2") || (codecName === "opus" && channels <= 2);
  if (!isCopied) return `browsers do not play ${codec} in segments`;
  if (isPacked(media, track)) return "its sound is compressed again inside Matroska";
  if (media.severalEdits) return "its edit list joins several pieces";
  const sink = media.sinkOf(track);
  const first = await sink.getFirstPacket();
  const last = await sink.getPacket(Infinity, metadataOnly);
  if (first === null || last === null) return "it is empty";
  const measured = first.duration * sampleRate;
  const frameSamples =
    codecName === "aac"
      ? 1_024
      : opusFrameSamples.reduce(
          (best, size) => (Math.abs(size - measured) < Math.abs(best - measured) ? size : best),
          960,
        );
  const delayNs = media.heads?.tracks.find(({ number }) => number === track.id)?.codecDelayNs ?? 0;
  // A delay of more than a second is no decoder's.
  const delaySamples = delayNs < 1e9 ? Math.round((delayNs * sampleRate) / 1e9) : 0;
  const firstSample = Math.round(first.timestamp * sampleRate) - delaySamples;
  const lastSample = Math.round(last.timestamp * sampleRate) - delaySamples;
  const priming = delaySamples > 0 ? delaySamples : Math.max(0, -firstSample);
  return {
    codecName,
    codec,
    sampleRate,
    channels,
    frameSamples,
    firstSample,
    frames: Math.round((lastSample - firstSample) / frameSamples) + 1,
    delaySamples,
    primingSamples: priming <= 4 * frameSamples ? priming : frameSamples,
    init: await makeInit(track, first),
  };
}
