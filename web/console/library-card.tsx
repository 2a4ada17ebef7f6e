import { useNow } from "../app/clock.ts";
import type { ConsoleNumbers } from "../app/queries.ts";
import { say, sayCount, sayIfAny, sayOf, showAgo, showNumber } from "../text/say.ts";
import { saidText } from "./said.ts";

type Jobs = ConsoleNumbers["library"];

interface LibraryCardProps {
  readonly titles: ConsoleNumbers["titles"];
  readonly jobs: Jobs;
}

/** What the worker does with the library now, what waits, and what could not be done, with what can be done about it. */
export function LibraryCard({ titles, jobs }: LibraryCardProps) {
  const now = useNow();
  const { scan, pictures, transcoding } = jobs;
  return (
    <section className="card is-wide" aria-labelledby="library-jobs">
      <h2 id="library-jobs">{say("library-jobs.title")}</h2>
      <dl className="facts-list library-jobs">
        <div>
          <dt>{say("library-jobs.files")}</dt>
          <dd>
            {titles.length === 0
              ? say("library-jobs.empty")
              : titles.map(({ state, count }) => `${sayOf("state", state)} ${showNumber(count)}`).join(" · ")}
          </dd>
        </div>
        <div>
          <dt>{say("library-jobs.scan")}</dt>
          <dd>
            {scanText(scan, now)}
            {scan.stillWritten > 0 && ` · ${sayCount("library-jobs.written", scan.stillWritten)}`}
          </dd>
        </div>
        <div>
          <dt>{say("library-jobs.inspecting")}</dt>
          <dd>
            <Paths paths={scan.isRunning ? scan.inspecting : []} />
          </dd>
        </div>
        <div>
          <dt>{say("library-jobs.transcoding")}</dt>
          <dd>
            <Paths paths={transcoding.map(({ path }) => path)} />
          </dd>
        </div>
        <div>
          <dt>{say("library-jobs.pictures")}</dt>
          <dd>
            <Paths paths={pictures.now === null ? [] : [pictures.now.path]} />
            <span className="soft small">
              {say("library-jobs.pictures.counts", {
                made: pictures.made,
                waiting: pictures.waiting,
                failed: pictures.failed,
              })}
            </span>
          </dd>
        </div>
      </dl>
      <h3>{say("library-jobs.failed")}</h3>
      <Failed jobs={jobs} titles={titles} now={now} />
      <p className="soft small">{say("library-jobs.what")}</p>
    </section>
  );
}

function scanText(scan: Jobs["scan"], now: number): string {
  if (scan.isRunning && scan.finishedAt !== null) return say("library-jobs.posters");
  if (scan.isRunning) return say("library-jobs.inspected", { done: scan.inspected, count: scan.toInspect });
  if (scan.isWaiting) return say("library-jobs.scan.waits");
  if (scan.finishedAt === null) return say("library-jobs.scan.never");
  return sayCount("library-jobs.scan.last", scan.files, { ago: showAgo(scan.finishedAt, now) });
}

function Paths({ paths }: { readonly paths: readonly string[] }) {
  if (paths.length === 0) return <>{say("library-jobs.nothing")}</>;
  return (
    <ul className="plain-list">
      {paths.map((path) => (
        <li key={path}>{path}</li>
      ))}
    </ul>
  );
}

function Failed({ jobs, titles, now }: LibraryCardProps & { readonly now: number }) {
  const { failed, broken, scan } = jobs;
  const damaged = titles.find(({ state }) => state === "damaged")?.count ?? 0;
  const unnamed = damaged + jobs.pictures.failed - failed.length;
  if (failed.length === 0 && broken.length === 0 && scan.notInspected === 0) {
    return <p className="soft">{say("library-jobs.failed.none")}</p>;
  }
  return (
    <ul className="plain-list">
      {broken.map(({ task, error }) => (
        <li key={task}>
          <strong>{sayOf("library-jobs.broken", task)}</strong>
          <span lang="en">{error}</span>
          <span className="soft small">{say("library-jobs.broken.do")}</span>
        </li>
      ))}
      {scan.notInspected > 0 && (
        <li>
          <strong>{sayCount("library-jobs.not-inspected", scan.notInspected)}</strong>
          <span className="soft small">{say("library-jobs.broken.do")}</span>
        </li>
      )}
      {failed.map((one) => {
        const { text, language } = saidText(one.problem);
        return (
          <li key={`${one.kind} ${one.path}`}>
            <strong>{one.path}</strong>
            <span>
              {say(`library-jobs.failed.${one.kind}`)}: <span lang={language}>{text}</span>
            </span>
            <span className="soft small">{whatToDo(one, now)}</span>
          </li>
        );
      })}
      {unnamed > 0 && <li className="soft">{sayCount("library-jobs.more", unnamed)}</li>}
    </ul>
  );
}

function whatToDo({ kind, problem, againAt }: Jobs["failed"][number], now: number): string {
  if (kind === "film") return sayIfAny(`library-jobs.do.film.${problem}`) ?? say("library-jobs.do.film");
  if (againAt === null) return say("library-jobs.do.pictures");
  return say("library-jobs.do.pictures.again", { when: showAgo(againAt, now) });
}
