/** Two hashes: the stolen password's, to refuse it, and the new one's. */
const hashesPerRenewal = 2;

/** Renewals never get less than this share, whatever the other lanes take: their weight in the pool while all are full. */
const leastShare = 0.25;

/** People who may walk in at once while nobody waits, in seconds of what can be served; a handful always may. */
const burstSeconds = 0.1;
const burstPeople = 5;
/** And the same while a line moves: those who are called come in one by one. */
const burstSecondsInLine = 0.05;
const burstPeopleInLine = 2;

/**
 * Nobody comes in from the line while those who are in wait for a hash longer than this, or, where the processor is slow, longer
 * than so many hashes take.
 */
const shutAboveMs = 40;
const shutAboveHashes = 4;

/**
 * How many people should ask at the door for each who can come in: more than one, so that somebody is there whenever there is
 * room. Whoever is not let in asks again two seconds later.
 */
const knocksForEach = 1.5;
const knockEverySeconds = 2;
/** How fast too few or too many at the door are made up for, in seconds. */
const settleTau = 4;
const knockTau = 2;
/** Numbers are called no faster than this many times the pace. */
const mostCalls = 2;

/** How fast what is measured is forgotten, in seconds. */
const othersTau = 5;
const showTau = 60;
/** Somebody who is called shows up when their page asks next; those who were called this recently are not missed yet. */
const showWithinSeconds = 10;

/** What one node's pace goes by, as of now. */
export interface PaceReading {
  /** As the pool measures it. */
  readonly hashesPerSecond: number;
  /** Hashes that other lanes have made since the process started. */
  readonly otherHashes: number;
  /** Places given and not called. */
  readonly inLine: number;
}

export interface Pace {
  /** Moves on by so many seconds. @returns how many numbers this node may call now. */
  advance(seconds: number, reading: PaceReading): number;
  /** Somebody comes while nobody waits: whether they may walk straight in. */
  walkIn(nowMs: number): boolean;
  /** Somebody who was called asks to come in. */
  knocked(): void;
  /** Whether one of those who were called may come in now, while who comes in waits `waitMs` for a hash. */
  open(nowMs: number, waitMs: number): boolean;
  /** Somebody who was called has come in. */
  entered(): void;
  /** Somebody was let in and had no need of it: the next may come in their place. */
  gaveBack(): void;
  /** Renewals a second that this node can serve besides what else it does. */
  perSecond(): number;
  /** Of those who are called, how many come in: 0.2 to 1. Others have gone away. */
  showRate(): number;
}

/**
 * How many people a node lets in: as many as its hash threads can serve, by what they measure of themselves, less what the
 * other lanes take. A budget fills with time and is spent by whoever comes in, walking in or called.
 *
 * Calling is apart from letting in. Whoever is called shows up when their page asks next, up to two seconds later and many
 * at once, or has gone away. So more are called than can come in, and the door lets them in evenly: a pace
 * that only called could but guess what arrives, and swung between a full queue and an empty one.
 *
 * Arithmetic alone: it knows no clock and no database.
 */
export function newPace(hashesPerSecond: number): Pace {
  let able = hashesPerSecond;
  let perSecond = able / hashesPerRenewal;
  let inLine = 0;
  let filledAtMs: number | undefined;
  let budget = Math.max(burstPeople, perSecond * burstSeconds);
  let othersPerSecond = 0;
  let otherHashes: number | undefined;
  let called = 20;
  let came = 20;
  /** Calls of the last seconds, the newest last: they count once their people have had the time to come. */
  let recent: { readonly calls: number; age: number }[] = [];
  let knocks = 0;
  let knocksPerSecond = 0;
  let cameSince = 0;
  let owed = 0;

  const showRate = (): number => Math.min(1, Math.max(0.2, came / Math.max(1, called)));

  const fill = (nowMs: number): void => {
    const most =
      inLine > 0
        ? Math.max(burstPeopleInLine, perSecond * burstSecondsInLine)
        : Math.max(burstPeople, perSecond * burstSeconds);
    budget = Math.min(most, budget + (perSecond * Math.max(0, nowMs - (filledAtMs ?? nowMs))) / 1_000);
    filledAtMs = nowMs;
  };
  const spend = (nowMs: number): boolean => {
    fill(nowMs);
    if (budget < 1) return false;
    budget -= 1;
    return true;
  };

  return {
    advance: (seconds, reading) => {
      const others = otherHashes === undefined ? 0 : (reading.otherHashes - otherHashes) / Math.max(0.001, seconds);
      otherHashes = reading.otherHashes;
      othersPerSecond += (others - othersPerSecond) * (1 - Math.exp(-seconds / othersTau));
      able = reading.hashesPerSecond;
      perSecond = Math.max(able - othersPerSecond, able * leastShare) / hashesPerRenewal;
      inLine = reading.inLine;

      const forgotten = Math.exp(-seconds / showTau);
      called *= forgotten;
      came *= forgotten;
      recent = recent.filter((one) => {
        one.age += seconds;
        if (one.age < showWithinSeconds) return true;
        called += one.calls;
        return false;
      });

      // As many as came in, so that as many are at the door as before; and what is missing there, or is too much.
      knocksPerSecond += (knocks / Math.max(0.001, seconds) - knocksPerSecond) * (1 - Math.exp(-seconds / knockTau));
      const missing = (knocksForEach * perSecond - knocksPerSecond) * knockEverySeconds;
      const more = (cameSince + missing * (1 - Math.exp(-seconds / settleTau))) / showRate();
      [knocks, cameSince] = [0, 0];
      owed = Math.max(0, owed + Math.min(more, (perSecond * seconds * mostCalls) / showRate()));
      const calls = Math.min(inLine, Math.floor(owed));
      owed = Math.min(owed - calls, 1);
      if (calls > 0) recent.push({ calls, age: 0 });
      return calls;
    },
    walkIn: spend,
    knocked: () => void knocks++,
    open: (nowMs, waitMs) =>
      waitMs <= Math.max(shutAboveMs, (shutAboveHashes * 1_000) / Math.max(able, 0.001)) && spend(nowMs),
    entered: () => {
      came++;
      cameSince++;
    },
    gaveBack: () => void budget++,
    perSecond: () => perSecond,
    showRate,
  };
}

/** A page that waits asks again half way, and often when its turn is near. */
export const comeBackSeconds = (expectedSeconds: number | null): number =>
  expectedSeconds === null ? 5 : Math.min(90, Math.max(2, Math.ceil(expectedSeconds / 2)));
