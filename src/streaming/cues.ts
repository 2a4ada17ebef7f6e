/** One subtitle: when it shows, and what, in the markup of WebVTT that we write. */
export interface Cue {
  readonly startMs: number;
  readonly endMs: number;
  /** Lines of text with `b`, `i` and `u` at most, escaped and closed. */
  readonly text: string;
  /** Where it stands, as WebVTT writes it; empty for the usual place. */
  readonly settings: string;
}

/** Larger texts are not read. */
export const maxSubtitleBytes = 8 * 1024 * 1024;
const maxCues = 20_000;
/** A cue has a number, times, two or three lines and an empty one. */
const maxLines = 10 * maxCues;
/** Of all cues as they are written: escaping can make five of one character. A long film has some 100,000. */
const maxCharacters = 4 * 1024 * 1024;
const maxCueCharacters = 2_000;
const maxCueLines = 12;
const maxMs = 100 * 3_600_000;

/**
 * The text of a subtitle file: UTF-8 or UTF-16 by its byte order mark, else UTF-8 if it is that throughout, else
 * Windows-1252, which is what old files mostly are. Never fails.
 */
export function decodeSubtitles(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

const timePattern = /^(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[,.](\d{1,3}))?$/;

function readTime(text: string): number | undefined {
  const match = timePattern.exec(text);
  if (match === null) return undefined;
  const [, hours = "0", minutes = "0", seconds = "0", fraction = "0"] = match;
  const ms = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000 + Number(fraction.padEnd(3, "0"));
  return ms <= maxMs ? ms : undefined;
}

/** `00:00:01,000 --> 00:00:02,500 …`, as SubRip and WebVTT write it. */
function readTiming(
  line: string,
): { readonly startMs: number; readonly endMs: number; readonly rest: string } | undefined {
  const arrow = line.indexOf("-->");
  if (arrow === -1 || line.length > 300) return undefined;
  const startMs = readTime(line.slice(0, arrow).trim());
  const [end = "", ...rest] = line
    .slice(arrow + 3)
    .trim()
    .split(/\s+/);
  const endMs = readTime(end);
  return startMs === undefined || endMs === undefined ? undefined : { startMs, endMs, rest: rest.join(" ") };
}

/**
 * Reads SubRip or WebVTT. What is not understood is left out: no input makes it fail. In SubRip a text goes on to the next
 * line of times, since empty lines inside a text are common there; in WebVTT it ends at the first empty line, since notes
 * and styles stand between the cues. In order of time; at most 20,000 cues of 12 lines or
 * 2,000 characters, from the first 200,000 lines, and not much more than 4 million characters of them all.
 */
export function parseCues(source: string): Cue[] {
  const lines = source
    .replace(/^\uFEFF/, "")
    .replaceAll("\0", "")
    .split(/\r\n|\r|\n/, maxLines);
  const isVtt = /^WEBVTT(?:[ \t]|$)/.test(lines[0] ?? "");
  const cues: Cue[] = [];
  let at = 0;
  let characters = 0;
  while (at < lines.length && cues.length < maxCues && characters < maxCharacters) {
    const timing = readTiming(lines[at] ?? "");
    at++;
    if (timing === undefined) continue;
    const first = at;
    while (at < lines.length && readTiming(lines[at] ?? "") === undefined && !(isVtt && lines[at] === "")) at++;
    let last = at;
    // The number of the next cue belongs to it, not to this text.
    if (!isVtt && at < lines.length && last > first && /^\s*\d{1,7}\s*$/.test(lines[last - 1] ?? "")) last--;
    const text = cueText(lines.slice(first, Math.min(last, first + 4 * maxCueLines)), isVtt);
    if (text === "" || timing.endMs <= timing.startMs) continue;
    characters += text.length;
    cues.push({ startMs: timing.startMs, endMs: timing.endMs, text, settings: isVtt ? settingsOf(timing.rest) : "" });
  }
  return cues.toSorted((a, b) => a.startMs - b.startMs);
}

const known =
  /^(?:align:(?:start|center|end|left|right)|line:-?\d{1,3}(?:\.\d{1,3})?%?|(?:position|size):\d{1,3}(?:\.\d{1,3})?%)$/;

const settingsOf = (rest: string): string =>
  rest
    .split(" ")
    .filter((setting) => known.test(setting))
    .slice(0, 4)
    .join(" ");

/** A tag, or what ASS leaves behind in SubRip (`{\an8}`); neither nests, so this runs in one pass. */
const tag = /<(\/?)([a-z]{0,10})[^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}/gi;
const kept = new Set(["b", "i", "u"]);
const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00A0",
  lrm: "\u200E",
  rlm: "\u200F",
};

const escape = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => (character === "\n" || character === "\t" ? character : ""))
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");

/** What stands in the file as text that a player may show: `b`, `i`, `u` in pairs, everything else escaped or left out. */
function cueText(lines: readonly string[], isVtt: boolean): string {
  const source = lines
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .slice(0, maxCueLines)
    .join("\n")
    .slice(0, maxCueCharacters);
  const plain = (text: string): string =>
    escape(isVtt ? text.replace(/&([a-z]{2,4});/g, (whole, name: string) => entities[name] ?? whole) : text);
  const open: string[] = [];
  let out = "";
  let from = 0;
  for (const match of source.matchAll(tag)) {
    out += plain(source.slice(from, match.index));
    from = match.index + match[0].length;
    const name = (match[2] ?? "").toLowerCase();
    if (!kept.has(name)) {
      // `<3` is a heart and no tag; a tag has a name, or is a time in WebVTT.
      if (match[2] === "" && !isVtt && match[1] === "" && match[0].startsWith("<")) out += plain(match[0]);
      continue;
    }
    if (match[1] === "") {
      open.push(name);
      out += `<${name}>`;
    } else if (open.includes(name)) {
      while (open.length > 0) {
        const closing = open.pop();
        out += `</${closing}>`;
        if (closing === name) break;
      }
    }
  }
  out += plain(source.slice(from));
  out += open
    .toReversed()
    .map((name) => `</${name}>`)
    .join("");
  const clean = out
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("\n");
  return clean.replaceAll(/<\/?[biu]>|\s/g, "") === "" ? "" : clean;
}

/** WebVTT section 4: hours, minutes, seconds and milliseconds. */
export function vttTime(ms: number): string {
  const two = (value: number): string => String(Math.trunc(value)).padStart(2, "0");
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1_000) % 60)}.${String(ms % 1_000).padStart(3, "0")}`;
}

/**
 * WebVTT for HLS (RFC 8216 section 3.5): its times count from the film's start. Cues are moved by `offsetMs`, in whole
 * milliseconds; one that would end before the start is left out.
 */
export function writeVtt(cues: readonly Cue[], offsetMs: number): string {
  const moved = cues.flatMap(({ startMs, endMs, text, settings }) => {
    const from = Math.max(0, startMs + offsetMs);
    const to = endMs + offsetMs;
    if (to <= from) return [];
    return [`${vttTime(from)} --> ${vttTime(to)}${settings === "" ? "" : ` ${settings}`}\n${text}\n`];
  });
  return ["WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n", ...moved].join("\n");
}
