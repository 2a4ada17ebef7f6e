import { execFile } from "node:child_process";
import { lstat, mkdir, rename, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where films stay from run to run: rendering one takes longer than measuring it. */
const cacheFolder = join(tmpdir(), `houselights-bench-films-${userInfo().uid}`);

/**
 * A film of 1080p H.264 with B-frames at a steady rate of so many Mbit/s, key frames every 2 s, and stereo AAC, as MP4 and, the same
 * samples, as MKV. Rendered once by ffmpeg (about as long as it lasts) and kept in the system's temporary folder.
 */
export async function benchFilm(seconds: number, container: "mp4" | "mkv", megabits = 6): Promise<string> {
  await mkdir(cacheFolder, { recursive: true, mode: 0o700 });
  const facts = await lstat(cacheFolder);
  if (!facts.isDirectory() || facts.uid !== userInfo().uid) throw new Error(`${cacheFolder} belongs to somebody else`);
  const path = join(cacheFolder, `film-1-${seconds}${megabits === 6 ? "" : `-${megabits}`}.${container}`);
  if (await exists(path)) return path;
  // Written beside and renamed: a run that was ended leaves no half film that the next would take for whole.
  const unfinished = join(cacheFolder, `unfinished-${process.pid}.${container}`);
  const words =
    container === "mkv"
      ? ["-i", await benchFilm(seconds, "mp4", megabits), ..."-map 0 -c copy".split(" ")]
      : [
          ...`-f lavfi -i testsrc2=size=1920x1080:rate=24:duration=${seconds}`.split(" "),
          ...`-f lavfi -i sine=frequency=330:sample_rate=48000:duration=${seconds}`.split(" "),
          ..."-c:v libx264 -preset superfast -bf 3 -g 48 -sc_threshold 0 -pix_fmt yuv420p".split(" "),
          // Filled up to the rate: a test card alone compresses to a fraction of what a film has.
          ...["-b:v", "-minrate", "-maxrate", "-bufsize"].flatMap((name) => [name, `${megabits}M`]),
          ..."-x264-params nal-hrd=cbr".split(" "),
          ..."-c:a aac -b:a 160k -ac 2 -movflags +faststart".split(" "),
        ];
  try {
    await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...words, unfinished], { timeout: 300_000 });
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  return path;
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
