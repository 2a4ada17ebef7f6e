import { readPath, seasonOf, splitExtension } from "./layout.ts";
import { displayName, fold } from "./names.ts";
import type { Beside } from "./walk.ts";

/** A subtitle file that belongs to a video. */
export interface Sidecar {
  /** Relative to the library's root. */
  readonly path: string;
  readonly format: "srt" | "vtt";
  /** BCP 47, as far as the name says; `und` if it does not. */
  readonly language: string;
  /** What the name says besides: empty, or words. */
  readonly label: string;
  /** Shows only what is not in the film's own language. */
  readonly forced: boolean;
  /** Made for people who do not hear the sound. */
  readonly hearingImpaired: boolean;
}

/** The number of a film's first subtitle file: those files go on after the highest of the tracks inside the film. */
export const firstSidecarNumber = (embedded: readonly { readonly number: number }[]): number =>
  Math.max(0, ...embedded.map(({ number }) => number)) + 1;

/** Above this many a player's menu helps nobody. */
const sidecarLimit = 40;

const languageName = /^[a-z]{2,3}(?:[-_](?:[a-z]{4}|[a-z]{2}|\d{3}))?$/i;
const hearingWords = new Set(["sdh", "cc", "hi"]);

/**
 * The subtitles of one video: `Name.en.srt`, `Name.en.forced.srt`, `Name.de.sdh.vtt`, `Name.srt`, where `Name` is the
 * video's own name without extension. In order of name, at most 40.
 */
export function sidecarsOf(path: string, { folder, subtitles }: Pick<Beside, "folder" | "subtitles">): Sidecar[] {
  const { stem } = splitExtension(path.split("/").at(-1) ?? "");
  return subtitles
    .flatMap((name): Sidecar[] => {
      const { stem: own, extension } = splitExtension(name);
      if (own !== stem && !own.startsWith(`${stem}.`)) return [];
      const words = own
        .slice(stem.length + 1)
        .split(".")
        .filter((word) => word !== "");
      const lower = words.map((word) => word.toLowerCase());
      const forced = lower.includes("forced");
      // "hi" is Hindi where it stands first and a mark for the hearing impaired after a language.
      const languageAt = lower.findIndex(
        (word, index) =>
          languageName.test(word) && !(hearingWords.has(word) && !(word === "hi" && index === 0 && lower.length === 1)),
      );
      const hearingImpaired = lower.some((word, index) => hearingWords.has(word) && index !== languageAt);
      const rest = words.filter(
        (_word, index) =>
          index !== languageAt &&
          !hearingWords.has(lower[index] ?? "") &&
          !["forced", "default"].includes(lower[index] ?? ""),
      );
      return [
        {
          path: folder === "" ? name : `${folder}/${name}`,
          format: extension === "vtt" ? "vtt" : "srt",
          language: languageTag(words[languageAt]),
          label: displayName(rest.join(" ")),
          forced,
          hearingImpaired,
        },
      ];
    })
    .slice(0, sidecarLimit);
}

/** `pt_br` → `pt-BR`: the form of BCP 47 (RFC 5646 section 2.1.1). */
function languageTag(word: string | undefined): string {
  if (word === undefined) return "und";
  const [language = "und", sub] = word.split(/[-_]/);
  if (sub === undefined) return language.toLowerCase();
  const region = sub.length === 4 ? `${sub.charAt(0).toUpperCase()}${sub.slice(1).toLowerCase()}` : sub.toUpperCase();
  return `${language.toLowerCase()}-${region}`;
}

/**
 * Pictures that can be a video's poster, best first, relative to the root: the video's own (`Name-poster.jpg`,
 * `Name-thumb.jpg`, `Name.jpg`), then its folder's (`poster`, `folder`, `cover`, last `fanart`) if the folder is its own,
 * then its season's (`Season01-poster`) and its series' own.
 */
export function picturesOf(path: string, beside: Beside): string[] {
  const placement = readPath(path);
  const { stem } = splitExtension(path.split("/").at(-1) ?? "");
  const own = byStems(beside.folder, beside.pictures, [`${stem}-poster`, `${stem}-thumb`, stem]);
  if (placement === undefined) return own;
  if (placement.kind === "film") {
    const isAlone = beside.folder !== "" && (beside.videoCount === 1 || allVersions(path, beside));
    return isAlone ? [...own, ...byStems(beside.folder, beside.pictures, folderStems)] : own;
  }
  const { season } = placement;
  const seasonStems = [
    `season${String(season).padStart(2, "0")}-poster`,
    `season${season}-poster`,
    ...(season === 0 ? ["season-specials-poster"] : []),
  ];
  const folderName = beside.folder.split("/").at(-1) ?? "";
  const inSeasonFolder = seasonOf(folderName) !== undefined;
  const above = inSeasonFolder ? beside.picturesAbove : null;
  return [
    ...own,
    ...byStems(beside.folder, beside.pictures, seasonStems),
    ...(above === null || above.folder === "" ? [] : byStems(above.folder, above.pictures, seasonStems)),
    ...(beside.folder === "" ? [] : byStems(beside.folder, beside.pictures, folderStems)),
    ...(above === null || above.folder === "" ? [] : byStems(above.folder, above.pictures, folderStems)),
  ];
}

const folderStems = ["poster", "folder", "cover", "movie", "fanart"];

/** `Title (Year)/Title (Year) - 1080p.mkv` beside ` - 4K.mkv`: the folder is named like the film. */
function allVersions(path: string, { folder }: Beside): boolean {
  const placement = readPath(path);
  const outer = readPath(`${folder.split("/").at(-1) ?? ""}.mkv`);
  return (
    placement?.kind === "film" &&
    outer?.kind === "film" &&
    fold(placement.name) === fold(outer.name) &&
    placement.year === outer.year
  );
}

function byStems(folder: string, pictures: readonly string[], stems: readonly string[]): string[] {
  return stems.flatMap((wanted) =>
    pictures
      .filter((name) => splitExtension(name).stem.toLowerCase() === wanted.toLowerCase())
      .map((name) => (folder === "" ? name : `${folder}/${name}`)),
  );
}
