import { Link } from "@tanstack/react-router";
import { useId } from "react";
import type { TitleSummary } from "../../src/wire/titles.ts";
import { say, sayCount } from "../text/say.ts";
import { Poster } from "./poster.tsx";
import type { Series } from "./series.ts";

/** What stands under a poster: the episode's place, the time left, or the year. */
export function caption(title: TitleSummary): string {
  if (!title.playable) return say("library.damaged");
  const { progress } = title;
  const parts: string[] = [];
  if (title.kind === "episode" && title.season !== null && title.episode !== null) {
    parts.push(`${say("library.episode", { season: title.season, episode: title.episode })}`);
  } else if (title.year !== null) parts.push(String(title.year));
  if (progress?.watched === true) parts.push(say("library.watched"));
  else if (progress !== null && progress.positionSeconds > 0) {
    const left = Math.max(1, Math.round((progress.durationSeconds - progress.positionSeconds) / 60));
    parts.push(sayCount("library.minutes-left", left));
  } else parts.push(say("library.minutes", { count: Math.max(1, Math.round(title.durationSeconds / 60)) }));
  return parts.join(" · ");
}

const share = (title: TitleSummary): number =>
  title.progress === null || title.progress.watched || title.progress.durationSeconds <= 0
    ? 0
    : Math.min(1, title.progress.positionSeconds / title.progress.durationSeconds);

/** How much of a title was seen, as a line in its picture; nothing while it is not begun, or once it is over. */
export function SeenPart({ title }: { readonly title: TitleSummary }) {
  const part = share(title);
  return part > 0 ? <progress className="title-progress" value={part} max={1} aria-hidden="true" /> : null;
}

interface TitleCardProps {
  readonly title: TitleSummary;
  readonly eager?: boolean;
  readonly wide?: boolean;
  /** Goes straight to the film instead of to its page. */
  readonly play?: boolean;
  /** Says what an episode is called, where several of a series stand together. */
  readonly named?: boolean;
}

export function TitleCard({ title, eager = false, wide = false, play = false, named = wide }: TitleCardProps) {
  return (
    <Link
      to={play && title.playable ? "/watch/$id" : "/title/$id"}
      params={{ id: title.id }}
      className={`title-card${title.playable ? "" : " is-damaged"}`}
    >
      <span className="title-picture">
        <Poster title={title} eager={eager} wide={wide} />
        {play && title.playable && (
          <span className="title-play" aria-hidden="true">
            ▶
          </span>
        )}
        <SeenPart title={title} />
      </span>
      <span className="title-name" title={title.seriesName ?? title.name}>
        {title.seriesName ?? title.name}
      </span>
      <span className="title-caption">
        {title.seriesName === null ? caption(title) : `${caption(title)}${named ? ` · ${title.name}` : ""}`}
      </span>
    </Link>
  );
}

export function SeriesCard({ series, eager = false }: { readonly series: Series; readonly eager?: boolean }) {
  return (
    <Link to="/title/$id" params={{ id: series.openId }} className="title-card">
      <span className="title-picture">
        <Poster title={{ id: series.id, name: series.name, poster: series.poster }} eager={eager} />
      </span>
      <span className="title-name" title={series.name}>
        {series.name}
      </span>
      <span className="title-caption">{sayCount("library.episodes", series.episodes.length)}</span>
    </Link>
  );
}

interface ShelfProps {
  readonly heading: string;
  readonly children: React.ReactNode;
  /** Fills the width in rows; otherwise one row that scrolls. */
  readonly grid?: boolean;
  readonly wide?: boolean;
}

export function Shelf({ heading, children, grid = false, wide = false }: ShelfProps) {
  const id = useId();
  return (
    <section className="shelf" aria-labelledby={id}>
      <h2 id={id}>{heading}</h2>
      <ul className={`${grid ? "shelf-grid" : "shelf-row"}${wide ? " is-wide" : ""}`}>{children}</ul>
    </section>
  );
}
