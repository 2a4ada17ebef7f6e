import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useDeferredValue, useEffect, useRef, useState, type KeyboardEvent } from "react";
import type { TitleSummary } from "../../src/wire/titles.ts";
import { moveFocus } from "../app/arrow-focus.ts";
import { Failed, refusalText } from "../app/failed.tsx";
import { PageFrame } from "../app/page-frame.tsx";
import { searchQuery, titlesPage } from "../app/queries.ts";
import { say, sayCount } from "../text/say.ts";
import { Poster } from "./poster.tsx";
import { newestOf, seriesOf } from "./series.ts";
import { caption, SeriesCard, Shelf, TitleCard } from "./shelf.tsx";
import "./library.css";

const newestShown = 14;

export function LibraryPage() {
  const { search = "" } = useSearch({ from: "/" });
  const navigate = useNavigate();
  const [typed, setTyped] = useState(search);
  /** What the address said last, and what typing has last had it say. */
  const last = useRef({ seen: search, asked: search });
  useEffect(() => {
    const { seen, asked } = last.current;
    last.current.seen = search;
    if (search !== seen && search !== asked) {
      // Not by typing: a link to the library ends the search.
      last.current.asked = search;
      setTyped(search);
      return undefined;
    }
    const timer = setTimeout(() => {
      const wanted = typed.trim();
      if (wanted === search) return;
      last.current.asked = wanted;
      void navigate({ to: "/", search: wanted === "" ? {} : { search: wanted }, replace: true });
    }, 150);
    return () => clearTimeout(timer);
  }, [typed, search, navigate]);

  return (
    <PageFrame
      title={say("library.title")}
      className="library"
      tools={
        <search>
          <input
            className="input search"
            type="search"
            aria-label={say("library.search")}
            placeholder={say("library.search.placeholder")}
            value={typed}
            maxLength={200}
            onChange={(event) => setTyped(event.target.value)}
          />
        </search>
      }
    >
      <h1 className="visually-hidden">{say("library.title")}</h1>
      <div onKeyDown={arrowKeys}>{search === "" ? <Shelves /> : <Found search={search} />}</div>
    </PageFrame>
  );
}

function arrowKeys(event: KeyboardEvent<HTMLDivElement>) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (moveFocus(event.currentTarget, event.key)) event.preventDefault();
}

function Shelves() {
  const library = useInfiniteQuery({
    queryKey: ["titles"],
    queryFn: ({ pageParam, signal }) => titlesPage(pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });
  if (library.isPending) return <Skeleton />;
  if (library.isLoadingError) return <Failed error={library.error} retry={() => library.refetch()} />;

  const titles = library.data.pages.flatMap((page) => page.titles);
  const started = library.data.pages[0]?.continueWatching ?? [];
  if (titles.length === 0) return <EmptyLibrary />;
  // What cannot be played is among the films; nobody is led to it.
  const newest = newestOf(
    titles.filter(({ playable }) => playable),
    newestShown,
  );
  const films = titles.filter(({ kind }) => kind === "film");
  const series = seriesOf(titles);
  const featured = started[0] ?? newest[0] ?? titles[0];
  const others = started.filter(({ id }) => id !== featured?.id || started.length > 3);
  return (
    <>
      {featured !== undefined && <Featured title={featured} />}
      {others.length > 0 && (
        <Shelf heading={say("library.continue")} wide>
          {others.map((title, place) => (
            <li key={title.id}>
              <TitleCard title={title} wide play eager={place < 4} />
            </li>
          ))}
        </Shelf>
      )}
      {newest.length > 0 && (
        <Shelf heading={say("library.newest")}>
          {newest.map((title, place) => (
            <li key={title.id}>
              <TitleCard title={title} eager={place < 7} />
            </li>
          ))}
        </Shelf>
      )}
      {series.length > 0 && (
        <Shelf heading={say("library.series")}>
          {series.map((one) => (
            <li key={one.id}>
              <SeriesCard series={one} />
            </li>
          ))}
        </Shelf>
      )}
      {films.length > 0 && (
        <Shelf heading={say("library.films")} grid>
          {films.map((title) => (
            <li key={title.id}>
              <TitleCard title={title} />
            </li>
          ))}
        </Shelf>
      )}
      {library.hasNextPage && (
        <More
          loading={library.isFetchingNextPage}
          failed={library.isFetchNextPageError ? library.error : null}
          onNear={() => void library.fetchNextPage()}
        />
      )}
    </>
  );
}

interface MoreProps {
  readonly loading: boolean;
  readonly failed: unknown;
  readonly onNear: () => void;
}

/** Loads the next page when it comes near the window, and by its button; by its button alone once that has failed. */
function More({ loading, failed, onNear }: MoreProps) {
  const isFailed = failed !== null;
  const button = useRef<HTMLButtonElement>(null);
  const near = useRef(onNear);
  useEffect(() => {
    near.current = onNear;
  });
  useEffect(() => {
    if (button.current === null || loading || isFailed) return undefined;
    const watcher = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) near.current();
      },
      { rootMargin: "800px" },
    );
    watcher.observe(button.current);
    return () => watcher.disconnect();
  }, [loading, isFailed]);
  return (
    <div className="more">
      {isFailed && (
        <p className="error-text" role="alert">
          {refusalText(failed)}
        </p>
      )}
      <button ref={button} className="button-quiet" type="button" disabled={loading} onClick={onNear}>
        {say(loading ? "working" : isFailed ? "failed.retry" : "library.more")}
      </button>
    </div>
  );
}

