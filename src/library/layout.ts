import { displayName, fold } from "./names.ts";

/** What a path says a video is. Names are already fit to be shown. */
export type Placement =
  | { readonly kind: "film"; readonly name: string; readonly year: number | null }
  | {
      readonly kind: "episode";
      readonly series: string;
      readonly seriesYear: number | null;
      /** 0 for specials. */
      readonly season: number;
      readonly episode: number;
      /** The last one of a double episode, else equal to `episode`. */
      readonly lastEpisode: number;
      readonly name: string;
    };

/**
 * The containers that ffmpeg and ffprobe may open at all, by the names of their demuxers: a playlist in a film's clothes
 * would open other files, inside the library or not.
 */
export const containers =
  "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,asf,flv,ogg,rm,nut,mxf,wtv,dv,h264,hevc,m4v";

export const videoExtensions: ReadonlySet<string> = new Set(
  "mp4 m4v mov 3gp mkv webm ts m2ts mts avi mpg mpeg wmv ogv".split(" "),
);
export const subtitleExtensions: ReadonlySet<string> = new Set(["srt", "vtt"]);
export const pictureExtensions: ReadonlySet<string> = new Set(["jpg", "jpeg", "png", "webp"]);

/** Folders of the machine's own, wherever they are. */
const foreignFolders = new Set(["@eadir", "#recycle", "$recycle.bin", "lost+found", "system volume information"]);

/** Folders beside a film that hold what is not the film. At the library's top they may be somebody's own order. */
const extraFolders = new Set([
  "extra",
  "extras",
  "trailer",
  "trailers",
  "sample",
  "samples",
  "featurettes",
  "behind the scenes",
  "deleted scenes",
  "interviews",
  "scenes",
  "shorts",
  "backdrops",
  "theme music",
  "other",
]);

const extraSuffix = /(?:^|[-_. ])(?:trailer|sample|featurette|behindthescenes|deleted|deletedscene|interview)\d?$/i;

/** Folders that gather series: their names are not the name of one. */
const gatheringFolders = new Set(["tv", "tv shows", "shows", "series", "serien", "anime", "television"]);

/** Whether the scan goes into a folder; `depth` is 0 for the folders at the library's top. */
export function entersFolder(name: string, depth: number): boolean {
  if (name.startsWith(".") || foreignFolders.has(name.toLowerCase())) return false;
  return depth === 0 || !extraFolders.has(fold(name));
}

/** The name without its extension, and the extension in lower case without the dot (empty if there is none). */
export function splitExtension(name: string): { readonly stem: string; readonly extension: string } {
  const dot = name.lastIndexOf(".");
  return dot <= 0
    ? { stem: name, extension: "" }
    : { stem: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}

/**
 * Reads what a video is from its path relative to the library (parts joined by '/'): films as `Title (Year)/Title
 * (Year).mkv` or bare, series as `Show (Year)/Season 01/Show S01E02 - Name.mkv` and its relatives. `undefined` for
 * samples, trailers and what is not a video by its extension.
 */
export function readPath(path: string): Placement | undefined {
  // No file system has longer names; the patterns below are not made for novels.
  const parts = path.split("/").map((part) => part.replace(/[\p{Cc}\s]+/gu, " ").slice(-300));
  const { stem, extension } = splitExtension(parts.at(-1) ?? "");
  if (!videoExtensions.has(extension) || stem.startsWith(".")) return undefined;
  if (extraSuffix.test(stem) && parts.length > 1) return undefined;
  const folders = parts.slice(0, -1);
  return readEpisode(stem, folders) ?? readFilm(stem, folders.at(-1));
}

const seasonFolder = /^(?:season|series|staffel|saison|temporada|s)[ ._-]*(\d{1,4})$/i;

/** The season a folder's name says, 0 for specials. */
export function seasonOf(folder: string): number | undefined {
  if (/^specials?$/i.test(folder)) return 0;
  const match = seasonFolder.exec(folder);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

const longForm =
  /(?:^|[ ._\-[(])s(?<season>\d{1,4})[ ._-]?e(?<episode>\d{1,4})(?:[ ._]?-?[ ._]?e(?<last>\d{1,4})|-(?<lastBare>\d{1,4}))?(?=$|[ ._\-\])])/i;
const shortForm =
  /(?:^|[ ._\-[(])(?<season>\d{1,2})x(?<episode>\d{2,3})(?:-(?:\d{1,2}x)?(?<last>\d{2,3}))?(?=$|[ ._\-\])])/i;
/** Inside a season's folder the number may stand alone: `02 - Name`, `E02`, `Episode 2`. */
const bareForm = /^(?:episode|ep|e)?[ ._-]*(?<episode>\d{1,3})(?=$|[ ._\-\])])/i;

