import Hls, { type ErrorData, type HlsConfig, type LoadPolicy } from "hls.js";
import type { Grant } from "../../src/wire/titles.ts";
import { Refused, send, Unreachable } from "../app/api.ts";
import { Silent } from "../app/limit.ts";
import { showLanguage } from "../text/say.ts";
import { reasonBehindRefusal, watchSession, type EndReason } from "./session-watch.ts";

export interface Level {
  readonly index: number;
  readonly height: number;
  readonly bitrateBps: number;
}
export interface Track {
  readonly index: number;
  readonly name: string;
}

/** What is confirmed to be so: by the media element, by hls.js, or by the service. Never what was only asked for. */
export interface PlayerState {
  readonly phase: "loading" | "ready" | "over" | "failed" | "dark";
  readonly playing: boolean;
  readonly rate: number;
  readonly levels: readonly Level[];
  /** -1: chosen automatically. */
  readonly chosenLevel: number;
  /** The level on the screen, -1 before the first. */
  readonly shownLevel: number;
  readonly audio: readonly Track[];
  readonly audioTrack: number;
  readonly subtitles: readonly Track[];
  /** -1: off. */
  readonly subtitleTrack: number;
  readonly failure: unknown;
  readonly darkReason: EndReason | null;
  /** Epoch milliseconds at which picture and sound were gone. */
  readonly darkAtMs: number | null;
  readonly firstPictureAtMs: number | null;
}

/** What the page may ask for. Each takes effect when the state says so. */
export interface Player {
  readonly subscribe: (changed: () => void) => () => void;
  readonly state: () => PlayerState;
  /** Starts in this element; answers what ends it. */
  readonly attach: (video: HTMLVideoElement) => () => void;
  readonly playOrPause: () => void;
  readonly seekBy: (seconds: number) => void;
  readonly seekTo: (seconds: number) => void;
  readonly setLevel: (index: number) => void;
  readonly setAudio: (index: number) => void;
  readonly setSubtitle: (index: number) => void;
  readonly toggleSubtitle: () => void;
  readonly setRate: (rate: number) => void;
  /** The service has refused something of the film: its session or its grant is over. */
  readonly refused: () => void;
}

const initial: PlayerState = {
  phase: "loading",
  playing: false,
  rate: 1,
  levels: [],
  chosenLevel: -1,
  shownLevel: -1,
  audio: [],
  audioTrack: -1,
  subtitles: [],
  subtitleTrack: -1,
  failure: null,
  darkReason: null,
  darkAtMs: null,
  firstPictureAtMs: null,
};

const saveEverySeconds = 10;
const presentMs = () => performance.timeOrigin + performance.now();
const refusedStatus = (status: number | undefined) => status === 401 || status === 403;

/**
 * hls.js asks again five times when a segment is refused, and plays on from its buffer meanwhile (measured: 30 s). A refusal
 * is final here: no policy asks again after 401 or 403.
 */
function withoutAskingRefusedAgain(policy: LoadPolicy): LoadPolicy {
  const { errorRetry } = policy.default;
  if (errorRetry === null) return policy;
  return {
    default: {
      ...policy.default,
      errorRetry: {
        ...errorRetry,
        shouldRetry: (_config, _count, _timeout, response, retry) => !refusedStatus(response?.code) && retry,
      },
    },
  };
}

function settings(): Partial<HlsConfig> {
  const policies = Hls.DefaultConfig;
  return {
    // What is buffered is what could be played after a sign-out, so no more than smooth playing needs.
    maxBufferLength: 20,
    maxMaxBufferLength: 30,
    backBufferLength: 30,
    autoStartLoad: false,
    startFragPrefetch: true,
    // Start with a middling estimate instead of a test download: the first picture matters more than the first quality.
    testBandwidth: false,
    abrEwmaDefaultEstimate: 4_000_000,
    capLevelToPlayerSize: true,
    lowLatencyMode: false,
    // Segments are fMP4 and need no remuxing; a worker would only start later.
    enableWorker: false,
    manifestLoadPolicy: withoutAskingRefusedAgain(policies.manifestLoadPolicy),
    playlistLoadPolicy: withoutAskingRefusedAgain(policies.playlistLoadPolicy),
    fragLoadPolicy: withoutAskingRefusedAgain(policies.fragLoadPolicy),
    keyLoadPolicy: withoutAskingRefusedAgain(policies.keyLoadPolicy),
  };
}

