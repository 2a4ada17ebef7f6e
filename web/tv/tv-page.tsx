import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState, type RefObject } from "react";
import type { Grant, TitleSummary } from "../../src/wire/titles.ts";
import { moveFocus } from "../app/arrow-focus.ts";
import { isSignedOut } from "../app/api.ts";
import { Failed, Loading } from "../app/failed.tsx";
import { useDocumentTitle } from "../app/page-frame.tsx";
import { sessionQuery, titleQuery, titlesPage } from "../app/queries.ts";
import { askGrant } from "../player/grant.ts";
import { LightsUp } from "../player/lights-up.tsx";
import { Screen } from "../player/screen.tsx";
import { watchSession, type EndReason } from "../player/session-watch.ts";
import { newestOf, seriesOf } from "../library/series.ts";
import { caption, SeenPart } from "../library/shelf.tsx";
import { Poster } from "../library/poster.tsx";
import { say } from "../text/say.ts";
import { LinkScreen } from "./link-screen.tsx";
import "../library/library.css";
import "./tv.css";

/** The ten-foot page: arrow keys and OK only. Not signed in, it shows a code; signed in, the library and the player. */
export function TvPage() {
  useDocumentTitle(say("tv.name"));
  const session = useQuery({ ...sessionQuery, retry: false });
  const queries = useQueryClient();
  const [linking, setLinking] = useState(false);

  const linkAgain = useCallback(() => {
    setLinking(true);
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  }, [queries]);
  const linked = useCallback(() => {
    setLinking(false);
    void queries.resetQueries({ queryKey: sessionQuery.queryKey });
  }, [queries]);

  if (linking || isSignedOut(session.error)) return <LinkScreen onLinked={linked} />;
  if (session.isLoadingError) return <Failed error={session.error} retry={() => session.refetch()} whole onTv />;
  if (session.isPending) return <Loading onTv />;
  return <TvHouse onLinkAgain={linkAgain} />;
}

interface Playing {
  readonly id: string;
  readonly grant: Promise<Grant>;
}

function TvHouse({ onLinkAgain }: { readonly onLinkAgain: () => void }) {
  const [playing, setPlaying] = useState<Playing | null>(null);
  const [ended, setEnded] = useState<EndReason | null>(null);
  const watching = playing !== null;
  // While a film plays its own player listens.
  useEffect(() => (watching ? undefined : watchSession(setEnded)), [watching]);

  /** Where the film was chosen: whoever comes back from it stands there again. */
  const chosen = useRef<Chosen | null>(null);
  const play = useCallback((id: string) => setPlaying({ id, grant: askGrant(id) }), []);
  const leave = useCallback(() => setPlaying(null), []);
  if (ended !== null) return <LightsUp reason={ended} onLinkAgain={onLinkAgain} />;
  if (playing !== null) {
    return <TvScreen key={playing.id} playing={playing} onLeave={leave} onNext={play} onLinkAgain={onLinkAgain} />;
  }
  return <TvLibrary chosen={chosen} onPlay={play} onSignedOut={() => setEnded("refused")} />;
}

interface Chosen {
  readonly row: string;
  readonly id: string;
}

interface TvScreenProps {
  readonly playing: Playing;
  readonly onLeave: () => void;
  readonly onNext: (id: string) => void;
  readonly onLinkAgain: () => void;
}

function TvScreen({ playing, onLeave, onNext, onLinkAgain }: TvScreenProps) {
  const queries = useQueryClient();
  const title = useQuery(titleQuery(playing.id));
  const [startSeconds] = useState(() =>
    queries.ensureQueryData(titleQuery(playing.id)).then(
      ({ progress }) => (progress === null || progress.watched ? 0 : Math.max(0, progress.positionSeconds - 2)),
      () => 0,
    ),
  );
  useEffect(
    () => () => {
      void queries.invalidateQueries({ queryKey: ["tv-titles"] });
      void queries.invalidateQueries({ queryKey: ["title"] });
    },
    [queries],
  );
  return (
    <Screen
      titleId={playing.id}
      title={title.data}
      grant={playing.grant}
      startSeconds={startSeconds}
      onLeave={onLeave}
      onNext={onNext}
      onLinkAgain={onLinkAgain}
    />
  );
}

