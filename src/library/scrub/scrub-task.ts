import { lstat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { FileId } from "../../kernel/brand.ts";
import { minuteMs, secondMs, sleep, type Clock } from "../../kernel/clock.ts";
import type { Log } from "../../kernel/log.ts";
import type { Db } from "../../db/db.ts";
import { defineTask, enqueue, type TaskDefinition } from "../../jobs/jobs.ts";
import { isUnderWay } from "../../jobs/queue.ts";
import { fileProblems } from "../file-problems.ts";
import { fingerprintOf } from "../walk.ts";
import {
  beginTry,
  endTry,
  forgetTry,
  nextCandidate,
  tidyPictures,
  type ScrubCandidate,
  type ScrubNeeds,
} from "./keep-pictures.ts";
import { makePictures } from "./make-pictures.ts";
import { scrubFolder, scrubName, writePictures } from "./picture-file.ts";

export type ScrubTaskNeeds = ScrubNeeds & { readonly log: Log };

/** With less left on the disk of the data folder there are no new pictures: the database needs it more. */
const leastFreeBytes = 2 ** 30;
/** Then what has gone meanwhile is removed, and it goes on. */
const turnMs = 10 * minuteMs;
/** How often it is looked whether a scan wants the disk. */
const lookMs = secondMs;

/** Asks for the pictures that are not there yet. At most one request waits, and one film is read at a time, on all hosts together. */
export async function requestPictures({ db }: { readonly db: Db }): Promise<void> {
  await db.transaction((tx) => enqueue(tx, "scrub-pictures", {}, { key: "scrub-pictures", queue: "scrub-pictures" }));
}

/** `scrub-pictures` makes what is missing, film after film, and removes what belongs to none. */
export function scrubTask(needs: ScrubTaskNeeds, turn = turnMs): TaskDefinition {
  return defineTask("scrub-pictures", async (_payload, { signal, log }) => {
    const { clock, dataDir } = needs;
    const until = clock.now() + turn;
    const missing = [...(await tidyPictures(needs))];
    while (!signal.aborted) {
      const candidate = await nextCandidate(needs, missing);
      if (candidate === undefined) return;
      if (clock.now() >= until) return requestPictures(needs);
      const { bavail, bsize } = await statfs(scrubFolder(dataDir));
      if (bavail * bsize < leastFreeBytes) {
        log.info("less than 1 GiB is free on the disk of the data folder: no scrub pictures are made");
        return;
      }
      forget(missing, candidate.fileId);
      await makeOne(needs, candidate, signal);
    }
  });
}

function forget(files: FileId[], fileId: FileId): void {
  const at = files.indexOf(fileId);
  if (at >= 0) files.splice(at, 1);
}

async function makeOne(needs: ScrubTaskNeeds, candidate: ScrubCandidate, signal: AbortSignal): Promise<void> {
  const { db, clock, libraryDir, log } = needs;
  const { path, fileId, fingerprint } = candidate;
  const full = join(libraryDir, path);
  await beginTry(needs, candidate);
  try {
    // A pipe or a link put there since the scan is not opened; a film that changed is the next scan's.
    const before = await lstat(full, { bigint: true }).catch(() => undefined);
    if (before === undefined || !before.isFile() || fingerprintOf(before) !== fingerprint) {
      await endTry(db, candidate, fileProblems.changed);
      return;
    }
    const pause = waitForScans(needs, signal);
    const outcome = await makePictures({ clock, pause }, { ...candidate, path: full }, signal);
    if (outcome.kind === "stopped") {
      await forgetTry(db, candidate);
      return;
    }
    if (outcome.kind === "failed") {
      log.info({ path, reason: outcome.reason }, "no scrub pictures could be made");
      await endTry(db, candidate, outcome.reason);
      return;
    }
    await writePictures(needs, scrubName(fileId, fingerprint), outcome.pictures);
    await endTry(db, candidate, null);
  } catch (thrown) {
    // Of our own making: a full disk, a database that is away, no ffmpeg. The film is not to blame, and the job is tried again.
    await forgetTry(db, candidate).catch(() => undefined);
    throw thrown;
  }
}

/** Lets scans go first: returns at once if none was under way a second ago. */
function waitForScans(
  { db, clock }: { readonly db: Db; readonly clock: Clock },
  signal: AbortSignal,
): () => Promise<void> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    while (!signal.aborted && clock.now() - lookedAt >= lookMs) {
      lookedAt = clock.now();
      if (!(await isUnderWay(db, "scan-library"))) return;
      await sleep(lookMs, signal);
    }
  };
}