function Featured({ title }: { readonly title: TitleSummary }) {
  const resumes = title.progress !== null && title.progress.positionSeconds > 0 && !title.progress.watched;
  return (
    <section className="featured" style={{ "--glow": title.poster?.colour ?? "#3a2a12" }} aria-label={title.name}>
      {title.poster !== null && <img className="featured-glow" src={title.poster.path} alt="" aria-hidden="true" />}
      <Poster title={title} eager />
      <div className="featured-words">
        {title.seriesName !== null && <p className="featured-series">{title.seriesName}</p>}
        <h2>{title.name}</h2>
        <p className="lead">{caption(title)}</p>
        {resumes && title.progress !== null && (
          <progress
            className="title-progress"
            aria-hidden="true"
            value={title.progress.positionSeconds}
            max={title.progress.durationSeconds}
          />
        )}
        <div className="buttons">
          {title.playable && (
            <Link to="/watch/$id" params={{ id: title.id }} className="button">
              <span aria-hidden="true">▶</span> {say(resumes ? "library.resume" : "library.play")}
            </Link>
          )}
          <Link to="/title/$id" params={{ id: title.id }} className="button-quiet">
            {say("library.details")}
          </Link>
        </div>
      </div>
    </section>
  );
}

function Found({ search }: { readonly search: string }) {
  const asked = useDeferredValue(search);
  const found = useQuery({ ...searchQuery(asked), placeholderData: (before) => before });
  if (found.isPending) return <Skeleton plain />;
  if (found.isLoadingError) return <Failed error={found.error} retry={() => found.refetch()} />;
  const { titles } = found.data;
  return (
    <>
      <p className="visually-hidden" role="status">
        {sayCount("library.search.found", titles.length)}
      </p>
      {titles.length === 0 ? (
        <div className="empty">
          <strong>{say("library.search.none.title", { search })}</strong>
          <p>{say("library.search.none.what")}</p>
        </div>
      ) : (
        <Shelf heading={sayCount("library.search.found", titles.length)} grid>
          {titles.map((title) => (
            <li key={title.id}>
              <TitleCard title={title} named />
            </li>
          ))}
        </Shelf>
      )}
    </>
  );
}

function EmptyLibrary() {
  return (
    <div className="empty is-house">
      <strong>{say("library.empty.title")}</strong>
      <p>{say("library.empty.what")}</p>
    </div>
  );
}

/** The same shapes as the shelves, so that nothing moves when they come. */
function Skeleton({ plain = false }: { readonly plain?: boolean }) {
  return (
    <div className="skeletons" role="status">
      <span className="visually-hidden">{say("library.loading")}</span>
      {!plain && <div className="featured is-coming" aria-hidden="true" />}
      <div className="shelf" aria-hidden="true">
        <span className="skeleton is-heading" />
        <ul className={plain ? "shelf-grid" : "shelf-row"}>
          {Array.from({ length: 8 }, (_, place) => (
            <li key={place}>
              <span className="poster skeleton" />
              <span className="skeleton is-line" />
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
