import { parseInstant, plus, toIso } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import type { LibraryJobs } from "../wire/library-jobs.ts";
import { mostTries, pauseMs } from "./scrub/keep-pictures.ts";
import type { ScanCounts } from "./scan.ts";

/** Of what failed, so many are named: the newest. */
const mostNamed = 10;

interface Read {
  readonly titles: readonly { readonly state: string; readonly count: number }[];
  readonly pictured: Readonly<Partial<Record<"making" | "made" | "failed", number>>>;
  readonly scan: {
    readonly startedAt: string;
    readonly finishedAt: string | null;
    readonly counts: ScanCounts;
    readonly inspecting: readonly string[];
    readonly toInspect: number;
  } | null;
  readonly running: readonly string[];
  readonly queued: readonly { readonly task: string; readonly error: string | null; readonly isDue: boolean }[];
  readonly picturing: { readonly path: string; readonly since: string } | null;
  readonly damaged: readonly { readonly path: string; readonly problem: string }[];
  readonly unpictured: readonly {
    readonly path: string;
    readonly problem: string;
    readonly tries: number;
    readonly triedAt: string;
  }[];
}

/**
 * How many files are in each state, what the worker does with them now, what waits, and what failed: one statement, whose counts
 * are read from an index and whose lists are short, since the console asks every two seconds.
 */
export async function readLibraryJobs(db: Db): Promise<{
  readonly titles: { readonly state: string; readonly count: number }[];
  readonly jobs: Omit<LibraryJobs, "transcoding">;
}> {
  const row = await db.one<Read>(
    `select
       (select coalesce(json_agg(counted), '[]') from (
          select state, count(*) as count from file group by state order by state) counted) as titles,
       (select coalesce(json_object_agg(state, count), '{}') from (
          select state, count(*) as count from scrub where away_since is null group by state) counted) as pictured,
       (select row_to_json(newest) from (
          select started_at as "startedAt", finished_at as "finishedAt", counts, inspecting, to_inspect as "toInspect"
            from scan order by started_at desc limit 1) newest) as scan,
       (select coalesce(json_agg(queue_name), '[]') from graphile_worker._private_job_queues
         where queue_name in ('scan-library', 'scrub-pictures') and locked_at is not null) as running,
       (select coalesce(json_agg(queued), '[]') from (
          select key as task, last_error as error, run_at <= now() and attempts < max_attempts as "isDue"
            from graphile_worker._private_jobs where key in ('scan-library', 'scrub-pictures')) queued) as queued,
       (select row_to_json(making) from (
          select path, tried_at as since from scrub join file on file.id = file_id
           where scrub.state = 'making' order by tried_at desc limit 1) making) as picturing,
       (select coalesce(json_agg(damaged), '[]') from (
          select path, problem from file where state = 'damaged' order by inspected_at desc limit $1) damaged) as damaged,
       (select coalesce(json_agg(failed), '[]') from (
          select path, scrub.problem, tries, tried_at as "triedAt" from scrub
            join file on file.id = file_id and file.fingerprint = scrub.fingerprint and file.state = 'playable'
           where scrub.state = 'failed' order by tried_at desc limit $1) failed) as unpictured`,
    [mostNamed],
  );
  if (row === undefined) throw new Error("a statement without a row");
  const { titles, scan, running, queued, picturing } = row;
  const { made = 0, failed = 0 } = row.pictured;
  const playable = titles.find(({ state }) => state === "playable")?.count ?? 0;
  const isPicturing = running.includes("scrub-pictures");
  return {
    titles: [...titles],
    jobs: {
      scan: {
        isRunning: running.includes("scan-library"),
        isWaiting: queued.some(({ task, isDue }) => task === "scan-library" && isDue),
        startedAt: scan === null ? null : instant(scan.startedAt),
        finishedAt: scan === null || scan.finishedAt === null ? null : instant(scan.finishedAt),
        files: scan?.counts.files ?? 0,
        toInspect: scan?.toInspect ?? 0,
        inspected: scan?.counts.inspected ?? 0,
        inspecting: [...(scan?.inspecting ?? [])],
        stillWritten: scan?.counts.waiting ?? 0,
        notInspected: scan?.counts.failed ?? 0,
      },
      pictures: {
        now: isPicturing && picturing !== null ? { ...picturing, since: instant(picturing.since) } : null,
        made,
        // Rows of films that changed are there until the next look at them, which a scan asks for.
        waiting: Math.max(0, playable - made - failed),
        failed,
      },
      failed: [
        ...row.damaged.map(({ path, problem }) => ({ kind: "film" as const, path, problem, againAt: null })),
        ...row.unpictured.map(({ path, problem, tries, triedAt }) => ({
          kind: "pictures" as const,
          path,
          problem,
          againAt: tries < mostTries ? toIso(plus(parseInstant(triedAt), pauseMs)) : null,
        })),
      ],
      broken: queued.flatMap(({ task, error }) => (error === null ? [] : [{ task, error: error.slice(0, 500) }])),
    },
  };
}

/** PostgreSQL writes instants in JSON in the session's zone. */
const instant = (text: string): string => toIso(parseInstant(text));