/** A track that has no name but its language's code is called by the language. */
const nameOf = ({ name = "", lang = "" }: { readonly name?: string; readonly lang?: string }, index: number): string =>
  (name.toLowerCase() === lang.toLowerCase() ? showLanguage(lang) : name) || String(index + 1);

/** Tracks as a menu shows them. A second one of the same name, beside the film and inside it, has a number. */
function inMenu(tracks: readonly { readonly name?: string; readonly lang?: string }[]) {
  const names = tracks.map(nameOf);
  return names.map((name, index) => {
    const before = names.slice(0, index).filter((one) => one === name).length;
    return { index, name: before === 0 ? name : `${name} (${before + 1})` };
  });
}

/** What hls.js says of a request that nobody answered: five tries have been made by then. */
const withoutAnswer = ({ details, error }: ErrorData): Unreachable =>
  new Unreachable(/timeout$/i.test(details) ? new Silent(details) : error);

interface PlayerOptions {
  readonly titleId: string;
  readonly grant: Promise<Grant>;
  /** Where to start, in seconds. Awaited while the playlist loads. */
  readonly startSeconds: Promise<number>;
}

/**
 * One film on one screen. Requests go up as functions, confirmed state comes down by `subscribe`. When the session ends, by
 * push, by a refused request or by a dead channel, picture and sound are gone before anybody is told.
 */
