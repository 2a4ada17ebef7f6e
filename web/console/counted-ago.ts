import { say, showAgo } from "../text/say.ts";

const slowMs = 15_000;

/** What was counted longer ago says so: on a large service counting takes longer than a page waits. */
export const countedAgo = (at: string, now: number): string | undefined =>
  now - Date.parse(at) > slowMs ? say("console.counted", { ago: showAgo(at, now) }) : undefined;
