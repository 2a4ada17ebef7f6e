import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { messageOf } from "../kernel/fault.ts";
import { firstSidecarNumber, type Sidecar } from "../library/beside.ts";
import type { SubtitleIndex } from "../library/media/media-index.ts";
import { fingerprintOf } from "../library/walk.ts";
import { decodeSubtitles, maxSubtitleBytes, parseCues, writeVtt } from "./cues.ts";
import { inputArguments, startFfmpeg, toolMissing, type FfmpegNeeds } from "./ffmpeg-child.ts";
import { playlistType, type SubtitleEntry } from "./playlists.ts";
import type { MediaAnswer } from "./routes.ts";
import { findOrigin } from "./transcode-run.ts";

/** A file as its subtitles are asked for. */
export interface SubtitleFile {
  /** The video, relative to the library's folder. */
  readonly path: string;
  readonly fingerprint: string;
  readonly durationSeconds: number;
  /** Text tracks inside it. */
  readonly embedded: readonly SubtitleIndex[];
  /** Files beside it. */
  readonly sidecars: readonly Sidecar[];
}

/** All subtitles of a file that can be shown as text, embedded first; the numbers are those of the title's page. */
export function subtitleTracksOf({ embedded, sidecars }: Pick<SubtitleFile, "embedded" | "sidecars">): SubtitleEntry[] {
  const first = firstSidecarNumber(embedded);
  const trackOf = (number: number, track: Omit<SubtitleEntry, "number">): SubtitleEntry => ({
    number,
    language: track.language,
    label: track.label,
    forced: track.forced,
    hearingImpaired: track.hearingImpaired,
  });
  return [
    ...embedded.map((track) => trackOf(track.number, track)),
    ...sidecars.map((track, index) => trackOf(first + index, track)),
  ];
}

interface Needs extends FfmpegNeeds {
  readonly libraryDir: string;
}

export interface Subtitles {
  /**
   * `playlist.m3u8` or `0.vtt` of one subtitle. The whole text is one segment, since it is small and reading it out of a
   * film means reading the film: that is done once, within 60 s, and kept in memory. `busy` when two films are being read
   * already.
   *
   * @throws Fault MEDIA_TOOL_MISSING when ffmpeg is not installed.
   */
  resource(file: SubtitleFile, number: number, name: string, signal: AbortSignal): Promise<MediaAnswer>;
  close(): Promise<void>;
}

const timeoutMs = 60_000;
const maxReaders = 2;
/** Bytes of finished texts kept; one is some 100 kB. */
const maxKeptBytes = 32 * 1024 * 1024;

type Text = { readonly kind: "text"; readonly vtt: string; readonly etag: string };
type Unreadable = Extract<MediaAnswer, { readonly kind: "unreadable" }>;

export function startSubtitles(needs: Needs): Subtitles {
  const { libraryDir } = needs;
  const kept = new Map<string, Text>();
  let keptBytes = 0;
  const reading = new Map<string, Promise<Text | Unreadable>>();
  const closing = new AbortController();

  const keep = (key: string, text: Text): void => {
    if (kept.has(key)) return;
    kept.set(key, text);
    keptBytes += text.vtt.length;
    for (const [oldest, { vtt }] of kept) {
      if (keptBytes <= maxKeptBytes || oldest === key) break;
      kept.delete(oldest);
      keptBytes -= vtt.length;
    }
  };

  /** Reads a film's own track once, however many ask for it, and to its end although all of them leave. */
  const embeddedText = async (file: SubtitleFile, track: SubtitleIndex, signal: AbortSignal): Promise<MediaAnswer> => {
    const key = `${file.fingerprint} ${track.number}`;
    const known = kept.get(key);
    if (known !== undefined) return answer(known);
    let work = reading.get(key);
    if (work === undefined) {
      if (reading.size >= maxReaders || closing.signal.aborted) return { kind: "busy" };
      work = extract(needs, join(libraryDir, file.path), track.position, closing.signal)
        .then((text) => {
          if (text.kind === "text") keep(key, text);
          return text;
        })
        .finally(() => reading.delete(key));
      reading.set(key, work);
    }
    const text = await Promise.race([work, aborted(signal)]);
    if (text === undefined) return { kind: "busy" };
    return text.kind === "unreadable" ? text : answer(text);
  };

  return {
    resource: async (file, number, name, signal) => {
      const track = file.embedded.find((embedded) => embedded.number === number);
      const sidecar = file.sidecars[number - firstSidecarNumber(file.embedded)];
      if (track === undefined && sidecar === undefined) return { kind: "missing" };
      if (name === "playlist.m3u8") return playlistAnswer(file.durationSeconds);
      if (name !== "0.vtt") return { kind: "missing" };
      if (track !== undefined) return embeddedText(file, track, signal);
      if (sidecar === undefined) return { kind: "missing" };
      const text = await readSidecar(libraryDir, sidecar.path, { kept, keep });
      return text.kind === "text" ? answer(text) : text;
    },
    close: async () => {
      closing.abort();
      await Promise.allSettled(reading.values());
    },
  };
}

