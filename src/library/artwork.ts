import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TitleId } from "../kernel/brand.ts";
import { hourMs, toDate, type Clock } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { runFfmpeg } from "./ffmpeg.ts";
import { containers, splitExtension } from "./layout.ts";

export interface ArtworkNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly libraryDir: string;
  readonly dataDir: string;
}

/** Width of a poster, in pixels; its height is at most twice that, and its shape the picture's own. */
const posterWidth = 480;
/** Larger picture files are not read. */
const maxPictureBytes = 20 * 1024 * 1024;
const maxPosterBytes = 2 * 1024 * 1024;
/** The palette of the dominant colour is read from this many pixels on each side. */
const swatch = 16;
const timeoutMs = 20_000;

const artworkFolder = (dataDir: string): string => join(dataDir, "artwork");
const posterFile = (dataDir: string, digest: string): string => join(artworkFolder(dataDir), `${digest}.jpg`);

interface Candidate {
  readonly titleId: TitleId;
  readonly path: string;
  readonly fingerprint: string;
  readonly state: "playable" | "damaged";
  readonly pictures: readonly string[];
  readonly durationSeconds: number | null;
  readonly madeFrom: string | null;
  readonly digest: string | null;
}

/**
 * Makes the posters that are not there yet, or whose source has changed: from the picture beside the film, else from a
 * frame of it. All decoding happens in ffmpeg, never in this process. A title of which no poster can be made is
 * remembered as such until its files change.
 *
 * @returns how many were made.
 */
export async function makeArtwork(needs: ArtworkNeeds, signal: AbortSignal): Promise<number> {
  const { db, dataDir, log } = needs;
  await mkdir(artworkFolder(dataDir), { recursive: true, mode: 0o700 });
  const kept = new Set(await readdir(artworkFolder(dataDir)));
  const candidates = await db.many<Candidate>(
    `select title.id as "titleId", best.path, best.fingerprint, best.state, best.pictures,
            (best.facts->>'durationSeconds')::float8 as "durationSeconds", artwork.source as "madeFrom", artwork.digest
       from title
       join lateral (select path, fingerprint, state, pictures, facts from file
                      where title_id = title.id and state <> 'missing'
                      order by (state = 'playable') desc, (facts->>'height')::float8 desc nulls last, path limit 1) best on true
       left join artwork on artwork.title_id = title.id
      where title.visible
      order by title.id`,
  );
  let made = 0;
  for (const candidate of candidates) {
    if (signal.aborted) return made;
    try {
      if (await makeOne(needs, candidate, kept, signal)) made++;
    } catch (thrown) {
      log.warn({ path: candidate.path, reason: messageOf(thrown) }, "no poster could be made");
      // The same would be said of every title.
      if (thrown instanceof Fault && thrown.code === "MEDIA_TOOL_MISSING") break;
    }
  }
  await dropOrphans(needs);
  return made;
}

interface Source {
  /** Names what the poster is made from: the same text, the same poster. */
  readonly text: string;
  make(): Promise<Poster | string>;
}

