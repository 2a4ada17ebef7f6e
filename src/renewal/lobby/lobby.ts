import { createHmac } from "node:crypto";
import type { IncidentId } from "../../kernel/brand.ts";
import {
  every,
  fromDate,
  hourMs,
  minuteMs,
  plus,
  secondMs,
  sleep,
  type Clock,
  type EpochMs,
} from "../../kernel/clock.ts";
import { messageOf } from "../../kernel/fault.ts";
import type { Log } from "../../kernel/log.ts";
import { newSecret, type Random } from "../../kernel/random.ts";
import { recurring } from "../../kernel/recurring.ts";
import type { Secret } from "../../kernel/secret.ts";
import type { Db } from "../../db/db.ts";
import type { Keyholder } from "../../keyholder/keyholder.ts";
import { isThisMachine, networkOf, siteOf } from "../../http/network.ts";
import type { HashPool } from "../../credentials/hash-pool.ts";
import { newCameIn } from "./came-in.ts";
import { newDoor } from "./door.ts";
import {
  callNumbers,
  enterBy,
  noCase,
  noteMinute,
  openLine,
  takeNumbers,
  windowOf,
  type Counted,
  type LineCounts,
} from "./line.ts";
import { comeBackSeconds, newPace } from "./pace.ts";
import { readPlace, signPlace } from "./place.ts";

/** What a request brings: its place or pass, and what its browser keeps besides. */
export interface PresentedPlace {
  readonly text: string;
  readonly browser: Secret;
}

/** Where somebody stands, as of now. */
export interface Standing {
  readonly number: number;
  /** People who are called before. */
  readonly before: number;
  /** By the measured rate; `null` while nobody has been called yet. */
  readonly expectedSeconds: number | null;
  readonly comeBackSeconds: number;
}

export type Admission =
  /** `pass` is new, and to be kept by the browser. */
  | { readonly kind: "in"; readonly pass: PresentedPlace | null }
  | { readonly kind: "waiting"; readonly place: PresentedPlace; readonly standing: Standing }
  /** The network, or the IPv6 /48 around it, holds as many places as it may. */
  | { readonly kind: "too-many"; readonly retryAfterSeconds: number };

/** What somebody is about to do: look at the page, ask for a code, or set the password with one. */
export type LobbyAct = "look" | "ask" | "complete";

export interface Lobby {
  /**
   * Decides whether somebody may go on now, before anything that depends on an account is looked at: who has been called
   * may, for half an hour; while nobody waits and there is room anybody may; everybody else gets a place in line, or is told
   * how theirs stands. `ticketBrowsers` are what mailed codes are bound to.
   */
  admit(
    act: LobbyAct,
    asker: {
      readonly presented: PresentedPlace | undefined;
      readonly network: string;
      readonly ticketBrowsers?: readonly Secret[] | undefined;
    },
  ): Promise<Admission>;
  /**
   * Carries out the renewal of somebody who was let in to complete it. Until it ends, its hashes are counted as if they waited already: many
   * who are let in at once must not find the lane full when they come to them.
   */
  complete<Result>(renewal: () => Promise<Result>): Promise<Result>;
  /** As of half a second ago at most. */
  state(): LobbyState;
  /** Calls whoever can be served, reads what other nodes did; also done twice a second. */
  advance(): Promise<void>;
  close(): Promise<void>;
}

export interface LobbyState extends LineCounts {
  readonly caseId: IncidentId;
  /** Numbers called a second, by all nodes together. */
  readonly calledPerSecond: number;
  /** Renewals a second that this node gives out. */
  readonly servablePerSecond: number;
  readonly showRate: number;
}

export interface LobbyNeeds {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly hashPool: HashPool;
  readonly monotonicMs: () => number;
  /** The case that people come back from; `null` on other days. */
  readonly currentCase: () => Promise<IncidentId | null>;
}

interface Asking {
  /** `null` for who is counted nowhere. */
  readonly from: Counted | null;
  readonly settle: (number: number | null) => void;
  readonly fail: (thrown: unknown) => void;
}

/** A place that nobody came back for in a day is given up. */
const placeLivesMs = 24 * hourMs;
/** The ticket's clock: who was called has this long to ask for a code, and with a proved mailbox to set the password. */
export const passLivesMs = 30 * minuteMs;
/** Twice a second: what fills in between is what may walk in at once. */
const advanceEveryMs = secondMs / 2;
const rateTau = 20;
/**
 * What must fit into the renewals' lane before somebody completes a renewal, besides what waits there: so many hashes for each renewal under
 * way, and some to spare, since one that refuses several stolen passwords takes more. A full lane would answer with an error.
 */
const hashesOfEach = 4;
const hashesKeptFree = 64;
/** A crowd gets its numbers a handful at a time: one by one they took a fifth of what hashing needs. */
const gatherMs = 20;

/**
 * The lobby of one node. The counters are in the database and every node moves them; what is kept here is the line's
 * key, what the counters were a second ago, and this node's own pace.
 */
