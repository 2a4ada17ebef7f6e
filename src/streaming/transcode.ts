import { every, secondMs, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { toolMissing, type FfmpegNeeds } from "./ffmpeg-child.ts";
import { playlistType } from "./playlists.ts";
import type { MediaAnswer } from "./routes.ts";
import { gridOf, playlistOf, renditionsOf, type Origin, type Rendition, type TranscodeFile } from "./transcode-plan.ts";
import { findOrigin, startRun, type Made, type NotMade, type TranscodeRun } from "./transcode-run.ts";

interface Needs extends FfmpegNeeds {
  readonly log: Log;
  readonly clock: Clock;
  /** Video encoders at once; more are answered `busy`. Audio has four times as many: each is a twentieth of the work. */
  readonly maxVideoRuns: number;
  /** Threads of one video encoder. */
  readonly threads: number;
  readonly sweepMs?: number;
}

/** Makes renditions of what players cannot take as it is, while they play it. */
export interface Transcoder {
  /** The media playlist of a rendition, written from the duration alone; `missing` for one the file does not have. */
  playlist(file: TranscodeFile, renditionId: string): MediaAnswer;
  /**
   * `init.mp4` or `s<n>.m4s` of a rendition. Waits for a segment that a run is about to reach; one farther away, or
   * behind, starts the run anew there. `busy`: no encoder is free, or another request of the same owner moved this run
   * elsewhere; try again in some seconds.
   *
   * @throws Fault MEDIA_TOOL_MISSING when ffmpeg is not installed.
   */
  resource(
    file: TranscodeFile,
    renditionId: string,
    name: string,
    owner: string,
    signal: AbortSignal,
  ): Promise<MediaAnswer>;
  /** Ends everything an owner has started, at once. */
  release(owner: string): void;
  /** Ends everything; resolves when no process is left. */
  close(): Promise<void>;
  /** The films that are encoded now, one for each process. */
  running(): readonly string[];
  /** Processes that run now, for metrics and tests. */
  pids(): readonly number[];
}

/** A request this far ahead of what is made waits; farther, and starting there is quicker. */
const waitSegments = 12;
/** Without a request for this long a run is over. */
const idleMs = 60 * secondMs;
/** A run that nobody has asked for this long gives its place to one that is wanted. */
const yieldsAfterMs = 15 * secondMs;
/** How long a request waits for one segment. */
const patienceMs = 30 * secondMs;
/** A file that failed is not tried again for this long, however often a player asks. */
const failureStaysMs = 10 * secondMs;
/** Small things remembered at once, about 1 kB each. */
const rememberedLimit = 1_000;

interface Entry {
  readonly owner: string;
  readonly file: TranscodeFile;
  readonly rendition: Rendition;
  readonly run: TranscodeRun;
  askedAt: EpochMs;
  lastSegment: number;
  /** Its process is being ended; what it made stays. */
  isStopped: boolean;
}

type Wanted = { readonly kind: "init" } | { readonly kind: "segment"; readonly n: number };

function readName(name: string, segments: number): Wanted | undefined {
  if (name === "init.mp4") return { kind: "init" };
  const digits = /^s(0|[1-9]\d{0,5})\.m4s$/.exec(name)?.[1];
  const n = Number(digits);
  return digits !== undefined && n < segments ? { kind: "segment", n } : undefined;
}

const missing: MediaAnswer = { kind: "missing" };
const busy: MediaAnswer = { kind: "busy" };
const found = (made: Made): MediaAnswer => ({
  kind: "found",
  contentType: "video/mp4",
  body: made.body,
  etag: made.etag,
});

export function startTranscoder(needs: Needs): Transcoder {
  const { log, clock, maxVideoRuns, sweepMs = 5 * secondMs } = needs;
  const entries = new Map<string, Entry>();
  const leaving = new Set<Promise<void>>();
  /** Requests that are about to start an encoder: a release that comes meanwhile is for them too. */
  const starting = new Set<{ readonly owner: string; isReleased: boolean }>();
  /** First frame of each file, asked once. */
  const origins = new Map<string, Promise<Origin | NotMade>>();
  /** Initializations by file and rendition: a player that changes quality asks for them before it says where it is. */
  const inits = new Map<string, Made>();
  const failures = new Map<string, { readonly at: EpochMs; readonly reason: string; readonly path: string }>();
  let isClosed = false;

  const end = (key: string): void => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    stopProcess(entry);
  };
  const stopProcess = (entry: Entry): void => {
    entry.isStopped = true;
    entry.run.kill();
    const leave = entry.run.gone.finally(() => leaving.delete(leave));
    leaving.add(leave);
  };
  const sweeping = every(sweepMs, async () => {
    const now = clock.now();
    for (const [key, entry] of entries) if (now - entry.askedAt > idleMs) end(key);
    for (const [key, { at }] of failures) if (now - at > failureStaysMs) failures.delete(key);
  });

  /** Makes room for one more encoder, if any can go. */
  const makeRoom = (kind: Rendition["kind"]): boolean => {
    const limit = kind === "video" ? maxVideoRuns : 4 * maxVideoRuns;
    const same = [...entries].filter(([, entry]) => entry.rendition.kind === kind);
    // What has ended holds memory only, but that too has a bound.
    const ended = same.filter(([, entry]) => !isRunning(entry)).toSorted(([, a], [, b]) => a.askedAt - b.askedAt);
    for (const [key] of ended.slice(0, Math.max(0, ended.length - limit))) end(key);
    const running = same.filter(([, entry]) => isRunning(entry));
    if (running.length < limit) return true;
    const [longest] = running.toSorted(([, a], [, b]) => a.askedAt - b.askedAt);
    if (longest === undefined || clock.now() - longest[1].askedAt < yieldsAfterMs) return false;
    end(longest[0]);
    return true;
  };

  /** One player watches one picture: its other qualities of the same film stop encoding, what they made stays for now. */
  const endSiblings = (owner: string, file: TranscodeFile, rendition: Rendition): void => {
    if (rendition.kind !== "video") return;
    for (const entry of entries.values()) {
      const isSibling =
        entry.owner === owner && entry.file.fingerprint === file.fingerprint && entry.rendition.kind === "video";
      if (isSibling && entry.rendition.id !== rendition.id && isRunning(entry)) stopProcess(entry);
    }
  };

  const originOf = (file: TranscodeFile): Promise<Origin | NotMade> => {
    const known = origins.get(file.fingerprint);
    if (known !== undefined) return known;
    const asked = findOrigin(needs, file.path);
    remember(origins, file.fingerprint, asked);
    // What could not be found is looked for again when it is wanted again.
    const forget = (): void => void origins.delete(file.fingerprint);
    void asked.then((origin) => {
      if ("kind" in origin) forget();
    }, forget);
    return asked;
  };

  const fail = (key: string, file: TranscodeFile, rendition: Rendition, why: NotMade): MediaAnswer => {
    if (why.kind === "not-installed") throw toolMissing();
    remember(failures, key, { at: clock.now(), reason: why.reason, path: file.path });
    log.warn({ fingerprint: file.fingerprint, rendition: rendition.id, reason: why.reason }, "a transcode failed");
    return { kind: "unreadable", message: why.reason };
  };

  /** Where a player is likely to be that asks for an initialization only. */
  const placeOf = (owner: string, file: TranscodeFile): number => {
    const latest = [...entries.values()]
      .filter((entry) => entry.owner === owner && entry.file.fingerprint === file.fingerprint)
      .toSorted((a, b) => b.askedAt - a.askedAt)[0];
    return latest?.lastSegment ?? 0;
  };

  const enter = async (
    key: string,
    { owner, file, rendition }: Pick<Entry, "owner" | "file" | "rendition">,
    wanted: Wanted,
  ): Promise<Entry | NotMade | "busy"> => {
    const usable = (): Entry | undefined => {
      const present = entries.get(key);
      return present !== undefined && reaches(present, wanted) ? present : undefined;
    };
    const present = usable();
    if (present !== undefined) return present;
    const start = { owner, isReleased: false };
    starting.add(start);
    const origin = await originOf(file).finally(() => starting.delete(start));
    if ("kind" in origin) return origin;
    if (isClosed || start.isReleased) return "busy";
    // While the origin was read, another request may have started the very run.
    const another = usable();
    if (another !== undefined) return another;
    const from = wanted.kind === "segment" ? wanted.n : placeOf(owner, file);
    end(key);
    endSiblings(owner, file, rendition);
    if (!makeRoom(rendition.kind)) return "busy";
    const run = startRun(needs, file, rendition, from, origin);
    const entry: Entry = {
      owner,
      file,
      rendition,
      run,
      askedAt: clock.now(),
      lastSegment: from,
      isStopped: false,
    };
    entries.set(key, entry);
    return entry;
  };

  return {
    playlist: (file, renditionId) => {
      const rendition = renditionsOf(file).find(({ id }) => id === renditionId);
      if (rendition === undefined) return missing;
      const body = playlistOf(file, rendition);
      return {
        kind: "found",
        contentType: playlistType,
        body,
        etag: `"${file.fingerprint.replaceAll(/[^\w.-]/g, "_")}-${rendition.id}-${gridOf(file).frames}"`,
      };
    },

    resource: async (file, renditionId, name, owner, signal) => {
      const rendition = renditionsOf(file).find(({ id }) => id === renditionId);
      const grid = gridOf(file);
      const wanted = readName(name, grid.segments);
      if (rendition === undefined || wanted === undefined) return missing;
      if (isClosed) return busy;
      const initKey = `${file.fingerprint} ${rendition.id}`;
      const key = `${owner} ${initKey}`;
      const init = inits.get(initKey);
      if (wanted.kind === "init" && init !== undefined) return found(init);
      const failure = failures.get(key);
      // Of its old path, for a film that was renamed since.
      if (failure !== undefined && failure.path === file.path && clock.now() - failure.at <= failureStaysMs) {
        return { kind: "unreadable", message: failure.reason };
      }

      const entry = await enter(key, { owner, file, rendition }, wanted);
      if (entry === "busy") return busy;
      if (!("run" in entry)) return fail(key, file, rendition, entry);
      entry.askedAt = clock.now();
      if (wanted.kind === "segment") {
        entry.lastSegment = wanted.n;
        entry.run.advance(wanted.n);
      }
      const made = await awaitMade(entry.run, wanted, signal);
      const newInit = entry.run.init();
      if (newInit !== undefined && !inits.has(initKey)) remember(inits, initKey, newInit);
      if (made === "busy") return busy;
      if ("body" in made) return found(made);
      end(key);
      return fail(key, file, rendition, made);
    },

    release: (owner) => {
      for (const start of starting) if (start.owner === owner) start.isReleased = true;
      for (const [key, entry] of entries) if (entry.owner === owner) end(key);
    },

    close: async () => {
      isClosed = true;
      for (const key of entries.keys()) end(key);
      await sweeping.stop();
      await Promise.all(leaving);
    },

    running: () => [...entries.values()].filter(isRunning).map(({ file }) => file.path),

    pids: () =>
      [...entries.values()].flatMap((entry) =>
        isRunning(entry) && entry.run.pid !== undefined ? [entry.run.pid] : [],
      ),
  };
}

