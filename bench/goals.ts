/** What a figure must reach. `under` is strict, the others are not. */
export type Goal = { readonly under: number } | { readonly atMost: number } | { readonly atLeast: number };

/**
 * The goals, benchmark by benchmark, under the key of the figure that each judges. A figure without a goal is printed
 * for comparison and judges nothing.
 */
export const goals = {
  contain: {
    // From the call to the commit, the witness's two fsyncs before it included.
    containLargeMs: { under: 10 },
    containLargeToMiddle: { atMost: 1.5 },
    containLargeToSmall: { atMost: 1.5 },
  },
  checks: {
    checksToBetterAuth: { atLeast: 30 },
    checksToBare: { atLeast: 0.38 },
  },
  signin: {
    signInsToRawHashes: { atLeast: 0.8 },
  },
  remux: {
    segmentMs: { under: 25 },
    firstPictureMs: { under: 800 },
  },
  alarm: {
    slowestMs: { atMost: 5_000 },
  },
  enumeration: {
    // An attacker who tells by time alone is right in at most 55 of 100 pairs.
    largestApart: { atMost: 0.05 },
    answersApart: { atMost: 0 },
    callsApart: { atMost: 0 },
  },
  passwords: {
    bytesPerPassword: { atMost: 1.25 },
    lookupUs: { under: 20 },
    missed: { atMost: 0 },
  },
  letters: {
    lettersToNodemailer: { atLeast: 3 },
    lettersToSmtpSource: { atLeast: 0.25 },
    // Flat from a tenth of the letters to all of them.
    memoryLargeToSmall: { atMost: 1.25 },
  },
  polls: {
    pollsPerSecond: { atLeast: 10_000 },
    bytesPerLink: { under: 1_000 },
  },
  renew: {
    // Counted in hashes, of which each renewal makes two.
    renewHashesToRaw: { atLeast: 0.8 },
    renewToBetterAuth: { atLeast: 10 },
  },
  rewrap: {
    // Password records and data keys, on 2 cores that the keyholder and PostgreSQL share with the walk.
    passwordsPerSecond: { atLeast: 50_000 },
    dataKeysPerSecond: { atLeast: 50_000 },
  },
  storm: {
    goodput: { atLeast: 0.85 },
    serverErrors: { atMost: 0 },
    turnedAway: { atMost: 0 },
    refusedConnections: { atMost: 0 },
    admittedP99OverAllowed: { atMost: 1 },
    segmentP99OverAllowed: { atMost: 1 },
    rebuffered: { atMost: 0 },
  },
  proofs: {
    entriesPerSecond: { atLeast: 20_000 },
    proofMs: { under: 1 },
    // The longest proof has one hash for each level of the tree, and no more.
    longestProofToLog: { atMost: 1 },
  },
  segments: {
    hotToNginx: { atLeast: 1 },
  },
  start: {
    readyMs: { under: 5_000 },
    idleMebibytes: { under: 400 },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Goal>>>>;

export type BenchName = keyof typeof goals;

export const benchNames = Object.keys(goals) as BenchName[];
