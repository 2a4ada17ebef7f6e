import type { AudioIndex, MediaIndex, VideoIndex } from "../library/media/media-index.ts";
import { audioDurations, audioFrames, boundariesOf, isIndependent, videoDurations } from "./segments.ts";
import type { AudioRendition, VideoRendition } from "./transcode-plan.ts";

export const playlistType = "application/vnd.apple.mpegurl";

/** A subtitle as the master playlist, and so a player's menu, names it. */
export interface SubtitleEntry {
  /** Those inside the film keep their numbers; those beside it go on after the highest. */
  readonly number: number;
  readonly language: string;
  readonly label: string;
  readonly forced: boolean;
  readonly hearingImpaired: boolean;
}

export interface MasterParts {
  readonly index: MediaIndex;
  /** What the transcoder offers; empty where nothing is transcoded. */
  readonly video: readonly VideoRendition[];
  readonly audio: readonly AudioRendition[];
  readonly subtitles: readonly SubtitleEntry[];
}

/** The video, audio and subtitles of a file (RFC 8216bis section 4.4.6). Addresses are relative to the playlist's own. */
export function masterPlaylist({ index, video, audio, subtitles }: MasterParts): string {
  const lines = ["#EXTM3U", "#EXT-X-VERSION:7"];
  if (index.video === null || isIndependent(index)) lines.push("#EXT-X-INDEPENDENT-SEGMENTS");

  const audioNames = uniqueNames(index.audio);
  const defaultAt = Math.max(
    0,
    index.audio.findIndex(({ isDefault }) => isDefault),
  );
  let soundBits = 0;
  const soundCodecs = new Set<string>();
  for (const [at, track] of index.audio.entries()) {
    const made = audio.find(({ track: number }) => number === track.number);
    if (track.copy === null && made === undefined) continue;
    soundCodecs.add(track.copy?.codec ?? made?.codecs ?? "mp4a.40.2");
    soundBits = Math.max(soundBits, track.copy === null ? (made?.peakBps ?? 0) : soundBitsOf(track));
    lines.push(
      media("AUDIO", {
        "GROUP-ID": quoted("audio"),
        NAME: quoted(audioNames[at] ?? `${at + 1}`),
        LANGUAGE: quoted(track.language),
        DEFAULT: at === defaultAt ? "YES" : "NO",
        AUTOSELECT: "YES",
        CHANNELS: quoted(String(track.copy === null ? (made?.channels ?? 2) : track.channels)),
        URI: quoted(
          track.copy === null ? `transcode/${made?.id}/playlist.m3u8` : `audio/${track.number}/playlist.m3u8`,
        ),
      }),
    );
  }
  const subtitleNames = uniqueNames(subtitles);
  for (const [at, track] of subtitles.entries()) {
    lines.push(
      media("SUBTITLES", {
        "GROUP-ID": quoted("subtitles"),
        NAME: quoted(subtitleNames[at] ?? `${at + 1}`),
        LANGUAGE: quoted(track.language),
        DEFAULT: "NO",
        AUTOSELECT: track.forced ? "YES" : "NO",
        FORCED: track.forced ? "YES" : "NO",
        ...(track.hearingImpaired
          ? {
              CHARACTERISTICS: quoted(
                "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",
              ),
            }
          : {}),
        URI: quoted(`subtitles/${track.number}/playlist.m3u8`),
      }),
    );
  }

  const groups = {
    ...(soundCodecs.size > 0 ? { AUDIO: quoted("audio") } : {}),
    ...(subtitles.length > 0 ? { SUBTITLES: quoted("subtitles") } : {}),
  };
  const variant = (
    codec: string,
    size: { width: number; height: number },
    fps: number,
    bits: Bits,
    uri: string,
  ): void => {
    lines.push(
      `#EXT-X-STREAM-INF:${attributes({
        BANDWIDTH: String(Math.ceil(bits.peak)),
        "AVERAGE-BANDWIDTH": String(Math.ceil(bits.average)),
        CODECS: quoted([codec, ...soundCodecs].join(",")),
        RESOLUTION: `${size.width}x${size.height}`,
        ...(fps > 0 ? { "FRAME-RATE": fps.toFixed(3) } : {}),
        ...groups,
        "CLOSED-CAPTIONS": "NONE",
      })}`,
      uri,
    );
  };
  if (index.video !== null) {
    const bits = videoBits(index.video);
    // A Matroska index counts the sound in.
    const sound = index.container === "mp4" || index.audio.some(({ copy }) => copy === null) ? soundBits : 0;
    const both = { peak: bits.peak + sound, average: bits.average + sound };
    variant(index.video.codec, index, index.video.frameRate, both, "video/playlist.m3u8");
  }
  for (const made of video) {
    const bits = { peak: made.peakBps + soundBits, average: made.averageBps + soundBits };
    const fps = made.frameRate.num / made.frameRate.den;
    variant(made.codecs, made, fps, bits, `transcode/${made.id}/playlist.m3u8`);
  }
  return `${lines.join("\n")}\n`;
}