export function newPlayer({ titleId, grant, startSeconds }: PlayerOptions): Player {
  let state = initial;
  let video: HTMLVideoElement | undefined;
  let hls: Hls | undefined;
  let lastSubtitle = 0;
  const listeners = new Set<() => void>();

  const update = (change: Partial<PlayerState>) => {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  };

  function silence(): void {
    if (video === undefined) return;
    video.pause();
    hls?.destroy();
    hls = undefined;
    video.removeAttribute("src");
    video.load();
    if (document.fullscreenElement !== null) void document.exitFullscreen().catch(() => undefined);
  }

  function goDark(reason: EndReason): void {
    if (state.phase === "dark") return;
    silence();
    update({ phase: "dark", playing: false, darkReason: reason, darkAtMs: presentMs() });
    if (reason !== "refused") return;
    void reasonBehindRefusal().then((found) => update({ darkReason: found }));
  }

  function fail(failure: unknown): void {
    if (state.phase === "dark") return;
    if (failure instanceof Refused && refusedStatus(failure.status)) return goDark("refused");
    silence();
    update({ phase: "failed", playing: false, failure });
  }

  function saveProgress(keepalive = false): void {
    if (video === undefined || state.phase === "dark" || state.phase === "loading") return;
    const { currentTime, duration } = video;
    if (!Number.isFinite(duration) || duration <= 0) return;
    send("PUT", `/api/titles/${encodeURIComponent(titleId)}/progress`, {
      body: { positionSeconds: currentTime, durationSeconds: duration },
      keepalive,
    }).catch((error: unknown) => {
      if (error instanceof Refused && refusedStatus(error.status)) goDark("refused");
    });
  }

  function listenTo(element: HTMLVideoElement, signal: AbortSignal): void {
    const on = (name: string, act: () => void) => element.addEventListener(name, act, { signal });
    on("playing", () => update({ playing: true, phase: state.phase === "over" ? "ready" : state.phase }));
    on("pause", () => {
      update({ playing: false });
      saveProgress();
    });
    on("ended", () => {
      if (state.phase === "dark") return;
      update({ playing: false, phase: "over" });
      saveProgress();
    });
    on("ratechange", () => update({ rate: element.playbackRate }));
    on("loadeddata", () => {
      if (state.phase === "loading") update({ phase: "ready" });
    });
    element.requestVideoFrameCallback((now) => update({ firstPictureAtMs: performance.timeOrigin + now }));
    addEventListener("pagehide", () => saveProgress(true), { signal });
    const timer = setInterval(() => {
      if (state.playing) saveProgress();
    }, saveEverySeconds * 1_000);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  function connect(element: HTMLVideoElement): Hls {
    const engine = new Hls(settings());
    let mediaRepaired = false;
    engine.on(Hls.Events.ERROR, (_event, data: ErrorData) => {
      if (refusedStatus(data.response?.code)) return goDark("refused");
      if (!data.fatal) return;
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !mediaRepaired) {
        mediaRepaired = true;
        engine.recoverMediaError();
        return;
      }
      fail(data.type === Hls.ErrorTypes.NETWORK_ERROR && !data.response?.code ? withoutAnswer(data) : data.error);
    });
    engine.on(Hls.Events.MANIFEST_PARSED, () =>
      update({
        levels: engine.levels.map(({ height, bitrate }, index) => ({ index, height, bitrateBps: bitrate })),
      }),
    );
    engine.on(Hls.Events.LEVEL_SWITCHED, (_event, { level }) => update({ shownLevel: level }));
    const readAudio = () =>
      update({
        audio: inMenu(engine.audioTracks),
        audioTrack: engine.audioTrack,
      });
    engine.on(Hls.Events.AUDIO_TRACKS_UPDATED, readAudio);
    engine.on(Hls.Events.AUDIO_TRACK_SWITCHED, readAudio);
    const readSubtitles = () =>
      update({
        subtitles: inMenu(engine.subtitleTracks),
        subtitleTrack: engine.subtitleTrack,
      });
    engine.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, readSubtitles);
    engine.on(Hls.Events.SUBTITLE_TRACK_SWITCH, readSubtitles);
    engine.attachMedia(element);
    return engine;
  }

  async function start(element: HTMLVideoElement, signal: AbortSignal): Promise<void> {
    try {
      const { playlist } = await grant;
      if (signal.aborted || state.phase === "dark") return;
      if (Hls.isSupported()) {
        const engine = connect(element);
        hls = engine;
        engine.loadSource(playlist);
        const seconds = await startSeconds;
        if (hls !== engine) return;
        // Set twice: hls.js forgets the position of a startLoad() before the playlist is read, and takes the configured one.
        engine.config.startPosition = seconds > 0 ? seconds : -1;
        engine.startLoad(engine.config.startPosition);
      } else {
        element.addEventListener("error", () => fail(element.error), { signal });
        element.src = playlist;
        element.currentTime = await startSeconds;
      }
      // A browser that wants a gesture first leaves the film paused, which the state shows.
      await element.play().catch(() => undefined);
    } catch (error) {
      fail(error);
    }
  }

  return {
    subscribe: (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    state: () => state,
    attach: (element) => {
      const ending = new AbortController();
      video = element;
      const stopWatching = watchSession(goDark);
      listenTo(element, ending.signal);
      void start(element, ending.signal);
      return () => {
        saveProgress(true);
        ending.abort();
        stopWatching();
        if (state.phase !== "dark") silence();
        video = undefined;
      };
    },
    playOrPause: () => {
      if (video === undefined) return;
      if (video.paused) void video.play().catch(() => undefined);
      else video.pause();
    },
    seekBy: (seconds) => {
      if (video === undefined || !Number.isFinite(video.duration)) return;
      video.currentTime = Math.min(Math.max(0, video.currentTime + seconds), video.duration);
    },
    seekTo: (seconds) => {
      if (video !== undefined) video.currentTime = seconds;
    },
    setLevel: (index) => {
      if (hls === undefined) return;
      hls.nextLevel = index;
      update({ chosenLevel: hls.autoLevelEnabled ? -1 : index });
    },
    setAudio: (index) => {
      if (hls !== undefined) hls.audioTrack = index;
    },
    setSubtitle: (index) => {
      if (hls === undefined) return;
      if (index >= 0) lastSubtitle = index;
      hls.subtitleDisplay = true;
      hls.subtitleTrack = index;
    },
    toggleSubtitle: () => {
      if (hls === undefined || hls.subtitleTracks.length === 0) return;
      hls.subtitleDisplay = true;
      hls.subtitleTrack = hls.subtitleTrack === -1 ? Math.min(lastSubtitle, hls.subtitleTracks.length - 1) : -1;
    },
    setRate: (rate) => {
      if (video !== undefined) video.playbackRate = rate;
    },
    refused: () => goDark("refused"),
  };
}
