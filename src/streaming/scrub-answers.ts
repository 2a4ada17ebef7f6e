import {
  picturesInSheet,
  readLayout,
  readSheet,
  scrubName,
  sheetColumns,
  type ScrubLayout,
} from "../library/scrub/picture-file.ts";
import type { PlayableFile } from "../library/titles.ts";
import { vttTime } from "./cues.ts";
import type { MediaAnswer } from "./routes.ts";

const missing: MediaAnswer = { kind: "missing" };

/** `cues.vtt` or `<n>.jpg` of a film's scrub pictures; `missing` where there are none, which keeps nobody from playing it. */
export async function scrubAnswer(
  dataDir: string,
  { fileId, fingerprint }: Pick<PlayableFile, "fileId" | "fingerprint">,
  name: string,
): Promise<MediaAnswer> {
  const file = scrubName(fileId, fingerprint);
  const etag = `"${file}-${name}"`;
  if (name === "cues.vtt") {
    const layout = await readLayout(dataDir, file);
    if (layout === undefined) return missing;
    return { kind: "found", contentType: "text/vtt; charset=utf-8", body: writeCues(layout), etag };
  }
  const digits = /^(0|[1-9]\d?)\.jpg$/.exec(name)?.[1];
  if (digits === undefined) return missing;
  const body = await readSheet(dataDir, file, Number(digits));
  return body === undefined ? missing : { kind: "found", contentType: "image/jpeg", body, etag };
}

/**
 * WebVTT whose cues are addresses of parts of pictures, as players agree on: `0.jpg#xywh=0,0,256,144` (Media Fragments URI 1.0
 * section 4.2.2), relative to the cues' own address.
 */
function writeCues({ places, everySeconds, durationSeconds, width, height }: ScrubLayout): string {
  const cues = places.map((place, number) => {
    const inSheet = number % picturesInSheet;
    const x = (inSheet % sheetColumns) * width;
    const y = Math.trunc(inSheet / sheetColumns) * height;
    const begins = place * everySeconds;
    // The last place has what is left over, at most a second.
    const ends = begins + everySeconds + 1 >= durationSeconds ? durationSeconds : begins + everySeconds;
    const sheet = Math.trunc(number / picturesInSheet);
    return `${timeOf(begins)} --> ${timeOf(ends)}\n${sheet}.jpg#xywh=${x},${y},${width},${height}\n`;
  });
  return ["WEBVTT\n", ...cues].join("\n");
}

const timeOf = (seconds: number): string => vttTime(Math.round(seconds * 1_000));
