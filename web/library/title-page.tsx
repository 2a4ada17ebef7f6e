import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { TitleDetail, TitleSummary } from "../../src/wire/titles.ts";
import { Failed } from "../app/failed.tsx";
import { PageFrame } from "../app/page-frame.tsx";
import { titleQuery } from "../app/queries.ts";
import { say, showLanguage, showPosition } from "../text/say.ts";
import { Poster } from "./poster.tsx";
import { caption } from "./shelf.tsx";
import "./library.css";

export function TitlePage() {
  const { id } = useParams({ from: "/title/$id" });
  const title = useQuery(titleQuery(id));
  // The player's code arrives while the page is read, so that the film starts at the first press.
  useEffect(() => {
    const timer = setTimeout(() => void import("../player/watch-page.tsx"), 300);
    return () => clearTimeout(timer);
  }, []);
  return (
    <PageFrame title={title.data?.name ?? ""} className="title-page">
      {title.isPending ? (
        <div className="title-head is-coming" role="status">
          <span className="visually-hidden">{say("title.loading")}</span>
          <span className="poster skeleton" />
          <div className="title-words">
            <span className="skeleton is-heading" />
            <span className="skeleton is-line" />
            <span className="skeleton is-line" />
          </div>
        </div>
      ) : title.isLoadingError ? (
        <Failed error={title.error} retry={() => title.refetch()} />
      ) : (
        <Details key={title.data.id} title={title.data} />
      )}
    </PageFrame>
  );
}

function Details({ title }: { readonly title: TitleDetail }) {
  const resumes = title.progress !== null && title.progress.positionSeconds > 0 && !title.progress.watched;
  return (
    <>
      <section className="title-head" style={{ "--glow": title.poster?.colour ?? "#3a2a12" }}>
        {title.poster !== null && <img className="featured-glow" src={title.poster.path} alt="" aria-hidden="true" />}
        <Poster title={title} eager />
        <div className="title-words">
          {title.seriesName !== null && <p className="featured-series">{title.seriesName}</p>}
          <h1>{title.name}</h1>
          <p className="lead">{caption(title)}</p>
          {title.playable ? (
            <div className="buttons">
              <Link to="/watch/$id" params={{ id: title.id }} className="button">
                <span aria-hidden="true">▶</span>{" "}
                {resumes && title.progress !== null
                  ? say("title.resume", { time: showPosition(title.progress.positionSeconds) })
                  : say("title.play")}
              </Link>
              {resumes && (
                <Link to="/watch/$id" params={{ id: title.id }} search={{ from: "start" }} className="button-quiet">
                  {say("title.restart")}
                </Link>
              )}
            </div>
          ) : (
            <div className="notice">
              <strong>{say("title.damaged.title")}</strong>
              <span>{say("title.damaged.what")}</span>
            </div>
          )}
          {title.overview !== null && <p className="overview">{title.overview}</p>}
          <dl className="title-facts">
            <dt>{say("title.picture")}</dt>
            <dd>{title.height > 0 ? `${title.width} × ${title.height}` : say("title.none")}</dd>
            {title.audio.some(({ language, label }) => label !== "" || showLanguage(language) !== "") && (
              <>
                <dt>{say("title.audio")}</dt>
                <dd>{names(title.audio)}</dd>
              </>
            )}
            <dt>{say("title.subtitles")}</dt>
            <dd>{names(title.subtitles)}</dd>
          </dl>
        </div>
      </section>
      {title.episodes.length > 0 && <Episodes title={title} />}
      {title.chapters.length > 0 && (
        <section className="shelf" aria-labelledby="chapters">
          <h2 id="chapters">{say("title.chapters")}</h2>
          <ol className="chapters">
            {title.chapters.map((chapter) => (
              <li key={chapter.startSeconds}>
                <ChapterRow title={title} chapter={chapter} />
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  );
}

/** A chapter leads to its place in the film. */
function ChapterRow({
  title,
  chapter,
}: {
  readonly title: TitleDetail;
  readonly chapter: TitleDetail["chapters"][number];
}) {
  const words = (
    <>
      <span>{chapter.name}</span> <span className="soft">{showPosition(chapter.startSeconds)}</span>
    </>
  );
  if (!title.playable) return <span className="chapter">{words}</span>;
  const search = chapter.startSeconds > 0 ? { at: chapter.startSeconds } : { from: "start" as const };
  return (
    <Link to="/watch/$id" params={{ id: title.id }} search={search} className="chapter">
      {words}
    </Link>
  );
}

const names = (tracks: readonly { readonly language: string; readonly label: string }[]): string =>
  tracks.length === 0
    ? say("title.none")
    : [...new Set(tracks.map(({ language, label }) => label || showLanguage(language) || say("title.unnamed")))].join(
        ", ",
      );

function Episodes({ title }: { readonly title: TitleDetail }) {
  const seasons = [...new Set(title.episodes.map(({ season }) => season ?? 0))].toSorted((a, b) => a - b);
  const [season, setSeason] = useState(title.season ?? seasons[0] ?? 0);
  const shown = title.episodes.filter((episode) => (episode.season ?? 0) === season);
  return (
    <section className="shelf" aria-labelledby="episodes">
      <div className="shelf-heading">
        <h2 id="episodes">{say("title.episodes")}</h2>
        {seasons.length > 1 && (
          <div className="seasons" role="group" aria-label={say("title.episodes")}>
            {seasons.map((one) => (
              <button key={one} type="button" aria-pressed={one === season} onClick={() => setSeason(one)}>
                {say("title.season", { season: one })}
              </button>
            ))}
          </div>
        )}
      </div>
      <ol className="episodes">
        {shown.map((episode) => (
          <li key={episode.id}>
            <Episode episode={episode} current={episode.id === title.id} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Episode({ episode, current }: { readonly episode: TitleSummary; readonly current: boolean }) {
  return (
    <Link
      to={episode.playable ? "/watch/$id" : "/title/$id"}
      params={{ id: episode.id }}
      className="episode"
      aria-current={current ? "true" : undefined}
    >
      <Poster title={episode} wide />
      <span className="episode-words">
        <span className="title-name">
          {episode.episode !== null && `${episode.episode}. `}
          {episode.name}
        </span>
        <span className="title-caption">{caption(episode)}</span>
        {episode.progress !== null && !episode.progress.watched && (
          <progress
            className="title-progress"
            aria-hidden="true"
            value={episode.progress.positionSeconds}
            max={episode.progress.durationSeconds}
          />
        )}
      </span>
    </Link>
  );
}
