import { sleep, type Clock, type EpochMs } from "../../kernel/clock.ts";
import { ask } from "./ask.ts";
import type { PersonInPopulation } from "./population.ts";

/** What one device saw. */
export interface DeviceRecord {
  segments: number;
  checks: number;
  /** The push channel said that the session ended. */
  toldAt: EpochMs | null;
  /** The first request that was refused. */
  refusedAt: EpochMs | null;
  /** Requests that began after the containment was in force: how many were made, and how many were served. */
  triedAfter: number;
  servedAfter: number;
}

export interface Devices {
  readonly records: readonly DeviceRecord[];
  /** Devices that have fetched a segment, or checked their session where there is nothing to play. */
  playing(): number;
  /** From this instant on whatever is served is counted as old. */
  contained(inForceAt: EpochMs): void;
  stop(): Promise<void>;
}

/** A player of six-second segments asks more seldom; a device that asks more often is dark sooner, or shows that it is not. */
const pauseMs = 500;
/** How long a device goes on with its old session and grant once it was refused, between two tries: a thief's player does. */
const stubbornPauseMs = 2_000;

/**
 * Devices that play: each holds a session, listens for its end, takes a grant and fetches segment after segment, with a
 * session check between. They do not stop when they are refused.
 */
export function startDevices(
  { origin, clock }: { readonly origin: string; readonly clock: Clock },
  watchers: readonly PersonInPopulation[],
  { plays }: { readonly plays: boolean },
): Devices {
  const stopping = new AbortController();
  const { signal } = stopping;
  let inForceAt: EpochMs | undefined;

  async function listen(token: string, record: DeviceRecord): Promise<void> {
    while (!signal.aborted && record.toldAt === null && record.refusedAt === null) {
      try {
        const answer = await fetch(`${origin}/api/events`, { headers: { authorization: `Bearer ${token}` }, signal });
        let text = "";
        for await (const chunk of answer.body ?? []) {
          text = (text + Buffer.from(chunk).toString("latin1")).slice(-200);
          if (text.includes("event: ended")) record.toldAt ??= clock.now();
        }
      } catch {
        // The process behind it was killed, or the drill is over. Players connect again.
      }
      await sleep(pauseMs, signal);
    }
  }

  async function request(path: string, token: string, record: DeviceRecord): Promise<string | undefined> {
    const began = clock.now();
    const answer = await ask(origin, path, { token });
    const isOld = inForceAt !== undefined && began > inForceAt;
    if (isOld) record.triedAfter++;
    if (answer.status >= 200 && answer.status < 300) {
      if (isOld) record.servedAfter++;
      return answer.text;
    }
    if (answer.status === 401 || answer.status === 403) record.refusedAt ??= clock.now();
    return undefined;
  }

  async function playlistFor(token: string): Promise<readonly string[]> {
    const titles = await ask(origin, "/api/titles?limit=1", { token });
    if (titles.status !== 200) return [];
    const [title] = (JSON.parse(titles.text) as { titles: readonly { id: string; playable: boolean }[] }).titles;
    if (title?.playable !== true) return [];
    const granted = await ask(origin, `/api/titles/${title.id}/grants`, { method: "POST", token });
    if (granted.status !== 201) return [];
    const master = (JSON.parse(granted.text) as { playlist: string }).playlist;
    const variant = linesOf((await ask(origin, master)).text)[0];
    if (variant === undefined) return [];
    const media = resolved(master, variant);
    return linesOf((await ask(origin, media)).text).map((line) => resolved(media, line));
  }

  async function play({ sessions }: PersonInPopulation, record: DeviceRecord): Promise<void> {
    const session = sessions.find((one) => one.class === "tv") ?? sessions[0];
    const token = session?.token.revealText() ?? "";
    const listening = listen(token, record);
    let segments: readonly string[] = [];
    for (let turn = 0; !signal.aborted; turn++) {
      if (plays && segments.length === 0 && record.refusedAt === null) segments = await playlistFor(token);
      const segment = segments[turn % Math.max(1, segments.length)];
      if (segment !== undefined && turn % 4 !== 3) {
        // A media path carries its grant, and no token.
        if ((await request(segment, "", record)) !== undefined) record.segments++;
      } else if ((await request("/api/session", token, record)) !== undefined) record.checks++;
      await sleep(record.refusedAt === null ? pauseMs : stubbornPauseMs, signal);
    }
    await listening;
  }

  const records = watchers.map((): DeviceRecord => {
    return { segments: 0, checks: 0, toldAt: null, refusedAt: null, triedAfter: 0, servedAfter: 0 };
  });
  const running = watchers.map((person, index) => play(person, records[index]!));
  return {
    records,
    playing: () => records.filter(({ segments, checks }) => (plays ? segments : checks) > 0).length,
    contained: (instant) => {
      inForceAt = instant;
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

const linesOf = (playlist: string): string[] =>
  playlist
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));

const resolved = (from: string, name: string): string => new URL(name, `http://localhost${from}`).pathname;
