import { every, secondMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Tx } from "../db/db.ts";

/** RFC 8628 section 3.2. */
export const leastIntervalSeconds = 5;
/** The longest that a TV is given at the beginning, and that it comes to by being slowed. */
const longestGivenSeconds = 60;
export const longestIntervalSeconds = 2 * longestGivenSeconds;
/** RFC 8628 section 3.5: what `slow_down` adds, for this and all polls to come. */
export const slowDownSeconds = 5;
/** A poll is in time a fifth before its interval is over, since clocks and networks jitter. */
export const inTimeShare = 0.8;

/** Polls a second that one process is asked for by the interval it gives out: a tenth of what it can answer. */
const pollsPerSecond = 1_000;

/** How often all that wait are looked up in the database. */
const rereadEveryMs = 2 * secondMs;
/** Memory answers nothing when it is older than this: with the database away, polls ask the database and are told so. */
const memoryLivesMs = 3 * rereadEveryMs;

interface Waiting {
  /** From when on the next poll is in time. */
  nextAt: number;
  intervalSeconds: number;
  readonly expiresAt: number;
}

/**
 * The links that TVs are waiting for on this node, so that a poll costs no statement while nobody has approved them. Memory
 * says `pending` or `slow-down` and nothing else: whatever ends the waiting comes from the database, and so does every
 * token. Who asks another node, or this one after a restart, is read once and remembered there.
 */
export interface WaitingLinks {
  /** `undefined`: the database has to say. */
  answer(digest: Buffer): "pending" | "slow-down" | undefined;
  /** Remembers a link that the database has just called pending. */
  remember(digest: Buffer, link: { readonly intervalSeconds: number; readonly expiresAt: EpochMs }): void;
  /** The next poll asks the database: somebody decided, on this node. */
  forget(digest: Buffer): void;
  /** What a TV that begins now is told: longer the more wait (RFC 8628 section 3.2). */
  intervalSeconds(): number;
  waiting(): number;
  /** Polls answered from memory since the start. */
  polls(): number;
  /** Looks all of them up, in one statement; also done every two seconds. */
  reread(): Promise<void>;
  close(): Promise<void>;
}

export function waitingLinks(
  { db, clock, log }: { readonly db: Tx; readonly clock: Clock; readonly log: Log },
  { everyMs = rereadEveryMs }: { readonly everyMs?: number | undefined } = {},
): WaitingLinks {
  // Keyed by the 32 bytes of the digest, one character each: with its numbers some 200 bytes for each TV.
  const links = new Map<string, Waiting>();
  const keyOf = (digest: Buffer): string => digest.toString("latin1");
  let rereadAt: EpochMs = clock.now();
  let polls = 0;

  const intervalSeconds = (): number =>
    Math.min(longestGivenSeconds, Math.max(leastIntervalSeconds, Math.ceil(links.size / pollsPerSecond)));

  const wait = (link: Waiting, now: number): void => {
    link.nextAt = now + link.intervalSeconds * inTimeShare * secondMs;
  };

  const reread = async (): Promise<void> => {
    const now = clock.now();
    if (links.size > 0) {
      const asked = [...links.keys()].map((key) => Buffer.from(key, "latin1"));
      const over = await db.many<{ digest: Buffer }>(
        `select digest from unnest($1::bytea[]) as one (digest)
          where not exists (select from link
                             where device_digest = digest and state = 'pending' and expires_at > $2
                               and epoch >= (select epoch from floor where kind = 'link'))`,
        [asked, toDate(now)],
      );
      for (const { digest } of over) links.delete(keyOf(digest));
    }
    rereadAt = now;
  };

  const unread = recurring(log, {
    says: "waiting links were not read: the database does not answer now",
    ends: "waiting links are read again",
  });
  const rereading = every(everyMs, () =>
    reread().then(
      () => unread.over(),
      (thrown: unknown) => unread.found({ reason: messageOf(thrown) }),
    ),
  );

  return {
    answer: (digest) => {
      const link = links.get(keyOf(digest));
      const now = clock.now();
      if (link === undefined || link.expiresAt <= now || now - rereadAt > memoryLivesMs) return undefined;
      polls++;
      // Whoever comes too early is slowed, and so is whoever still comes as often as a smaller crowd may.
      const isTooSoon = now < link.nextAt;
      if (isTooSoon || link.intervalSeconds + slowDownSeconds <= intervalSeconds()) {
        link.intervalSeconds = Math.min(link.intervalSeconds + slowDownSeconds, longestIntervalSeconds);
        wait(link, now);
        return "slow-down";
      }
      wait(link, now);
      return "pending";
    },
    remember: (digest, { intervalSeconds: seconds, expiresAt }) => {
      const link = { nextAt: 0, intervalSeconds: seconds, expiresAt };
      wait(link, clock.now());
      links.set(keyOf(digest), link);
    },
    forget: (digest) => void links.delete(keyOf(digest)),
    intervalSeconds,
    waiting: () => links.size,
    polls: () => polls,
    reread,
    close: () => rereading.stop(),
  };
}