export async function openLobby(
  needs: LobbyNeeds,
  {
    everyMs = advanceEveryMs,
    hashesPerSecond = () => needs.hashPool.perSecond(),
  }: {
    readonly everyMs?: number | undefined;
    /** What can be served; a test that has no crowd of thousands says less than its threads measure. */
    readonly hashesPerSecond?: (() => number) | undefined;
  } = {},
): Promise<Lobby> {
  const { db, clock, random, log, hashPool, monotonicMs } = needs;
  const pace = newPace(hashesPerSecond());
  let caseId = (await needs.currentCase()) ?? noCase;
  let { key, ...line } = await openLine(needs, caseId, clock.now());
  let calledPerSecond = 0;
  let advancedAt = monotonicMs();
  let noted = { given: 0, called: 0, entered: 0, walkedIn: 0 };

  const door = newDoor({ isOpen: () => pace.open(monotonicMs(), hashPool.waitMs("renewal")), monotonicMs });
  const cameIn = newCameIn();
  /** Numbers that have knocked since the pace moved on: who asks a thousand times is one who is there. */
  const knockers = new Set<number>();
  let completing = 0;
  const hasRoom = (): boolean => hashPool.hasRoom("renewal", hashesKeptFree + completing * hashesOfEach);
  const inLine = (): number => Math.max(0, line.given - line.called);

  const standingOf = (number: number): Standing => {
    const before = Math.max(0, number - line.called - 1);
    const rate = calledPerSecond > 0 ? calledPerSecond : pace.perSecond();
    const expectedSeconds = rate > 0 ? Math.ceil((before + 1) / rate) : null;
    return { number, before, expectedSeconds, comeBackSeconds: comeBackSeconds(expectedSeconds) };
  };

  /** Who comes in one moment, or while the statement before is under way, shares the next one. */
  let asking: Asking[] = [];
  let isTaking = false;
  const takeAll = async (): Promise<void> => {
    isTaking = true;
    while (asking.length > 0) {
      await sleep(gatherMs);
      const batch = asking;
      asking = [];
      try {
        const askers = batch.map(({ from }) => from);
        const asked = caseId;
        const taken = await takeNumbers(db, asked, askers, clock.now());
        // The counters of a line that was left meanwhile say nothing of the one that is in its place.
        if (asked === caseId) {
          line = { given: Math.max(line.given, taken.given), called: Math.max(line.called, taken.called) };
          noted.given += taken.numbers.filter((number) => number !== null).length;
        }
        batch.forEach(({ settle }, index) => settle(taken.numbers[index] ?? null));
      } catch (thrown) {
        for (const { fail } of batch) fail(thrown);
      }
    }
    isTaking = false;
  };
  const markOf = (network: string): Buffer =>
    createHmac("sha256", key.reveal())
      .update(`network ${network} at ${windowOf(clock.now())}`)
      .digest();
  const countedOf = (address: string): Counted => {
    const site = siteOf(address);
    return { network: markOf(networkOf(address)), site: site === undefined ? null : markOf(site) };
  };
  const takeNumber = (address: string): Promise<number | null> =>
    new Promise((resolve, reject) => {
      asking.push({ from: isThisMachine(address) ? null : countedOf(address), settle: resolve, fail: reject });
      if (!isTaking) void takeAll();
    });

  /** Of who came in at `at`; `undefined` once its half hour is over. */
  const passOf = (number: number, browser: Secret, at: EpochMs, now: EpochMs): Admission | undefined =>
    plus(at, passLivesMs) <= now
      ? undefined
      : { kind: "in", pass: { text: signPlace(key, { kind: "pass", caseId, number, at }, browser), browser } };

  const enter = async (
    number: number,
    { text, browser }: PresentedPlace,
    ticketBrowsers: readonly Secret[],
    now: EpochMs,
  ): Promise<Admission | undefined> => {
    const order = { caseId, number, browser, ticketBrowsers, now, ticketUntil: plus(now, passLivesMs) };
    // Two requests of one browser in one moment: the second sees what the first has written.
    const entry = (await enterBy(db, order)) ?? (await enterBy(db, order));
    if (entry?.isFirst === true) {
      noted.entered++;
      pace.entered();
    } else {
      pace.gaveBack();
    }
    if (entry === undefined) return undefined;
    const at = fromDate(entry.enteredAt);
    cameIn.note(text, at);
    return passOf(number, browser, at, now);
  };

  /** Turns that are being taken, by place. However many requests show one at once, it knocks once and comes in once. */
  const turns = new Map<string, Promise<Admission | "not-now" | undefined>>();
  const takeTurn = async (
    number: number,
    place: PresentedPlace,
    ticketBrowsers: readonly Secret[],
  ): Promise<Admission | "not-now" | undefined> => {
    const asked = caseId;
    if (!knockers.has(number)) pace.knocked();
    knockers.add(number);
    if (!(await door.knock(number))) return "not-now";
    return asked === caseId ? enter(number, place, ticketBrowsers, clock.now()) : undefined;
  };
  const turnOf = (number: number, place: PresentedPlace, ticketBrowsers: readonly Secret[]) => {
    const same = turns.get(place.text);
    if (same !== undefined) return same;
    const turn = takeTurn(number, place, ticketBrowsers).finally(() => turns.delete(place.text));
    turns.set(place.text, turn);
    return turn;
  };

  const admit: Lobby["admit"] = async (act, { presented, network, ticketBrowsers = [] }) => {
    const now = clock.now();
    const claims = presented && readPlace(key, caseId, presented.text, presented.browser);
    if (claims !== undefined && presented !== undefined) {
      const waits = (): Admission => ({ kind: "waiting", place: presented, standing: standingOf(claims.number) });
      /** Who has come in waits once more only where there is no room for what they are about to do. */
      const isFull = act === "complete" && !hasRoom();
      const isPass = claims.kind === "pass";
      if (plus(claims.at, isPass ? passLivesMs : placeLivesMs) > now) {
        if (isPass) return isFull ? waits() : { kind: "in", pass: null };
        const cameInAt = cameIn.at(presented.text);
        if (cameInAt !== undefined) {
          const pass = passOf(claims.number, presented.browser, cameInAt, now);
          if (pass !== undefined) return isFull ? waits() : pass;
        } else {
          const turn =
            claims.number <= line.called ? await turnOf(claims.number, presented, ticketBrowsers) : "not-now";
          // The case was closed, or another opened, while they stood at the door: this line's numbers are not theirs.
          if (claims.caseId !== caseId) return admit(act, { presented: undefined, network });
          if (turn === "not-now") {
            if (act === "complete" && hasRoom()) return { kind: "in", pass: null };
            return waits();
          }
          if (turn !== undefined) return turn;
        }
      }
    }
    if (act === "complete") {
      // Who has a code was let in when asking for it; only a full lane sends them to the line.
      if (hasRoom()) return { kind: "in", pass: null };
    } else if (inLine() === 0 && asking.length === 0 && (act === "look" || pace.walkIn(monotonicMs()))) {
      if (act === "ask") noted.walkedIn++;
      return { kind: "in", pass: null };
    }
    const asked = caseId;
    const number = await takeNumber(network);
    if (asked !== caseId) return admit(act, { presented: undefined, network });
    if (number === null) return { kind: "too-many", retryAfterSeconds: 600 };
    const browser = newSecret(random);
    const text = signPlace(key, { kind: "place", caseId, number, at: now }, browser);
    return { kind: "waiting", place: { text, browser }, standing: standingOf(number) };
  };

  const advance = async (): Promise<void> => {
    const seconds = Math.max(0, (monotonicMs() - advancedAt) / 1_000);
    advancedAt += seconds * 1_000;
    const current = (await needs.currentCase()) ?? noCase;
    if (current !== caseId) {
      // A case was opened or closed: its line is another one, and who stood in the old one walks in or begins anew.
      const opened = await openLine(needs, current, clock.now());
      [caseId, key, line] = [current, opened.key, { given: opened.given, called: opened.called }];
      calledPerSecond = 0;
      cameIn.clear();
    }
    knockers.clear();
    const calls = pace.advance(seconds, {
      hashesPerSecond: hashesPerSecond(),
      otherHashes: hashPool.hashes() - hashPool.lane("renewal").made,
      inLine: inLine(),
    });
    const before = line.called;
    const now = await callNumbers(db, caseId, calls);
    line = { given: Math.max(line.given, now.given), called: Math.max(line.called, now.called) };
    noted.called += Math.min(calls, line.called - before);
    if (seconds > 0) {
      const rate = (line.called - before) / seconds;
      // The first seconds of a crowd stand for themselves; later ones are smoothed.
      calledPerSecond =
        calledPerSecond === 0 ? rate : calledPerSecond + (rate - calledPerSecond) * (1 - Math.exp(-seconds / rateTau));
      if (inLine() === 0) calledPerSecond = 0;
    }
    if (Object.values(noted).some((count) => count > 0)) {
      const counts = noted;
      noted = { given: 0, called: 0, entered: 0, walkedIn: 0 };
      await noteMinute(db, caseId, clock.now(), counts);
    }
  };

  const stands = recurring(log, {
    says: "the lobby stands still: the database does not answer now",
    ends: "the lobby moves again",
  });
  const advancing = every(everyMs, () =>
    advance().then(
      () => stands.over(),
      (thrown: unknown) => stands.found({ reason: messageOf(thrown) }),
    ),
  );
  return {
    admit,
    complete: async (renewal) => {
      completing++;
      try {
        return await renewal();
      } finally {
        completing--;
      }
    },
    advance,
    state: () => ({
      caseId,
      ...line,
      calledPerSecond,
      servablePerSecond: pace.perSecond(),
      showRate: pace.showRate(),
    }),
    close: () => advancing.stop(),
  };
}