const isRunning = ({ run, isStopped }: Entry): boolean => !isStopped && run.ending() === undefined;

/** Whether a run has what is wanted or will have it soon. */
function reaches(entry: Entry, wanted: Wanted): boolean {
  if (wanted.kind === "init") return isRunning(entry);
  const { run } = entry;
  if (run.segment(wanted.n) !== undefined) return true;
  return isRunning(entry) && wanted.n >= run.next() && wanted.n < run.next() + waitSegments;
}

/** Waits for what a run is about to make. A run that makes nothing at all meanwhile is stuck, and so failed. */
async function awaitMade(run: TranscodeRun, wanted: Wanted, signal: AbortSignal): Promise<Made | NotMade | "busy"> {
  const patience = AbortSignal.timeout(patienceMs);
  const over = AbortSignal.any([signal, patience]);
  const aborted = new Promise<void>((resolve) => {
    if (over.aborted) resolve();
    else over.addEventListener("abort", () => resolve(), { once: true });
  });
  const before = run.next();
  for (;;) {
    const change = run.changed();
    const made = wanted.kind === "init" ? run.init() : run.segment(wanted.n);
    if (made !== undefined) return made;
    const ending = run.ending();
    // Killed under this request: its owner went elsewhere. Done without it: let go since.
    if (ending === "killed" || ending === "done") return "busy";
    if (ending !== undefined) return ending;
    if (patience.aborted && run.next() === before) return { kind: "failed", reason: "the encoder does not advance" };
    if (over.aborted) return "busy";
    await Promise.race([change, aborted]);
  }
}

/** Keeps a bounded number of entries, the oldest going first. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > rememberedLimit && oldest.done !== true) map.delete(oldest.value);
}
