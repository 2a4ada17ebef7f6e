import { execFile } from "node:child_process";
import { access, mkdir, readFile, rename, rm, truncate, writeFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Films of 16 s at 320x180 with a moving test card and a beep each second, one kind per difficulty. */
export const fixtureKinds = [
  "h264-aac-mp4",
  "mkv-bframes-ac3-51",
  "vp9-opus-webm",
  "mpeg2-ts",
  "h264-23976-subtitles-mkv",
  "truncated-mp4",
  "hostile-name",
  "av1-opus-mp4",
  "hevc-mp4",
] as const;
export type FixtureKind = (typeof fixtureKinds)[number];

export const fixtureSeconds = 16;

/** Both kinds of quotes, a newline and a dash in front: what a command line or a playlist must survive. */
export const hostileName = `-i "it's\n$(a)%05d" file.mkv`;

const usualName: Record<FixtureKind, string> = {
  "h264-aac-mp4": "Steady (2020).mp4",
  "mkv-bframes-ac3-51": "Surround (2021).mkv",
  "vp9-opus-webm": "Web (2019).webm",
  "mpeg2-ts": "Broadcast (1998).ts",
  "h264-23976-subtitles-mkv": "Spoken (2022).mkv",
  "truncated-mp4": "Cut Short (2018).mp4",
  "hostile-name": hostileName,
  "av1-opus-mp4": "Newer (2024).mp4",
  "hevc-mp4": "Dense (2023).mp4",
};

/** Arguments that hold no spaces. */
const words = (text: string): string[] => text.split(" ");

const x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p", "-sc_threshold", "0"];
const x264WithB = ["-c:v", "libx264", "-preset", "superfast", "-threads", "1", "-pix_fmt", "yuv420p", "-bf", "3"];
const aac = ["-c:a", "aac", "-b:a", "96k"];

interface Recipe {
  readonly rate: string;
  readonly channels?: number;
  /** Codecs and what else stands before the output. */
  readonly output: readonly string[];
  /** Without it on the machine there is no such fixture. */
  readonly encoder?: string;
}

const recipes: Record<FixtureKind, Recipe> = {
  "h264-aac-mp4": { rate: "24", output: [...x264WithB, "-g", "48", ...aac, "-movflags", "+faststart"] },
  "mkv-bframes-ac3-51": {
    rate: "24",
    channels: 6,
    output: [...x264WithB, "-g", "48", "-c:a", "ac3", "-b:a", "384k", "-metadata:s:a:0", "language=ger"],
  },
  "vp9-opus-webm": {
    rate: "25",
    output: [
      ...words("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k -g 50"),
      ...words("-threads 1 -c:a libopus -b:a 64k"),
    ],
  },
  // A broadcast: MPEG-2 with B-frames and sound, times that do not begin at 0.
  "mpeg2-ts": {
    rate: "25",
    output: [
      ...words("-c:v mpeg2video -b:v 600k -bf 2 -g 12 -threads 1"),
      ...words("-c:a mp2 -b:a 128k -output_ts_offset 40000"),
    ],
  },
  "h264-23976-subtitles-mkv": { rate: "24000/1001", output: [...x264WithB, "-g", "48", ...aac] },
  "truncated-mp4": { rate: "24", output: [...x264, "-g", "48", ...aac, "-movflags", "+faststart"] },
  "hostile-name": { rate: "24", output: [...x264, "-g", "48", ...aac] },
  "av1-opus-mp4": {
    rate: "24",
    output: [
      ...words("-c:v libsvtav1 -preset 12 -g 48 -svtav1-params lp=1"),
      ...words("-pix_fmt yuv420p -c:a libopus -b:a 64k"),
    ],
    encoder: "libsvtav1",
  },
  "hevc-mp4": {
    rate: "24",
    output: [
      ...words("-c:v libx265 -preset ultrafast -x265-params log-level=error:pools=1:keyint=48"),
      "-tag:v",
      "hvc1",
      "-pix_fmt",
      "yuv420p",
      ...aac,
    ],
    encoder: "libx265",
  },
};

/** Whether this machine's ffmpeg can make a kind. */
export async function canMakeFixture(kind: FixtureKind): Promise<boolean> {
  const { encoder } = recipes[kind];
  if (encoder === undefined) return true;
  const { stdout } = await run("ffmpeg", ["-hide_banner", "-encoders"]);
  return stdout.includes(` ${encoder} `);
}

/**
 * Renders a film into `dir` with ffmpeg's own sources, 0.3 to 1.5 s of one core, or finds it there from before. `name` is
 * the file's name instead of the usual one. `h264-23976-subtitles-mkv` brings `.en.srt` and `.de.vtt` beside it.
 *
 * @returns its path.
 */
export async function makeFixture(kind: FixtureKind, dir: string, name = usualName[kind]): Promise<string> {
  const path = join(dir, name);
  if (await exists(path)) return path;
  await mkdir(dir, { recursive: true });
  const { rate, channels = 2, output } = recipes[kind];
  const tones = [440, 550, 330, 110, 660, 770].slice(0, channels);
  const sound = tones.map((hz) => `sine=f=${hz}:b=4:r=48000:d=${fixtureSeconds}`);
  const merged =
    sound.map((source, index) => `${source}[s${index}]`).join(";") +
    `;${tones.map((_hz, index) => `[s${index}]`).join("")}join=inputs=${channels}:channel_layout=${channels === 6 ? "5.1" : "stereo"}`;
  // Written beside and renamed: a run that was ended leaves no half film that the next would take for whole.
  const unfinished = join(dir, `unfinished-${process.pid}-${kind}${extname(name)}`);
  const extra = kind === "h264-23976-subtitles-mkv" ? await writeTexts(dir, name) : undefined;
  await run(
    "ffmpeg",
    [
      ...words("-hide_banner -loglevel error -nostdin -y"),
      "-f",
      "lavfi",
      "-i",
      `testsrc2=s=320x180:r=${rate}:d=${fixtureSeconds}`,
      "-f",
      "lavfi",
      "-i",
      merged,
      ...(extra === undefined
        ? ["-map", "0:v", "-map", "1:a"]
        : [
            "-i",
            `file:${extra.srt}`,
            "-i",
            `file:${extra.ass}`,
            "-i",
            `file:${extra.chapters}`,
            ...words("-map 0:v -map 1:a -map 2:s -map 3:s -map_metadata 4"),
            ...words("-c:s:0 subrip -c:s:1 ass"),
            ...words("-metadata:s:s:0 language=eng -metadata:s:s:1 language=fre -metadata:s:s:1 title=Signs"),
          ]),
      ...output,
      `file:${unfinished}`,
    ],
    { maxBuffer: 1024 * 1024 },
  );
  if (extra !== undefined) await Promise.all([rm(extra.ass), rm(extra.chapters)]);
  if (kind === "truncated-mp4") await truncate(unfinished, Math.trunc((await stat(unfinished)).size * 0.6));
  await rename(unfinished, path);
  return path;
}

/** What is said in `h264-23976-subtitles-mkv`, as SubRip. */
export const spokenSrt = `1
00:00:01,000 --> 00:00:02,500
The lights go <i>down</i>.

2
00:00:07,000 --> 00:00:09,000
Who is there?
- Only the usher & his torch.

3
00:00:14,200 --> 00:00:15,700
The End
`;

const spokenVtt = `WEBVTT

00:01.000 --> 00:02.500
Das Licht geht <i>aus</i>.

00:07.000 --> 00:09.000 line:10%
Wer ist da?
`;

const spokenAss = `[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Italic, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Sans,20,&H00FFFFFF,0,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:03.00,0:00:05.00,Default,,0,0,0,,{\\pos(10,20)\\c&H00FF00&}SORTIE{\\b1} de secours{\\b0}
`;

/** The equals sign and the semicolon have a meaning in this format, hence the backslashes. */
const chapterText = `;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=8000
title=Before
[CHAPTER]
TIMEBASE=1/1000
START=8000
END=16000
title=After\\; the \\= sign
`;

async function writeTexts(
  dir: string,
  name: string,
): Promise<{ readonly srt: string; readonly ass: string; readonly chapters: string }> {
  const stem = basename(name, extname(name));
  const srt = join(dir, `${stem}.en.srt`);
  const ass = join(dir, `unfinished-${process.pid}.ass`);
  const chapters = join(dir, `unfinished-${process.pid}.txt`);
  await mkdir(dirname(srt), { recursive: true });
  await writeFile(srt, spokenSrt);
  await writeFile(join(dir, `${stem}.de.vtt`), spokenVtt);
  await writeFile(ass, spokenAss);
  await writeFile(chapters, chapterText);
  return { srt, ass, chapters };
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The bytes of a fixture, for tests that damage them. */
export const readFixture = async (kind: FixtureKind, dir: string): Promise<Buffer> =>
  readFile(await makeFixture(kind, dir));
