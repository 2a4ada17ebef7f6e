/** Why a film cannot be played or pictured, as the log and the row have it; the console says it in its reader's language. */
export const fileProblems = {
  notUtf8: "its name is not UTF-8; rename it",
  notAFile: "it is not a file",
  forbidden: "the service may not read it",
  noVideo: "it has no video track",
  noSize: "its picture has no size",
  oversized: "its headers say more than a film has",
  noLength: "its length is not known",
  noCodec: "its video codec is not known",
  // ffprobe's own words for what is no film at all.
  invalid: "Invalid data found when processing input",
  probeSlow: "ffprobe took too long",
  probeTalks: "ffprobe had too much to say",
  probeUnreadable: "ffprobe's answer cannot be read",
  slow: "ffmpeg took too long",
  heavy: "ffmpeg took too much time or memory",
  large: "ffmpeg made more than it should",
  changed: "it is not what the scan found",
  longMaking: "its pictures take too long",
  noPicture: "there is no picture at a place that it should have",
} as const;

/** What comes of ffmpeg's own words, without the addresses of its objects and the path, which the row has. */
export const undecodable = (words: string): string =>
  `ffmpeg cannot decode it: ${words.replaceAll(/\[[^\]]*\]\s*/g, "").replaceAll(/file:\/.*?: /gs, "")}`;
