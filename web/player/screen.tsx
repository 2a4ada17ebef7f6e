import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from "react";
import type { Grant, TitleDetail } from "../../src/wire/titles.ts";
import { Failed } from "../app/failed.tsx";
import { say } from "../text/say.ts";
import { addChapters } from "./chapters.ts";
import { LightsUp } from "./lights-up.tsx";
import { newPlayer } from "./player-store.ts";
import { useRemoteKeys } from "./remote-keys.ts";
import { useScrubPictures } from "./scrub-pictures.tsx";
import { TheEnd } from "./the-end.tsx";
import "./player.css";

/** Not needed for the first picture, so it does not stand in its way. */
const SettingsMenu = lazy(() => import("./settings-menu.tsx"));

interface ScreenProps {
  readonly titleId: string;
  /** Arrives later than the picture starts to load. */
  readonly title: TitleDetail | undefined;
  readonly grant: Promise<Grant>;
  readonly startSeconds: Promise<number>;
  readonly onLeave: () => void;
  readonly onNext: (titleId: string) => void;
  /** A TV: the remote's up and down move between controls, and a dark screen shows the connecting code again. */
  readonly onLinkAgain?: () => void;
}

/**
 * The player. Its root says what is so, for tests and for tools that measure: `data-state` is `playing`, `paused` or `dark`;
 * `data-dark-reason`; `data-dark-at` and `data-first-picture-at` in epoch milliseconds.
 */
export function Screen(props: ScreenProps) {
  const { titleId, title, grant, startSeconds, onLeave, onNext, onLinkAgain } = props;
  const [player] = useState(() => newPlayer({ titleId, grant, startSeconds }));
  const state = useSyncExternalStore(player.subscribe, player.state);
  const video = useRef<HTMLVideoElement>(null);
  const root = useRef<HTMLDivElement>(null);
  const stage = useRef<HTMLElement>(null);

  useEffect(() => {
    const detach = video.current === null ? undefined : player.attach(video.current);
    void import("./controls.ts").then(() => {
      const controller = root.current?.querySelector("media-controller");
      // Full screen is the whole root, with the settings and the end card, which stand beside the controller. Set as a property:
      // media-chrome does not observe the attribute.
      if (controller != null) Object.assign(controller, { fullscreenElement: root.current });
    });
    return detach;
  }, [player]);
  useEffect(() => {
    if (video.current === null || title === undefined) return;
    addChapters(video.current, title.chapters, title.durationSeconds);
  }, [title]);
  const { pointed, reached, range, sought } = useScrubPictures(player, grant);
  useRemoteKeys({ player, root, tv: onLinkAgain !== undefined, onLeave, sought });

  const shown = state.phase === "dark" ? "dark" : state.playing ? "playing" : "paused";
  const name = title?.name ?? "";
  return (
    <div
      ref={root}
      className={onLinkAgain === undefined ? "screen" : "screen is-far"}
      data-state={shown}
      data-phase={state.phase}
      data-dark-reason={state.darkReason ?? undefined}
      data-dark-at={state.darkAtMs ?? undefined}
      data-first-picture-at={state.firstPictureAtMs ?? undefined}
    >
      {state.darkReason !== null ? (
        <LightsUp reason={state.darkReason} {...(onLinkAgain === undefined ? {} : { onLinkAgain })} />
      ) : state.phase === "failed" ? (
        <Failed
          error={state.failure}
          retry={() => location.reload()}
          whole
          film
          {...(onLinkAgain === undefined ? {} : { onTv: true, onBack: onLeave })}
        />
      ) : (
        <main id="main" ref={stage} tabIndex={-1} aria-label={say("player.label", { name })}>
          <media-controller autohide="3" nohotkeys={true} class="controller">
            {/* Subtitles come as text tracks from the playlist. */}
            {/* oxlint-disable-next-line jsx-a11y/media-has-caption */}
            <video ref={video} slot="media" playsInline crossOrigin="anonymous" aria-label={name} />
            <media-loading-indicator slot="centered-chrome" noautohide={true} />
            <div slot="top-chrome" className="screen-top">
              <button type="button" className="screen-back" onClick={onLeave}>
                <span aria-hidden="true">←</span> {say("nav.back")}
              </button>
              <h1>
                {title?.seriesName != null && <span>{title.seriesName} · </span>}
                {name}
              </h1>
            </div>
            <div className="screen-controls" role="group" aria-label={say("player.controls")}>
              <media-control-bar class="bar-time">
                <media-time-range ref={range}>
                  <canvas slot="preview" ref={pointed} className="scrub-picture" aria-hidden="true" hidden />
                  <canvas slot="current" ref={reached} className="scrub-picture" aria-hidden="true" hidden />
                  <media-preview-chapter-display slot="preview" />
                  <media-preview-time-display slot="preview" />
                </media-time-range>
              </media-control-bar>
              <media-control-bar class="bar-buttons">
                <media-play-button notooltip={true} />
                <media-seek-backward-button seekoffset="10" notooltip={true} />
                <media-seek-forward-button seekoffset="10" notooltip={true} />
                <media-mute-button notooltip={true} />
                <media-volume-range />
                <media-time-display showduration={true} notoggle={true} />
                <span className="spring" />
                <Suspense fallback={<span className="settings-room" />}>
                  {state.phase !== "loading" && (
                    <SettingsMenu player={player} state={state} chapters={title?.chapters ?? []} frame={stage} />
                  )}
                </Suspense>
                <media-pip-button notooltip={true} />
                <media-fullscreen-button notooltip={true} />
              </media-control-bar>
            </div>
          </media-controller>
          {state.phase === "over" && (
            <TheEnd
              title={title}
              onNext={onNext}
              onLeave={onLeave}
              onAgain={() => {
                player.seekTo(0);
                player.playOrPause();
              }}
            />
          )}
        </main>
      )}
    </div>
  );
}
