/** Two hashes: the stolen password's, to refuse it, and the new one's. */
const hashesPerRenewal = 2;

/**
 * The share of the measured hash rate that is given out. The rest is what keeps those who were let in from waiting for
 * one another: at 9 tenths of capacity a queue is short, and near the whole it has no end.
 */
const givenOut = 0.9;

/** Renewals never get less than this share, whatever the other lanes take: their weight in the pool while all are full. */
const leastShare = 0.25;

/** People who may walk in at once while nobody waits, in seconds of what can be served; a handful always may. */
const burstSeconds = 0.5;
const burstPeople = 5;
/** And the same while a line moves: it is called evenly. */
const callSeconds = 0.75;

/** While those who are in wait longer than this for a hash, nobody else is called. */
const callBelowWaitMs = 80;

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
  /** What a renewal that comes now waits for its first hash. */
  readonly renewalWaitMs: number;
  /** Places given and not called. */
  readonly inLine: number;
}

export interface Pace {
  /** Moves on by so many seconds. @returns how many numbers this node may call now. */
  advance(seconds: number, reading: PaceReading): number;
  /** Somebody comes while nobody waits: whether they may walk straight in. */
  walkIn(): boolean;
  /** Somebody who was called has come in. */
  entered(): void;
  /** Renewals a second that this node can serve besides what else it does. */
  perSecond(): number;
  /** Of those who are called, how many come in: 0.2 to 1. Others have gone away. */
  showRate(): number;
}

/**
 * How many people a node lets in: as many as its hash threads can serve, by what they measure of themselves, less what the
 * other lanes take. A budget fills second by second and is spent by those who walk in, or by calling numbers; since some
 * who are called have gone away, more are called than are expected. Arithmetic alone: it knows no clock and no database.
 */
export function newPace(hashesPerSecond: number): Pace {
  let perSecond = (hashesPerSecond * givenOut) / hashesPerRenewal;
  let budget = Math.max(burstPeople, perSecond * burstSeconds);
  let othersPerSecond = 0;
  let otherHashes: number | undefined;
  let called = 20;
  let came = 20;
  /** Calls of the last seconds, the newest last: they count once their people have had the time to come. */
  let recent: { readonly calls: number; age: number }[] = [];

  const showRate = (): number => Math.min(1, Math.max(0.2, came / Math.max(1, called)));

  return {
    advance: (seconds, reading) => {
      const others = otherHashes === undefined ? 0 : (reading.otherHashes - otherHashes) / Math.max(0.001, seconds);
      otherHashes = reading.otherHashes;
      othersPerSecond += (others - othersPerSecond) * (1 - Math.exp(-seconds / othersTau));
      const able = reading.hashesPerSecond * givenOut;
      perSecond = Math.max(able - othersPerSecond, able * leastShare) / hashesPerRenewal;

      const forgotten = Math.exp(-seconds / showTau);
      called *= forgotten;
      came *= forgotten;
      recent = recent.filter((one) => {
        one.age += seconds;
        if (one.age < showWithinSeconds) return true;
        called += one.calls;
        return false;
      });

      const most =
        reading.inLine > 0 ? Math.max(1, perSecond * callSeconds) : Math.max(burstPeople, perSecond * burstSeconds);
      budget = Math.min(most, budget + perSecond * seconds);
      if (reading.inLine <= 0 || reading.renewalWaitMs > callBelowWaitMs) return 0;
      const calls = Math.min(reading.inLine, Math.floor(budget / showRate()));
      budget -= calls * showRate();
      if (calls > 0) recent.push({ calls, age: 0 });
      return calls;
    },
    walkIn: () => {
      if (budget < 1) return false;
      budget -= 1;
      return true;
    },
    entered: () => {
      came++;
    },
    perSecond: () => perSecond,
    showRate,
  };
}

/** A page that waits asks again a few times on its way, and often when its turn is near. */
export const comeBackSeconds = (expectedSeconds: number | null): number =>
  expectedSeconds === null ? 5 : Math.min(60, Math.max(2, Math.ceil(expectedSeconds / 4)));
