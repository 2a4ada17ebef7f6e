/** What keys are used for, as it is accounted. */
export const usePurposes = [
  "password",
  "second factor",
  "code",
  "index",
  "seal",
  "open",
  "mailer",
  "sign.grant",
  "sign.checkpoint",
  "sign.letter",
  "dkim",
  "signal",
  "keys",
] as const;
export type UsePurpose = (typeof usePurposes)[number];

/** Counts by purpose; a purpose that is missing is none. */
export type UseCounts = Readonly<Partial<Record<UsePurpose, number>>>;

export const parsePurposeOfUse = (name: string): UsePurpose | undefined => usePurposes.find((one) => one === name);
