import type { Brand, IncidentId } from "../kernel/brand.ts";
import { after, every, fromDate, minuteMs, plus, secondMs, sleep, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { laterOf } from "../mail/later.ts";
import type { MailTransport, SendOutcome } from "../mail/mail.ts";
import { providerPace, steadyPace, type ProviderPace } from "../mail/pace.ts";
import { readLobbyFullness } from "../renewal/lobby/fullness.ts";
import { addressLetters } from "./address-letters.ts";
import { walkers } from "./campaign.ts";
import { campaignShare } from "./campaign-share.ts";
import type { Chosen } from "./choose-address.ts";
import { openClaims, type WaitingLetter } from "./claims.ts";
import { destination, judgeOutcome, putOff, withoutSending, type Addressed } from "./judge-outcome.ts";
import { finish, soonest } from "./finish.ts";
import { readNotices } from "./notice.ts";
import { relayBrake } from "./relay-brake.ts";
import { pauseCampaign } from "./pause.ts";
import { openPlaces, type Place } from "./places.ts";
import { readAhead } from "./read-ahead.ts";
import { campaignKey, messageIdOf } from "./campaign-key.ts";
import { recordOutcomes, type Outcome } from "./record-outcomes.ts";
import { countWalks, keepShards } from "./shards.ts";
import { openTurns, tickMs } from "./turns.ts";
import { unfit } from "./unfit-letter.ts";
import { untilItCan } from "./until-it-can.ts";

/** How a walk behaves; the product's own figures unless told otherwise. */
export interface Pace {
  /** Letters on their way at once, and so the most that a kill can make go twice. Twice as many are made ready meanwhile. */
  readonly concurrency: number;
  /** Letters that are read at once. */
  readonly batch: number;
  /** How long a claim and a range hold without being renewed; a walk that lives renews them. */
  readonly leaseMs: number;
  /** The pause before the second try; it doubles with each, up to an hour. */
  readonly firstRetryMs: number;
  /** When nothing has come back for so long, a walk whose turn or rest is over goes on while it waits. */
  readonly stragglersMs: number;
}
export const ordinaryPace: Pace = {
  concurrency: 200,
  batch: 500,
  leaseMs: minuteMs,
  firstRetryMs: 30 * secondMs,
  stragglersMs: 5 * secondMs,
};

export interface WalkNeeds {
  readonly db: Db;
  /** Mailer's role: addresses are opened here and nowhere else in a campaign. */
  readonly keyholder: Pick<Keyholder, "open" | "index" | "indexMany">;
  readonly transport: MailTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly pace?: Partial<Pace>;
  /** What is learnt of providers; walks of one process share it, and it outlives them. */
  readonly providers?: ProviderPace;
  /** Where letters come back to; without it nothing takes them. */
  readonly bounceAddress?: string | null;
  /** Which of the addresses must never be written to (canaries); their letters count as suppressed. */
  readonly neverMailed: (addresses: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Letters that the relay takes in a second, all walks together. A tenth of it is left to mail that somebody waits for. */
  readonly allowancePerSecond?: number;
}

export type Walked =
  /** Nothing waits any more, and the case says so. */
  | { readonly kind: "finished" }
  /** Nothing can be handed over before then: deferred letters, other walks' claims, a relay that takes nothing. */
  | { readonly kind: "waiting"; readonly until: EpochMs }
  /** The time was up or the walk was asked to stop; what it had read and not claimed is as it was. */
  | { readonly kind: "stopped" }
  /** Somebody has to let it go on: see `pause.ts`. */
  | { readonly kind: "paused" }
  | { readonly kind: "no such campaign" };

/** While letters are on their way and there was nothing else to read. */
const readAgainMs = secondMs / 2;
/**
 * Letters that are signed while so many are on their way: those wait for the network and the disk, and whoever signed only
 * when one of them has come back would leave the processors idle meanwhile. They are not claimed yet.
 */
const readyForEachPlace = 2;
/** How often a walk looks how full the lobby is. */
const heedLobbyMs = secondMs;
/** A full lobby is looked at again after this. */
const fullLobbyMs = 5 * secondMs;
/** A relay's allowance is shared by the walks there are, which are counted this often. */
const countWalksMs = 2 * secondMs;

/**
 * Walks the frozen scope: takes a range of accounts, reads its letters in order of id, signs each, claims it when it is
 * ready to go over a connection, records what the relay said, then takes the next range; until nothing is left, `until` has come or
 * `signal` aborts. Any number of walks may go at once, in any processes.
 *
 * Killed at any instant it loses nothing: a claim whose lease ran out is taken again by the next walk, under the same
 * Message-ID, and counted as possibly twice. At most `concurrency` letters can have gone unrecorded, since a letter's place
 * is given to the next only when its answer is committed. No transaction spans the network. While the disk of the database
 * is full nothing is claimed, and what is known is kept until it can be written.
 *
 * A relay may leave a letter without an answer for ten minutes (RFC 5321 section 4.5.3.2). It holds up its own place and no
 * other letter: a walk whose time is up goes on for another such time while it waits.
 *
 * The send rate is the admission control of those who come back: with the lobby half full a walk sends half of what it
 * could, whether the machine, the relay's allowance or a provider's pace is what holds it up, and with a full one nothing.
 */
export async function walk(
  needs: WalkNeeds,
  incidentId: IncidentId,
  { until, signal }: { readonly until?: EpochMs; readonly signal?: AbortSignal } = {},
): Promise<Walked> {
  const { db, transport, clock, random, log, providers = providerPace() } = needs;
  const { concurrency, batch, leaseMs, firstRetryMs, stragglersMs } = { ...ordinaryPace, ...needs.pace };
  const incident = await db.one<{ reference: string; isFrozen: boolean; isPaused: boolean }>(
    `select i.reference, c.frozen_at is not null as "isFrozen", c.paused_at is not null as "isPaused"
       from incident i join campaign c on c.incident_id = i.id where i.id = $1`,
    [incidentId],
  );
  if (incident === undefined) return { kind: "no such campaign" };
  if (incident.isPaused) return { kind: "paused" };
  if (!incident.isFrozen) return { kind: "waiting", until: plus(clock.now(), secondMs) };
  const lobby = await readLobbyFullness(db, incidentId, clock.now());
  if (lobby.fullness === 1) return { kind: "waiting", until: plus(clock.now(), fullLobbyMs) };
  const notices = await readNotices(db, incidentId);
  for (const notice of notices) {
    const why = await unfit(notice);
    if (why === undefined) continue;
    log.error({ incidentId, locale: notice.locale, why }, "the letter of a campaign cannot be sent; it is paused");
    await pauseCampaign(needs, incidentId, "the walk", `the letter in ${notice.locale}: ${why}`);
    return { kind: "paused" };
  }
  const key = await campaignKey(needs, incidentId);
  const walkId = newId<Brand<string, "WalkId">>(random, clock.now());
  const reader = readAhead(needs, incidentId, { walkId, leaseMs, batch, signal });
  const claims = openClaims(needs, incidentId, { leaseMs, signal });
  const recorder = recordOutcomes(needs, incidentId, signal);
  const places = openPlaces(concurrency);
  const allowance = steadyPace();
  // As many as may be, until they are counted.
  let walks = walkers;

  const brake = relayBrake({ batch, concurrency });
  /** Letters that are being signed, wait for a place, or have one: being claimed, on their way, being recorded. */
  let underWay = 0;
  let putting = 0;
  /** Letters that came back from the relay, or were held back. */
  let back = 0;
  let reading: Promise<void> | undefined;
  /** There was nothing to read: what is under way may be all there is. */
  let isToPause = false;
  let isReadOut = false;

  let turnEnds = until;
  const turnMs = until === undefined ? 0 : until - clock.now();
  /** What the lobby leaves of what could be sent. */
  let share = 1 - lobby.fullness;
  /** Time in which nothing more could be made ready, and so the machine or the relay was the limit; a part of it is rest. */
  let busyMs = 0;
  let failure: unknown;
  const fail = (thrown: unknown): void => {
    failure ??= thrown;
  };

  /** For good, as opposed to a turn or a rest. */
  const isEnding = (): boolean => signal?.aborted === true || failure !== undefined || claims.isPaused();
  /** Also once the clock was set back to before the turn began: otherwise it would last that much longer. */
  const isTurnOver = (now: EpochMs): boolean =>
    turnEnds !== undefined && (now >= turnEnds || now < plus(turnEnds, -turnMs));
  const isStopped = (): boolean => isEnding() || brake.resting() !== undefined || isTurnOver(clock.now());

  let wake = (): void => undefined;
  /** Resolves when something has happened, or after `withinMs`. */
  const somethingHappens = (withinMs: number): Promise<void> =>
    new Promise((resolve) => {
      const callOff = after(withinMs, resolve);
      wake = () => {
        callOff();
        resolve();
      };
    });

  const turns = openTurns({
    clock,
    providers,
    share: () => share,
    putOff: (letter, later) => {
      putting++;
      void settle(letter, putOff(letter, later)).finally(() => {
        putting--;
        wake();
      });
    },
    onTurn: () => wake(),
  });
  const isNothingOpen = (): boolean => underWay + putting + turns.size() === 0;

  async function read(): Promise<void> {
    const isAlone = isNothingOpen();
    const letters = await reader.next();
    if (letters.length > 0) turns.add(await addressLetters(needs, incidentId, { key, notices }, letters));
    else {
      isToPause = true;
      after(readAgainMs, () => {
        isToPause = false;
        wake();
      });
    }
    isReadOut = letters.length === 0 && isAlone;
  }

  function readMore(): void {
    if (reading !== undefined || turns.isFull(batch / 2) || (isToPause && !isNothingOpen())) return;
    reading = read()
      .catch(fail)
      .finally(() => {
        reading = undefined;
        wake();
      });
  }

  async function settle(letter: WaitingLetter, outcome: Outcome | undefined): Promise<void> {
    try {
      if (outcome !== undefined) await recorder.record(outcome);
      claims.settled(letter.accountId);
      reader.settled(letter);
    } catch (thrown) {
      fail(thrown);
    }
  }

  async function claim(letter: WaitingLetter): Promise<WaitingLetter | undefined> {
    try {
      return await claims.claim(letter);
    } catch (thrown) {
      fail(thrown);
      return undefined;
    }
  }

  /** @returns its outcome; `undefined` when it is not this walk's any more. */
  async function send(letter: Addressed, chosen: Chosen, place: Place): Promise<Outcome | "not now" | undefined> {
    let { attempts } = letter;
    let isOurs = true;
    let isHeldBack = false;
    const { to, returnPath } = chosen;
    const sent = await transport
      .send({
        to,
        written: letter.notice,
        messageId: messageIdOf(key, incident?.reference ?? "", letter.accountId),
        ...(returnPath === undefined ? {} : { returnPath }),
        whenReady: async () => {
          await place.take();
          isHeldBack = isStopped();
          if (isHeldBack) return false;
          const claimed = await claim(letter);
          attempts = claimed?.attempts ?? attempts;
          isOurs = claimed !== undefined;
          return isOurs;
        },
      })
      .catch((thrown: unknown): SendOutcome => {
        // A mistake of ours must not hold up everybody else's letter; it stays visible as waiting, with its reason.
        log.error({ reason: messageOf(thrown) }, "a letter could not be handed to the transport");
        const reply = `not sent: ${thrown instanceof Fault ? thrown.code : "fault"}`;
        return { kind: "deferred", reply, mayHaveArrived: false, cause: "relay" };
      });
    if (isHeldBack) return "not now";
    if (!isOurs) return undefined;
    const outcome = judgeOutcome({ random, key, firstRetryMs }, { ...letter, attempts }, chosen, sent, clock.now());
    learn(letter, chosen, sent, outcome);
    return outcome;
  }

  function learn({ deferredSince }: WaitingLetter, { provider }: Chosen, sent: SendOutcome, { dueAt }: Outcome): void {
    const putOffSince = deferredSince === null ? null : fromDate(deferredSince);
    const later = sent.kind === "deferred" ? laterOf(sent.reply) : undefined;
    if (sent.kind === "handed over") providers.learn(provider, clock.now(), "taken", putOffSince);
    else if (later !== undefined) providers.learn(provider, clock.now(), later, putOffSince);
    brake.note(sent, later, dueAt);
  }

  async function deliver(letter: Addressed): Promise<void> {
    underWay++;
    const place = places.place();
    const chosen = destination(letter);
    const outcome = chosen === undefined ? withoutSending(letter) : await send(letter, chosen, place);
    if (outcome === "not now") turns.giveBack(letter, "last");
    else await settle(letter, outcome);
    place.leave();
    underWay--;
    back++;
    wake();
  }

  /** Hands letters out until nothing is left, or the walk is stopped. */
  async function handOut(): Promise<void> {
    while (!isStopped() && !(isReadOut && reading === undefined && isNothingOpen())) {
      readMore();
      if (busyMs >= tickMs) {
        await sleep(Math.min((busyMs * (1 - share)) / share, fullLobbyMs), signal);
        busyMs = 0;
      }
      const isFull = underWay >= concurrency * (1 + readyForEachPlace);
      const letter = isFull ? undefined : turns.next();
      if (letter === undefined) {
        const from = clock.now();
        await somethingHappens(readAgainMs);
        if (isFull) busyMs += clock.now() - from;
        continue;
      }
      const all = needs.allowancePerSecond;
      const ours = all === undefined ? undefined : (all * campaignShare * share) / walks;
      const waitMs = destination(letter) === undefined ? 0 : allowance.take(clock.now(), ours);
      if (waitMs === 0) void deliver(letter);
      else {
        turns.giveBack(letter, "first");
        await somethingHappens(Math.max(waitMs, tickMs));
      }
    }
  }

  /** Waits for what is on its way. @returns false when the relay is silent and the other letters can go on. */
  async function isAllBack(): Promise<boolean> {
    let isSilent = false;
    let heard: number | undefined;
    let callOff = (): void => undefined;
    while (underWay + putting > 0 || reading !== undefined) {
      if (heard !== back) {
        heard = back;
        isSilent = false;
        callOff();
        callOff = after(stragglersMs, () => {
          isSilent = true;
        });
      }
      if (isSilent && !isEnding() && (brake.resting() ?? 0) <= clock.now()) return false;
      await somethingHappens(readAgainMs);
    }
    callOff();
    return true;
  }

  async function go(): Promise<void> {
    await handOut();
    while (!(await isAllBack())) {
      brake.release();
      if (turnEnds !== undefined) turnEnds = plus(clock.now(), turnMs);
      await handOut();
    }
  }

  const keeping = every(leaseMs / 3, async () => {
    try {
      await claims.renew();
      await keepShards(db, incidentId, walkId, plus(clock.now(), leaseMs));
    } catch (thrown) {
      log.warn({ reason: messageOf(thrown) }, "the claims of a campaign could not be renewed");
    }
  });
  const counting = every(countWalksMs, async () => {
    if (needs.allowancePerSecond === undefined) return;
    walks = Math.max(1, await countWalks(db, incidentId, clock.now()).catch(() => walks));
  });
  const heeding = every(heedLobbyMs, async () => {
    const { fullness } = await readLobbyFullness(db, incidentId, clock.now()).catch(() => ({ fullness: 1 - share }));
    if (fullness === 1) brake.restUntil(plus(clock.now(), fullLobbyMs));
    else share = 1 - fullness;
  });
  try {
    await go();
  } finally {
    await heeding.stop();
    await keeping.stop();
    await counting.stop();
  }
  await reader.leave();
  if (failure !== undefined) throw failure;
  if (claims.isPaused()) return { kind: "paused" };
  const restUntil = brake.resting();
  if (restUntil !== undefined) return { kind: "waiting", until: soonest(restUntil, clock.now()) };
  if (!isReadOut) return { kind: "stopped" };
  return untilItCan(log, signal, () => finish(needs, incidentId));
}