async function makeOne(
  needs: ArtworkNeeds,
  candidate: Candidate,
  kept: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<boolean> {
  const { db, clock, dataDir, log } = needs;
  const sources = await sourcesOf(needs, candidate, signal);
  const wanted = sources.map(({ text }) => text).join(" | ");
  const isThere = candidate.digest === null || kept.has(`${candidate.digest}.jpg`);
  if (candidate.madeFrom === wanted && isThere) return false;

  let poster: Poster | undefined;
  for (const source of sources) {
    const outcome = await source.make();
    if (signal.aborted) return false;
    if (typeof outcome !== "string") {
      poster = outcome;
      break;
    }
    log.info({ source: source.text, reason: outcome }, "a picture cannot be used");
  }
  const digest = poster === undefined ? null : await keepPoster(needs, dataDir, poster.jpeg);
  await db.run(
    `insert into artwork (title_id, source, digest, width, height, colour, made_at) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (title_id) do update
       set source = excluded.source, digest = excluded.digest, width = excluded.width, height = excluded.height,
           colour = excluded.colour, made_at = excluded.made_at`,
    [
      candidate.titleId,
      wanted,
      digest,
      poster?.width ?? null,
      poster?.height ?? null,
      poster?.colour ?? null,
      toDate(clock.now()),
    ],
  );
  return poster !== undefined;
}

async function sourcesOf(
  { libraryDir }: ArtworkNeeds,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<readonly Source[]> {
  const sources: Source[] = [];
  for (const path of candidate.pictures) {
    const full = join(libraryDir, path);
    const stats = await stat(full).catch(() => undefined);
    if (stats === undefined || !stats.isFile() || stats.size === 0 || stats.size > maxPictureBytes) continue;
    sources.push({
      text: `${path} ${stats.size}-${Math.trunc(stats.mtimeMs)}`,
      make: () => posterOfPicture(full, signal),
    });
  }
  if (candidate.state === "playable") {
    sources.push({
      text: `frame of ${candidate.fingerprint}`,
      make: () => posterOfFilm(join(libraryDir, candidate.path), candidate.durationSeconds ?? 0, signal),
    });
  }
  return sources;
}

export interface Poster {
  readonly jpeg: Buffer;
  readonly width: number;
  readonly height: number;
  readonly colour: string;
}

const pictureDemuxers: Readonly<Record<string, string>> = {
  jpg: "jpeg_pipe",
  jpeg: "jpeg_pipe",
  png: "png_pipe",
  webp: "webp_pipe",
};

/**
 * Makes a poster of a picture file. ffmpeg gets the bytes through a pipe and may open nothing else, so that a playlist
 * called `poster.jpg` cannot make it read other files. @returns the reason if it cannot.
 */
export async function posterOfPicture(path: string, signal: AbortSignal): Promise<Poster | string> {
  const demuxer = pictureDemuxers[splitExtension(path).extension];
  if (demuxer === undefined) return "not a picture by its name";
  const input = await readPicture(path);
  if (typeof input === "string") return input;
  return render(
    ["-protocol_whitelist", "pipe", "-f", demuxer, "-max_pixels", "60000000", "-i", "pipe:0"],
    "null",
    signal,
    input,
  );
}

/** At most 20 MB of a regular file. @returns the reason if it cannot: it may have been swapped since it was looked at. */
async function readPicture(path: string): Promise<Buffer | string> {
  try {
    // A link put there since the walk is not followed, and a pipe not waited for.
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat();
      if (!stats.isFile() || stats.size > maxPictureBytes) return "it is no file of at most 20 MB";
      const buffer = Buffer.alloc(stats.size);
      const { bytesRead } = await handle.read(buffer, 0, stats.size, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Makes a poster of the most telling frame a fifth into the film. @returns the reason if it cannot. */
export async function posterOfFilm(
  path: string,
  durationSeconds: number,
  signal: AbortSignal,
): Promise<Poster | string> {
  const seek = Math.max(0, Math.min(durationSeconds * 0.2, 1_800));
  const place = [
    "-ss",
    seek.toFixed(3),
    "-protocol_whitelist",
    "file",
    "-format_whitelist",
    containers,
    "-threads",
    "2",
  ];
  return render([...place, "-max_pixels", "60000000", "-i", `file:${path}`], "thumbnail=48", signal);
}

async function render(
  input: readonly string[],
  pick: string,
  signal: AbortSignal,
  bytes?: Uint8Array,
): Promise<Poster | string> {
  const graph =
    `[0:v:0]${pick},scale=${posterWidth}:${2 * posterWidth}:flags=area:force_original_aspect_ratio=decrease,split[one][two];` +
    `[one]format=yuvj420p[poster];[two]scale=${swatch}:${swatch}:flags=area,format=rgb24[swatch]`;
  const poster = ["-map", "[poster]", "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "4", "-f", "image2pipe", "pipe:1"];
  const colours = ["-map", "[swatch]", "-frames:v", "1", "-c:v", "rawvideo", "-f", "rawvideo", "pipe:3"];
  const run = await runFfmpeg([...input, "-filter_complex", graph, ...poster, ...colours], {
    timeoutMs,
    maxOutputBytes: maxPosterBytes,
    signal,
    ...(bytes === undefined ? {} : { input: bytes }),
  });
  if (run.kind === "failed") return run.reason;
  const size = jpegSize(run.output);
  if (size === undefined || run.second.length !== swatch * swatch * 3) return "ffmpeg made no picture";
  return { jpeg: run.output, ...size, colour: dominantColour(run.second) };
}

/** Width and height of a baseline JPEG from its frame header (ITU-T T.81, B.2.2). */
export function jpegSize(jpeg: Buffer): { readonly width: number; readonly height: number } | undefined {
  if (jpeg.length < 4 || jpeg.readUInt16BE(0) !== 0xffd8) return undefined;
  let at = 2;
  while (at + 9 <= jpeg.length && jpeg[at] === 0xff) {
    const marker = jpeg[at + 1] ?? 0;
    if (marker >= 0xc0 && marker <= 0xc3) {
      return { height: jpeg.readUInt16BE(at + 5), width: jpeg.readUInt16BE(at + 7) };
    }
    at += 2 + jpeg.readUInt16BE(at + 2);
  }
  return undefined;
}

/** The mean of the commonest colours: RGB in 512 boxes, the fullest one wins. */
export function dominantColour(rgb: Uint8Array): string {
  const boxes = new Map<number, { count: number; red: number; green: number; blue: number }>();
  for (let at = 0; at + 2 < rgb.length; at += 3) {
    const [red = 0, green = 0, blue = 0] = rgb.subarray(at, at + 3);
    const box = ((red >> 5) << 6) | ((green >> 5) << 3) | (blue >> 5);
    const sum = boxes.get(box) ?? { count: 0, red: 0, green: 0, blue: 0 };
    boxes.set(box, {
      count: sum.count + 1,
      red: sum.red + red,
      green: sum.green + green,
      blue: sum.blue + blue,
    });
  }
  const fullest = [...boxes.values()].toSorted((one, other) => other.count - one.count)[0];
  if (fullest === undefined) return "#000000";
  return `#${[fullest.red, fullest.green, fullest.blue]
    .map((sum) =>
      Math.round(sum / fullest.count)
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}

/** Writes under a name of its own and renames: a poster is there whole or not at all. */
async function keepPoster({ random }: ArtworkNeeds, dataDir: string, jpeg: Buffer): Promise<string> {
  const digest = createHash("sha256").update(jpeg).digest("hex");
  const temporary = join(artworkFolder(dataDir), `.${random.bytes(8).toString("hex")}`);
  try {
    await writeFile(temporary, jpeg, { mode: 0o600 });
    await rename(temporary, posterFile(dataDir, digest));
  } finally {
    await rm(temporary, { force: true });
  }
  return digest;
}

/** Files that no row names any more. Young ones stay: their row may be on its way. */
async function dropOrphans({ db, clock, dataDir }: ArtworkNeeds): Promise<void> {
  const named = new Set(
    (await db.many<{ digest: string }>(`select digest from artwork where digest is not null`)).map(
      ({ digest }) => `${digest}.jpg`,
    ),
  );
  for (const name of await readdir(artworkFolder(dataDir))) {
    if (named.has(name)) continue;
    const full = join(artworkFolder(dataDir), name);
    const stats = await stat(full).catch(() => undefined);
    if (stats !== undefined && clock.now() - stats.mtimeMs > hourMs) await rm(full, { force: true });
  }
}

/** A title's poster as it is served; `undefined` if the title cannot be seen or has none. */
export async function readPoster(
  { db, dataDir }: Pick<ArtworkNeeds, "db" | "dataDir">,
  titleId: TitleId,
): Promise<{ readonly digest: string; read(): Promise<Buffer | undefined> } | undefined> {
  const row = await db.one<{ digest: string }>(
    `select digest from artwork join title on title.id = artwork.title_id
      where title_id = $1 and title.visible and digest is not null`,
    [titleId],
  );
  if (row === undefined) return undefined;
  return {
    digest: row.digest,
    // On another node, or after the folder was emptied, it is not there until the next scan.
    read: () => readFile(posterFile(dataDir, row.digest)).catch(() => undefined),
  };
}