interface Bits {
  readonly peak: number;
  readonly average: number;
}

/** Bits per second of the picture's segments, with the boxes around each frame. */
function videoBits(video: VideoIndex): Bits {
  const boundaries = boundariesOf(video);
  const durations = videoDurations(video, boundaries);
  const boxes = video.frameRate * 16 * 8;
  let peak = 0;
  let bytes = 0;
  let microseconds = 0;
  for (const [at, boundary] of boundaries.entries()) {
    const duration = durations[at] ?? 0;
    bytes += boundary.bytes;
    microseconds += duration;
    // A last crumb's rate says little; a player's buffer smooths it.
    if (duration >= 1e6 || boundaries.length === 1)
      peak = Math.max(peak, (boundary.bytes * 8e6) / Math.max(1, duration));
  }
  const average = (bytes * 8e6) / Math.max(1, microseconds) + boxes;
  return { peak: Math.max(average, peak + boxes), average };
}

/** What the container says, with the boxes around each frame; a guess by channels where it says nothing. */
function soundBitsOf({ bitsPerSecond, channels, copy }: AudioIndex): number {
  const boxes = copy === null ? 0 : (copy.sampleRate / copy.frameSamples) * 16 * 8;
  return (bitsPerSecond || 80_000 * Math.max(1, channels)) + boxes;
}

/** The media playlist of the copied picture. */
export function videoPlaylist(video: VideoIndex): string {
  const durations = videoDurations(video, boundariesOf(video));
  return mediaPlaylist(durations, !video.openGop);
}

/** The media playlist of a copied sound track. It ends with the sound, which may be before the picture does. */
export function audioPlaylist(video: VideoIndex, copy: NonNullable<AudioIndex["copy"]>): string {
  const durations = audioDurations(video, copy, audioFrames(video, boundariesOf(video), copy));
  while (durations.length > 1 && durations.at(-1) === 0) durations.pop();
  return mediaPlaylist(durations, true);
}

/** Segments `0.m4s`, `1.m4s` … of the given durations in µs (RFC 8216bis sections 4.4.3 and 4.4.4). */
function mediaPlaylist(durations: readonly number[], independent: boolean): string {
  const longest = Math.max(...durations.map((microseconds) => Math.round(microseconds / 1e6)), 1);
  return [
    "#EXTM3U",
    "#EXT-X-VERSION:7",
    `#EXT-X-TARGETDURATION:${longest}`,
    "#EXT-X-MEDIA-SEQUENCE:0",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    ...(independent ? ["#EXT-X-INDEPENDENT-SEGMENTS"] : []),
    '#EXT-X-MAP:URI="init.mp4"',
    ...durations.flatMap((microseconds, n) => [`#EXTINF:${(microseconds / 1e6).toFixed(6)},`, `${n}.m4s`]),
    "#EXT-X-ENDLIST",
    "",
  ].join("\n");
}

const attributes = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");

const media = (type: string, values: Readonly<Record<string, string>>): string =>
  `#EXT-X-MEDIA:${attributes({ TYPE: type, ...values })}`;

/** A quoted string holds no quote and no line break (RFC 8216bis section 4.2); names come from hostile files. */
const quoted = (text: string): string => `"${text.replace(/["\p{Cc}\p{Zl}\p{Zp}]/gu, " ")}"`;

/** Within a group each NAME is there once. */
function uniqueNames(tracks: readonly { readonly label: string; readonly language: string }[]): string[] {
  const given = new Set<string>();
  return tracks.map(({ label, language }, at) => {
    const plain = label || (language === "und" ? `${at + 1}` : language);
    let name = plain;
    for (let copy = 2; given.has(name); copy++) name = `${plain} (${copy})`;
    given.add(name);
    return name;
  });
}