const answer = ({ vtt, etag }: Text): MediaAnswer => ({
  kind: "found",
  contentType: "text/vtt; charset=utf-8",
  body: vtt,
  etag,
});

const etagOf = (body: string): string => `"${createHash("sha256").update(body).digest("base64url").slice(0, 24)}"`;

function textOf(source: string, offsetMs: number): Text {
  const vtt = writeVtt(parseCues(source), offsetMs);
  return { kind: "text", vtt, etag: etagOf(vtt) };
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

/** One segment from 0 to the film's end (RFC 8216 section 4.3.3). */
function playlistAnswer(durationSeconds: number): MediaAnswer {
  const seconds = Number.isFinite(durationSeconds) ? Math.max(durationSeconds, 0.001) : 0.001;
  const body = [
    "#EXTM3U",
    "#EXT-X-VERSION:7",
    `#EXT-X-TARGETDURATION:${Math.ceil(seconds)}`,
    "#EXT-X-MEDIA-SEQUENCE:0",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    `#EXTINF:${seconds.toFixed(6)},`,
    "0.vtt",
    "#EXT-X-ENDLIST",
    "",
  ].join("\n");
  return { kind: "found", contentType: playlistType, body, etag: etagOf(body) };
}

/**
 * Reads a subtitle file beside a film. It is looked at each time, since people correct it, and its text made anew once it has
 * changed: of 8 MB that takes most of a second, in the thread that answers everybody. Only a regular file inside the library,
 * of at most 8 MB.
 */
async function readSidecar(
  libraryDir: string,
  path: string,
  texts: { readonly kept: ReadonlyMap<string, Text>; readonly keep: (key: string, text: Text) => void },
): Promise<Text | Unreadable | { readonly kind: "missing" }> {
  try {
    const root = await realpath(libraryDir);
    const full = await realpath(join(root, path));
    // The scan saw a file of the library; a link put there since may lead anywhere.
    if (!full.startsWith(root.endsWith(sep) ? root : root + sep)) return { kind: "missing" };
    const handle = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat({ bigint: true });
      const sizeBytes = Number(stats.size);
      if (!stats.isFile()) return { kind: "missing" };
      if (sizeBytes > maxSubtitleBytes) return { kind: "unreadable", message: "the subtitle file is above 8 MB" };
      const key = `beside ${fingerprintOf(stats)}`;
      const known = texts.kept.get(key);
      if (known !== undefined) return known;
      const buffer = Buffer.alloc(sizeBytes);
      const { bytesRead } = await handle.read(buffer, 0, sizeBytes, 0);
      // Who came at the same time may have made it meanwhile.
      const made = texts.kept.get(key) ?? textOf(decodeSubtitles(buffer.subarray(0, bytesRead)), 0);
      texts.keep(key, made);
      return made;
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    const isGone = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
    return isGone ? { kind: "missing" } : { kind: "unreadable", message: messageOf(thrown) };
  }
}

/**
 * Reads a text track out of a film: ffmpeg turns it into WebVTT, which is then read and written anew like any other file,
 * since its texts are the film's. Times are moved to the film's first frame, where our playlists begin.
 */
async function extract(
  needs: FfmpegNeeds,
  path: string,
  position: number,
  signal: AbortSignal,
): Promise<Text | Unreadable> {
  const origin = await findOrigin(needs, path);
  if ("kind" in origin) {
    if (origin.kind === "not-installed") throw toolMissing();
    return { kind: "unreadable", message: origin.reason };
  }
  const child = startFfmpeg(needs, [
    "-copyts",
    ...inputArguments(path),
    "-map",
    `0:s:${position}`,
    ..."-vn -an -dn -map_metadata -1 -c:s webvtt -f webvtt pipe:1".split(" "),
  ]);
  child.input.end();
  const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const kill = (): void => child.kill();
  if (stop.aborted) kill();
  stop.addEventListener("abort", kill, { once: true });
  const parts: Buffer[] = [];
  let bytes = 0;
  child.output.on("data", (part: Buffer) => {
    bytes += part.length;
    if (bytes <= maxSubtitleBytes) parts.push(part);
    else kill();
  });
  const closed = new Promise<void>((resolve) => child.output.once("close", () => resolve()));
  const end = await child.ended;
  await closed;
  stop.removeEventListener("abort", kill);
  if (end.kind === "not-installed") throw toolMissing();
  if (bytes > maxSubtitleBytes) return { kind: "unreadable", message: "the subtitles are above 8 MB" };
  if (end.kind === "killed") return { kind: "unreadable", message: "the subtitles could not be read in time" };
  // A film that is cut short fails at its end; what was read before is good.
  if (bytes === 0 && end.kind === "failed") return { kind: "unreadable", message: end.reason };
  return textOf(Buffer.concat(parts).toString("utf8"), -Math.round(origin.seconds * 1_000));
}
