import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hourMs, minuteMs, toDate, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import { demoFilms, type DemoFilm, type DemoLine } from "./demo-films.ts";
import { runFfmpeg } from "./ffmpeg.ts";

export interface DemoNeeds {
  readonly libraryDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Says that the films are ours, and which of them are done: a film that somebody deletes is not made again. */
const markerName = ".houselights-demo";

/**
 * Fills an empty library with a few short films that ffmpeg draws itself, one after another, the quickest first. Works
 * in the background and goes on where it was after a crash; each file appears whole. As soon as the library holds
 * anything that is not ours it stops for good, and a library that held something from the start is never touched.
 *
 * @returns `made` when all films are there, `left alone` when the library is somebody's, `failed` without an ffmpeg
 *   that can make them; `ready` is told after each film.
 */
export async function makeDemoLibrary(
  needs: DemoNeeds,
  signal: AbortSignal,
  ready: (film: DemoFilm) => Promise<void> = async () => undefined,
  films: readonly DemoFilm[] = demoFilms,
): Promise<{ readonly kind: "made" | "left alone" | "stopped" | "failed" }> {
  const { libraryDir, log } = needs;
  await makeFolder(libraryDir);
  await sweepTemporary(libraryDir);
  const done = await readDone(libraryDir);
  if (done === undefined) return { kind: "left alone" };
  // Before anything else: without it, what a killed run left would look like somebody's library.
  await noteDone(needs, done);
  for (const film of films) {
    if (done.has(film.path)) continue;
    if (!(await isOurs(libraryDir, films))) return { kind: "left alone" };
    try {
      await makeFilm(needs, film, signal);
    } catch (thrown) {
      if (signal.aborted) return { kind: "stopped" };
      log.warn({ film: film.title, reason: messageOf(thrown) }, "a demo film could not be made");
      return { kind: "failed" };
    }
    done.add(film.path);
    await noteDone(needs, done);
    await ready(film);
  }
  return { kind: "made" };
}

/** The films done so far; `undefined` when the library is not ours to fill. */
async function readDone(libraryDir: string): Promise<Set<string> | undefined> {
  const names = await readdir(libraryDir);
  if (names.includes(markerName)) {
    const text = await readFile(join(libraryDir, markerName), "utf8");
    return new Set(text.split("\n").filter((line) => line !== ""));
  }
  return names.every((name) => name.startsWith(".")) ? new Set() : undefined;
}

const noteDone = (needs: DemoNeeds, done: ReadonlySet<string>): Promise<void> =>
  writeAtomically(needs, join(needs.libraryDir, markerName), `${[...done].join("\n")}\n`);

async function isOurs(libraryDir: string, films: readonly DemoFilm[]): Promise<boolean> {
  const ours = new Set(films.map(({ path }) => path.split("/")[0]));
  return (await readdir(libraryDir)).every((name) => name.startsWith(".") || ours.has(name));
}

const temporaryPrefix = ".making-";

/** What a killed run left behind. Another host that is making films here at this moment loses its own, and stops. */
async function sweepTemporary(libraryDir: string): Promise<void> {
  for (const name of await readdir(libraryDir)) {
    if (name.startsWith(temporaryPrefix)) await rm(join(libraryDir, name), { recursive: true, force: true });
  }
}

async function writeAtomically({ random }: DemoNeeds, path: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `${temporaryPrefix}${random.bytes(8).toString("hex")}`);
  await writeFile(temporary, content);
  await rename(temporary, path);
}