function TvLibrary({
  chosen,
  onPlay,
  onSignedOut,
}: {
  readonly chosen: RefObject<Chosen | null>;
  readonly onPlay: (id: string) => void;
  readonly onSignedOut: () => void;
}) {
  const library = useQuery({ queryKey: ["tv-titles"], queryFn: ({ signal }) => titlesPage(null, signal) });
  const frame = useRef<HTMLElement>(null);
  const signedOut = isSignedOut(library.error);
  useEffect(() => {
    if (signedOut) onSignedOut();
  }, [signedOut, onSignedOut]);
  const [shown, setShown] = useState<TitleSummary | null>(null);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (frame.current !== null && moveFocus(frame.current, event.key)) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  const ready = library.data !== undefined;
  useEffect(() => {
    if (!ready) return;
    const all = [...(frame.current?.querySelectorAll<HTMLElement>(".tv-row button") ?? [])];
    const { row, id } = chosen.current ?? {};
    const again = all.filter((one) => one.dataset["title"] === id);
    const here = again.find((one) => one.closest("section")?.ariaLabel === row) ?? again[0] ?? all[0];
    here?.scrollIntoView({ block: "nearest", inline: "nearest" });
    here?.focus({ preventScroll: true });
  }, [ready, chosen]);

  if (library.isPending || signedOut) return <Loading label="library.loading" onTv />;
  if (library.isLoadingError) return <Failed error={library.error} retry={() => library.refetch()} whole onTv />;
  const { titles, continueWatching } = library.data;
  const playable = titles.filter((title) => title.playable);
  if (playable.length === 0) {
    return (
      <main id="main" className="tv tv-empty">
        <h1>{say("library.empty.title")}</h1>
        <p className="lead">{say("library.empty.what")}</p>
      </main>
    );
  }
  const rows = [
    { heading: say("library.continue"), titles: continueWatching },
    { heading: say("library.newest"), titles: newestOf(playable, 20) },
    { heading: say("library.films"), titles: playable.filter(({ kind }) => kind === "film") },
    ...seriesOf(playable).map((series) => ({ heading: series.name, titles: series.episodes })),
  ].filter((row) => row.titles.length > 0);
  const front = shown ?? rows[0]?.titles[0];
  return (
    <main ref={frame} id="main" className="tv">
      <section className="tv-front" style={{ "--glow": front?.poster?.colour ?? "#3a2a12" }} aria-live="polite">
        <span className="wordmark">{say("app.name")}</span>
        <h1>{front?.seriesName ?? front?.name}</h1>
        {front !== undefined && (
          <p className="lead">{front.seriesName === null ? caption(front) : `${caption(front)} · ${front.name}`}</p>
        )}
      </section>
      {rows.map((row) => (
        <section key={row.heading} className="shelf" aria-label={row.heading}>
          <h2>{row.heading}</h2>
          <ul className="tv-row">
            {row.titles.map((title) => (
              <li key={title.id}>
                <button
                  type="button"
                  data-title={title.id}
                  aria-label={`${title.seriesName ?? ""} ${title.name}`.trim()}
                  onFocus={(event) => {
                    setShown(title);
                    // The row that is chosen from stands right under the front, whole.
                    event.currentTarget.closest("section")?.scrollIntoView({ block: "start", behavior: "smooth" });
                  }}
                  onClick={() => {
                    chosen.current = { row: row.heading, id: title.id };
                    onPlay(title.id);
                  }}
                >
                  <span className="title-picture">
                    <Poster title={title} eager />
                    <SeenPart title={title} />
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </main>
  );
}
