import type { EncodedPacket } from "mediabunny";
import type { AudioJob, Headroom, Samples, VideoJob } from "./demux-jobs.ts";
import { UnreadableMedia, type OpenMedia } from "./open-media.ts";

/** One segment of a group of pictures that goes on for minutes would not fit into memory many times over. */
const maxSegmentBytes = 128 * 1_048_576;
const maxSegmentSamples = 20_000;

/**
 * Reads the frames from one key frame up to another, in decode order.
 *
 * @throws UnreadableMedia (changed) when there is no key frame where the index says.
 */
export async function readVideo(media: OpenMedia, job: VideoJob): Promise<Samples> {
  media.checkUnchanged();
  const { video } = media;
  if (video === null) throw new UnreadableMedia("it has no video track", true);
  const sink = media.sinkOf(video);
  const ticksOf = (packet: EncodedPacket): number => Math.round(packet.timestamp * job.timescale);
  let packet = await sink.getKeyPacket(job.fromKeyTicks / job.timescale);
  if (packet === null || ticksOf(packet) !== job.fromKeyTicks) {
    throw new UnreadableMedia("there is no key frame where the index has one", true);
  }
  const taken: EncodedPacket[] = [];
  const collected = collector(job.headroom);
  while (packet !== null && taken.length < maxSegmentSamples) {
    const ticks = ticksOf(packet);
    if (job.toKeyTicks !== null && taken.length > 0 && packet.type === "key" && ticks >= job.toKeyTicks) break;
    // What cannot be read any more stands at the end, in decode order too.
    if (ticks < job.endTicks) collected.add(packet, ticks, Math.round(packet.duration * job.timescale));
    taken.push(packet);
    packet =
      job.toKeyTicks === null ? await sink.getNextPacket(packet).catch(() => null) : await sink.getNextPacket(packet);
  }
  media.checkUnchanged();
  return collected.finish();
}

/** Matroska's times are whole milliseconds: a frame within this of its place on the grid is on it. */
const snapSeconds = 0.001_1;

/** Reads the sound frames whose place on the grid of the index is in [fromFrame, toFrame). */
export async function readAudio(media: OpenMedia, job: AudioJob): Promise<Samples> {
  media.checkUnchanged();
  const track = media.audio[job.number - 1];
  if (track === undefined) throw new UnreadableMedia("it has no such audio track", true);
  const sink = media.sinkOf(track);
  const { sampleRate, frameSamples, firstSample, delaySamples } = job;
  const snap = media.container === "matroska" ? snapSeconds * sampleRate : 1;
  const samplesOf = (packet: EncodedPacket): number => {
    const raw = packet.timestamp * sampleRate - delaySamples;
    const onGrid = firstSample + Math.round((raw - firstSample) / frameSamples) * frameSamples;
    return Math.abs(raw - onGrid) <= snap ? onGrid : Math.round(raw);
  };
  const from = firstSample + job.fromFrame * frameSamples - frameSamples / 2;
  const to = firstSample + job.toFrame * frameSamples - frameSamples / 2;
  const collected = collector(job.headroom);
  let packet = (await sink.getPacket(Math.max(0, (from + delaySamples) / sampleRate))) ?? (await sink.getFirstPacket());
  if (job.fromFrame === 0) packet = await sink.getFirstPacket();
  for (let count = 0; packet !== null && count < maxSegmentSamples; count++) {
    const samples = samplesOf(packet);
    if (samples >= to) break;
    if (samples >= from) collected.add(packet, samples, frameSamples);
    packet = await sink.getNextPacket(packet).catch(() => null);
  }
  media.checkUnchanged();
  return collected.finish();
}

function collector(headroom: Headroom): {
  add(packet: EncodedPacket, time: number, duration: number): void;
  finish(): Samples;
} {
  const parts: Uint8Array[] = [];
  const times: number[] = [];
  const durations: number[] = [];
  const keys: boolean[] = [];
  let bytes = 0;
  return {
    add: (packet, time, duration) => {
      bytes += packet.data.length;
      if (bytes > maxSegmentBytes) throw new UnreadableMedia("a segment is larger than 128 MB");
      parts.push(packet.data);
      times.push(time);
      durations.push(duration);
      keys.push(packet.type === "key");
    },
    finish: () => {
      const headroomBytes = headroom.fixedBytes + headroom.bytesPerSample * parts.length;
      const buffer = new ArrayBuffer(headroomBytes + bytes);
      const view = new Uint8Array(buffer);
      let at = headroomBytes;
      for (const part of parts) {
        view.set(part, at);
        at += part.length;
      }
      return {
        kind: "samples",
        buffer,
        headroomBytes,
        sizes: parts.map(({ length }) => length),
        times,
        durations,
        keys,
      };
    },
  };
}
