import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { FileId, TitleId } from "../src/kernel/brand.ts";
import { silentLog } from "../src/kernel/log.ts";
import { newId, systemRandom } from "../src/kernel/random.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { openInspector } from "../src/library/inspect-file.ts";
import type { PlayableFile } from "../src/library/titles.ts";
import { fingerprintOf } from "../src/library/walk.ts";
import { openEngine, type MediaEngine } from "../src/streaming/engine.ts";
import type { Bench, Measured } from "./bench.ts";
import { benchFilm } from "./film.ts";
import { measureFirstPicture } from "./first-picture.ts";
import { interleaved, median, quantile } from "./report.ts";

const sizes = {
  full: { seconds: 120, rounds: 5, pictures: 9 },
  small: { seconds: 24, rounds: 2, pictures: 3 },
} as const;

/** A segment cut out of a 1080p film by the engine, and a browser's way from a link to the first picture. */
export async function measureRemux(bench: Bench): Promise<Measured> {
  const { scale, say, onEnd } = bench;
  const { seconds, rounds, pictures } = sizes[scale];
  say("rendering the film, unless it is there");
  const mp4 = await benchFilm(seconds, "mp4");
  const mkv = await benchFilm(seconds, "mkv");

  const engine = await openEngine({
    log: silentLog,
    libraryDir: dirname(mp4),
    dataDir: dirname(mp4),
    environment: { PATH: process.env["PATH"] ?? "" },
  });
  onEnd(() => engine.close());
  const asMp4 = await scanned(mp4);
  const asMkv = await scanned(mkv);
  say(`cutting every segment ${rounds} times, in turn`);
  const contestants = {
    mp4: () => cutAll(engine, asMp4, "video"),
    mkv: () => cutAll(engine, asMkv, "video"),
    audio: () => cutAll(engine, asMp4, "audio/1"),
  };
  await contestants.mp4();
  await contestants.mkv();
  await contestants.audio();
  const measured = await interleaved(rounds, contestants);
  const timesOf = (who: keyof typeof contestants): number[] => measured[who].flat().map(({ ms }) => ms);
  const bytes = measured.mp4.flat().map((segment) => segment.bytes);

  say(`opening the watch page ${pictures} times, cold`);
  const firstPicture = await measureFirstPicture(bench, mp4, pictures);
  return {
    figures: {
      segmentMs: median(timesOf("mp4")),
      segmentP95Ms: quantile(timesOf("mp4"), 0.95),
      segmentMkvMs: median(timesOf("mkv")),
      segmentMkvP95Ms: quantile(timesOf("mkv"), 0.95),
      audioSegmentMs: median(timesOf("audio")),
      segmentMebibytes: median(bytes) / 2 ** 20,
      ...firstPicture.figures,
    },
    what: {
      segmentMs: "a segment of the picture, MP4 to fMP4",
      segmentP95Ms: "19 of 20 take no longer",
      segmentMkvMs: "the same out of MKV",
      segmentMkvP95Ms: "19 of 20 take no longer",
      audioSegmentMs: "a segment of the sound",
      segmentMebibytes: "in a segment of the picture",
      ...firstPicture.what,
    },
  };
}

/** As the scan writes it and the route reads it: the index goes through JSON. */
async function scanned(path: string): Promise<PlayableFile> {
  const inspector = openInspector({ log: silentLog });
  try {
    const inspection = await inspector.inspect(path, AbortSignal.timeout(60_000));
    if (inspection.kind !== "playable") throw new Error(`the film is damaged: ${inspection.reason}`);
    return {
      fileId: newId<FileId>(systemRandom, systemClock.now()),
      titleId: newId<TitleId>(systemRandom, systemClock.now()),
      path: basename(path),
      fingerprint: fingerprintOf(await stat(path, { bigint: true })),
      index: JSON.parse(JSON.stringify(inspection.index)) as unknown,
      sidecars: [],
    };
  } finally {
    await inspector.close();
  }
}

interface Cut {
  readonly ms: number;
  readonly bytes: number;
}

/** One after the other, as one player asks for them. */
async function cutAll(engine: MediaEngine, file: PlayableFile, track: string): Promise<Cut[]> {
  const { signal } = new AbortController();
  const owner = newId(systemRandom, systemClock.now());
  const playlist = await engine.resource(file, `${track}/playlist.m3u8`, owner, signal);
  if (playlist.kind !== "found") throw new Error(`no playlist: ${JSON.stringify(playlist)}`);
  const names = String(playlist.body)
    .split("\n")
    .filter((line) => line.endsWith(".m4s"));
  const cuts: Cut[] = [];
  for (const name of names) {
    const started = performance.now();
    const answer = await engine.resource(file, `${track}/${name}`, owner, signal);
    const ms = performance.now() - started;
    if (answer.kind !== "found") throw new Error(`${name}: ${JSON.stringify(answer)}`);
    cuts.push({ ms, bytes: answer.body.length });
  }
  // The last one is as long as what is left.
  return cuts.slice(0, -1);
}