async function makeFilm(needs: DemoNeeds, film: DemoFilm, signal: AbortSignal): Promise<void> {
  const { libraryDir, clock, random } = needs;
  const target = join(libraryDir, `${film.path}.${film.container}`);
  const work = join(libraryDir, `${temporaryPrefix}${random.bytes(8).toString("hex")}`);
  await mkdir(work);
  await mkdir(dirname(target), { recursive: true });
  try {
    // Beside the film before the film itself: a scan that sees the film sees everything of it.
    for (const [language, lines] of Object.entries(film.subtitles)) {
      await writeAtomically(needs, join(libraryDir, `${film.path}.${language}.srt`), subRip(lines));
    }
    if (film.poster !== null) await makePoster(needs, film.poster, work, signal);

    const output = join(work, `film.${film.container}`);
    await writeFile(join(work, "chapters.txt"), ffMetadata(film));
    for (const [language, lines] of Object.entries(film.subtitles)) {
      await writeFile(join(work, `${language}.srt`), subRip(lines));
    }
    const run = await runFfmpeg(filmParameters(film, work, output), {
      timeoutMs: 5 * minuteMs,
      maxOutputBytes: 1,
      signal,
    });
    if (run.kind === "failed") throw new Error(run.reason);
    // It is whole: no scan needs to wait whether it still grows.
    const settled = toDate(clock.now());
    settled.setTime(settled.getTime() - hourMs);
    await utimes(output, settled, settled);
    await rename(output, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function filmParameters(film: DemoFilm, work: string, output: string): string[] {
  const { seconds, container, isEmbedded } = film;
  const languages = isEmbedded ? Object.keys(film.subtitles) : [];
  const isWebm = container === "webm";
  const video = isWebm
    ? ["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-b:v", "900k"]
    : ["libx264", "-preset", "superfast", "-crf", "25", "-sc_threshold", "0"];
  const groups: readonly (readonly string[])[] = [
    ["-f", "lavfi", "-i", film.picture, "-f", "lavfi", "-i", film.sound],
    ["-i", join(work, "chapters.txt")],
    languages.flatMap((language) => ["-i", join(work, `${language}.srt`)]),
    ["-map", "0:v:0", "-map", "1:a:0"],
    languages.flatMap((_language, index) => ["-map", `${3 + index}:s:0`]),
    ["-map_metadata", "2", "-map_chapters", "2", "-t", String(seconds), "-threads", "2"],
    ["-c:v", ...video, "-pix_fmt", "yuv420p", "-g", "240", "-force_key_frames", "expr:gte(t,n_forced*4)"],
    ["-c:a", isWebm ? "libopus" : "aac", "-b:a", "96k", "-ac", "2"],
    languages.length === 0 ? [] : ["-c:s", container === "mp4" ? "mov_text" : "srt"],
    languages.flatMap((language, index) => [`-metadata:s:s:${index}`, `language=${threeLetters[language] ?? "und"}`]),
    ["-metadata:s:a:0", "language=und", ...(container === "mp4" ? ["-movflags", "+faststart"] : [])],
    [output],
  ];
  return groups.flat();
}

/** ISO 639-2, which the containers ask for. */
const threeLetters: Readonly<Record<string, string>> = { en: "eng", de: "ger", fr: "fre", es: "spa", ja: "jpn" };

/** The picture with its name on it; without the name where ffmpeg has no fonts. */
async function makePoster(
  needs: DemoNeeds,
  poster: NonNullable<DemoFilm["poster"]>,
  work: string,
  signal: AbortSignal,
): Promise<void> {
  const { libraryDir } = needs;
  const target = join(libraryDir, poster.path);
  if ((await stat(target).catch(() => undefined)) !== undefined) return;
  const shade =
    "drawbox=x=0:y=ih-190:w=iw:h=190:color=0x0d0906@0.72:t=fill,drawbox=x=36:y=ih-150:w=56:h=4:color=0xffb454:t=fill";
  const name = `drawtext=text='${poster.title}':font=sans:fontsize=48:fontcolor=0xfff1dc:x=34:y=h-130`;
  const line = `drawtext=text='${poster.subtitle}':font=sans:fontsize=24:fontcolor=0xd8b98c:x=36:y=h-66`;
  const output = join(work, "poster.jpg");
  for (const graph of [`${poster.picture},${shade},${name},${line}`, poster.picture]) {
    const picture = ["-f", "lavfi", "-i", graph, "-frames:v", "1", "-pix_fmt", "yuvj420p", "-q:v", "3", output];
    const run = await runFfmpeg(picture, { timeoutMs: minuteMs, maxOutputBytes: 1, signal });
    if (run.kind === "done") {
      await rename(output, target);
      return;
    }
    if (signal.aborted) throw new Error("stopped");
  }
}

/** SubRip: number, times with a comma, text, an empty line. */
export function subRip(lines: readonly DemoLine[]): string {
  const time = (seconds: number): string => {
    const ms = Math.round(seconds * 1_000);
    const part = (value: number, digits: number) => String(Math.trunc(value)).padStart(digits, "0");
    return `${part(ms / 3_600_000, 2)}:${part((ms / 60_000) % 60, 2)}:${part((ms / 1_000) % 60, 2)},${part(ms % 1_000, 3)}`;
  };
  return lines
    .map(
      ({ fromSeconds, toSeconds, text }, index) =>
        `${index + 1}\n${time(fromSeconds)} --> ${time(toSeconds)}\n${text}\n`,
    )
    .join("\n");
}

/** ffmpeg's own metadata format: title and chapters. */
function ffMetadata({ title, chapters, seconds }: DemoFilm): string {
  const parts = chapters.map(({ atSeconds, name }, index) => {
    const end = chapters[index + 1]?.atSeconds ?? seconds;
    return `[CHAPTER]\nTIMEBASE=1/1000\nSTART=${atSeconds * 1_000}\nEND=${end * 1_000}\ntitle=${name}\n`;
  });
  return `;FFMETADATA1\ntitle=${title}\n${parts.join("")}`;
}
