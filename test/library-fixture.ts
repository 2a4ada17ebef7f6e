import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Db } from "../src/db/db.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import type { Inspector } from "../src/library/inspect-file.ts";
import { scanLibrary, type ScanCounts } from "../src/library/scan.ts";
import type { LibraryTaskNeeds } from "../src/library/tasks.ts";

const run = promisify(execFile);

/** A library of its own in the system's temporary folder; the caller removes it (`afterAll(() => library.remove())`). */
export interface TestLibrary {
  readonly folder: string;
  readonly needs: LibraryTaskNeeds;
  /** Puts a copy of a real two-second film there, with a time of change of its own, old enough to be scanned. */
  put(path: string, from?: string): Promise<void>;
  /** Scans and says what was done. */
  scan(): Promise<ScanCounts>;
  remove(): Promise<void>;
  readonly clip: string;
  readonly otherClip: string;
}

export async function testLibrary(db: Db, inspector: Inspector): Promise<TestLibrary> {
  const base = await mkdtemp(join(tmpdir(), "houselights-library-"));
  const folder = join(base, "library");
  const dataDir = join(base, "data");
  await mkdir(folder);
  await mkdir(dataDir);
  const clip = join(base, "clip.mp4");
  const otherClip = join(base, "other.mkv");
  await render(clip, "testsrc2=size=128x72:rate=12", 440);
  await render(otherClip, "mandelbrot=size=160x90:rate=12:maxiter=50", 660);
  const needs: LibraryTaskNeeds = {
    db,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    libraryDir: folder,
    dataDir,
    inspect: (path, signal) => inspector.inspect(path, signal),
  };
  let age = 0;
  return {
    folder,
    needs,
    clip,
    otherClip,
    remove: () => rm(base, { recursive: true, force: true }),
    put: async (path, from = clip) => {
      const full = join(folder, path);
      await mkdir(dirname(full), { recursive: true });
      await copyFile(from, full);
      age++;
      const at = new Date(Date.UTC(2020, 0, 1) + age * 1_000);
      await utimes(full, at, at);
    },
    scan: async () => {
      const outcome = await scanLibrary(needs, new AbortController().signal);
      if (outcome.kind !== "scanned") throw new Error("the library is away");
      return outcome.counts;
    },
  };
}

async function render(path: string, source: string, frequency: number): Promise<void> {
  const video = ["-f", "lavfi", "-i", source];
  const sound = ["-f", "lavfi", "-i", `sine=frequency=${frequency}`];
  const codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "12", "-c:a", "aac"];
  await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...video, ...sound, "-t", "2", ...codecs, path]);
}