function readEpisode(stem: string, folders: readonly string[]): Placement | undefined {
  const folder = folders.at(-1);
  const folderSeason = folder === undefined ? undefined : seasonOf(folder);
  const match =
    longForm.exec(stem) ??
    // A film may be called "4x100": in a folder of its own name it is one.
    (folder === undefined || isFilmOf(stem, folder) ? null : shortForm.exec(stem)) ??
    (folderSeason === undefined ? null : bareForm.exec(stem));
  if (match?.groups === undefined) return undefined;

  const { season, episode, last, lastBare } = match.groups;
  const first = Number(episode);
  const lastEpisode = Number(last ?? lastBare ?? first);
  const before = stem.slice(0, match.index);
  const series = seriesOf(before, folderSeason === undefined ? folder : folders.at(-2));
  if (series === undefined) return undefined;
  return {
    kind: "episode",
    series: series.name,
    seriesYear: series.year,
    season: season === undefined ? (folderSeason ?? 1) : Number(season),
    episode: first,
    // "S01E02-1080" is a quality, not 1,078 episodes.
    lastEpisode: lastEpisode > first && lastEpisode - first <= 20 ? lastEpisode : first,
    name: episodeName(stem.slice(match.index + match[0].length)) || `Episode ${first}`,
  };
}

/** The folder's name wins over what stands before the number, unless the folder gathers many series. */
function seriesOf(before: string, folder: string | undefined): NameAndYear | undefined {
  const own = folder !== undefined && !gatheringFolders.has(fold(folder)) ? readNameAndYear(folder) : undefined;
  if (own !== undefined) return own;
  return readNameAndYear(before.replace(/[ ._\-[(]+$/, ""));
}

function episodeName(after: string): string {
  const text = /\s/.test(after) ? after : after.replace(/[._]+/g, " ");
  return displayName(
    text
      .replace(/[[{][^\]}]*[\]}]/g, " ")
      .replace(/\b(?:2160p|1080p|1080i|720p|576p|480p|WEB-?DL|WEBRip|BluRay|HDTV|x26[45]|HEVC)\b.*$/i, "")
      .replace(/^[\s\-–._)\]]+|[\s\-–._([]+$/g, ""),
  );
}

const genericStem = /^(?:movie|film|video|main|feature|title)$/i;

function readFilm(stem: string, folder: string | undefined): Placement {
  const own = readNameAndYear(stem) ?? { name: displayName(stem) || "Unnamed", year: null };
  if (own.year === null && folder !== undefined) {
    const outer = readNameAndYear(folder);
    if (outer !== undefined && outer.year !== null && (genericStem.test(stem) || isFolderOf(stem, folder))) {
      return { kind: "film", ...outer };
    }
  }
  return { kind: "film", ...own };
}

/** Whether the folder is the file's own: the file's name begins with what the folder's says. */
export function isFolderOf(stem: string, folder: string): boolean {
  const outer = readNameAndYear(folder);
  if (outer === undefined) return false;
  const name = fold(outer.name);
  return name !== "" && `${fold(stem)} `.startsWith(`${name} `);
}

function isFilmOf(stem: string, folder: string): boolean {
  const own = readNameAndYear(stem);
  const outer = readNameAndYear(folder);
  return own !== undefined && own.year !== null && outer !== undefined && fold(own.name) === fold(outer.name);
}

interface NameAndYear {
  readonly name: string;
  readonly year: number | null;
}

const isYear = (text: string): boolean => Number(text) >= 1888 && Number(text) <= 2100;

/** `Title (1999)`, `Title (1999) - Final Cut [1080p]`, `The.Title.1999.1080p.x264`, `Title`. */
function readNameAndYear(text: string): NameAndYear | undefined {
  const untagged = text.replace(/[[{][^\]}]*[\]}]/g, " ").trim() || text;
  const bracketed = /^(.*?)[ ._]*\((\d{4})\)/.exec(untagged);
  if (bracketed?.[1] !== undefined && bracketed[2] !== undefined && isYear(bracketed[2])) {
    const name = spaced(bracketed[1]);
    if (name !== "") return { name, year: Number(bracketed[2]) };
  }
  const dotted = /^(\S+)[._](\d{4})(?:[._]\S*)?$/.exec(untagged);
  if (dotted?.[1] !== undefined && dotted[2] !== undefined && isYear(dotted[2])) {
    const name = spaced(dotted[1]);
    if (name !== "") return { name, year: Number(dotted[2]) };
  }
  const name = spaced(untagged.replace(/ - (?:2160p|1080p|720p|576p|480p|4k|uhd|hdr|remux)\b.*$/i, ""));
  return name === "" ? undefined : { name, year: null };
}

/** Dots and underscores stand for spaces where there are none. */
function spaced(text: string): string {
  const plain = /\s/.test(text.trim()) ? text : text.replace(/[_.]+/g, " ");
  return displayName(plain).replace(/[\s\-–_]+$/, "");
}
