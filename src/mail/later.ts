import { hourMs, minuteMs, secondMs } from "../kernel/clock.ts";

/** What a provider's 4xx asks for. */
export type Later =
  /** Fewer letters, or nothing that says otherwise: `421`, `4.7.0`, `too many`, … */
  | "fewer"
  /** This letter once more after a while, in words: greylisting (RFC 6647), which is about the recipient. */
  | "come again"
  /** `450` or `451` with `4.7.1` and no word for it: most who answer so greylist, some count letters. */
  | "maybe come again";

const greylistWords = /gr[ea]y[- ]?list/i;
const rateWords = /\brate|too (?:many|much|fast)|throttl|slow down|limit|quota|exceed|busy/i;
const policyReply = /^45[01][ -]4\.7\.1\b/;

/** Reads a reply as the relay gave it; `undefined` for one that is no 4xx of a relay. */
export function laterOf(reply: string): Later | undefined {
  if (!/^4\d\d\b/.test(reply)) return undefined;
  if (reply.startsWith("421") || rateWords.test(reply)) return "fewer";
  if (greylistWords.test(reply)) return "come again";
  return policyReply.test(reply) ? "maybe come again" : "fewer";
}

const unitMs: Readonly<Record<string, number>> = { s: secondMs, m: minuteMs, h: hourMs };

/**
 * How long a 4xx asks to wait, in milliseconds, where it says so: `in 00:05:00`, `300 seconds`, `5 minutes`. 0 where it
 * does not. No standard has a field for it.
 */
export function waitAskedMs(reply: string): number {
  if (laterOf(reply) === undefined) return 0;
  const words = reply.replace(/^4\d\d(?:[ -]4\.\d+\.\d+)?/, "");
  const [, hours, minutes, seconds] = /\b(\d\d?):([0-5]\d):([0-5]\d)\b/.exec(words) ?? [];
  if (hours !== undefined) return Number(hours) * hourMs + Number(minutes) * minuteMs + Number(seconds) * secondMs;
  const [, count, unit = ""] = /\b(\d{1,5}) ?(s|m|h)(?:ecs?|econds?|ins?|inutes?|rs?|ours?)?\b/i.exec(words) ?? [];
  return Number(count ?? 0) * (unitMs[unit.toLowerCase()] ?? 0);
}
