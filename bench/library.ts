import { copyFile, mkdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Db } from "../src/db/db.ts";
import { dayMs, plus, systemClock, toDate } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { openInspector } from "../src/library/inspect-file.ts";
import { scanLibrary } from "../src/library/scan.ts";
import type { Bench } from "./bench.ts";
import { temporaryFolder } from "./surroundings.ts";

/** A library with one film in it, scanned into the database. @returns its folder. */
export async function libraryWith({ onEnd }: Pick<Bench, "onEnd">, db: Db, film: string): Promise<string> {
  const libraryDir = join(await temporaryFolder({ onEnd }), "library");
  const inspector = openInspector({ log: silentLog });
  onEnd(() => inspector.close());
  await mkdir(libraryDir, { recursive: true });
  const path = join(libraryDir, "The Long Evening (2026).mp4");
  await copyFile(film, path);
  // A file that has just changed is left for the next scan.
  const longAgo = toDate(plus(systemClock.now(), -dayMs));
  await utimes(path, longAgo, longAgo);
  await scanLibrary(
    {
      db,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      libraryDir,
      inspect: (file, signal) => inspector.inspect(file, signal),
    },
    AbortSignal.timeout(60_000),
  );
  return libraryDir;
}

/** The folder of the picture's segments, below a grant that a session asks for. Of the first title there is. */
export async function pictureFolder(ask: (method: "GET" | "POST", path: string) => Promise<string>): Promise<string> {
  const { titles } = JSON.parse(await ask("GET", "/api/titles")) as {
    readonly titles: readonly { readonly id: string }[];
  };
  const granted = await ask("POST", `/api/titles/${titles[0]?.id ?? ""}/grants`);
  const { playlist } = JSON.parse(granted) as { readonly playlist: string };
  return playlist.replace(/master\.m3u8$/, "video/");
}
