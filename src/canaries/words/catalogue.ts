import type { TryWay } from "../../http/tries.ts";
import type { DataClass } from "../../wire/incidents.ts";

export type CanaryKind = "account" | "address" | "relay" | "decoy";
/** How an address was used. */
export type Way = TryWay | "mail";

/** What an alarm is about, as far as its words depend on it. */
export type AlarmSubject =
  | { readonly kind: "copy detected" | "honeyword" | "key use" | "test" }
  | ContradictionSubject
  | CanarySubject
  | StuffingSubject;

export interface ContradictionSubject {
  readonly kind: "timeline contradicted";
  readonly witness: string;
  /** Entries of the timeline here. */
  readonly size: number;
  /** In the words of `timeline/cosign.ts`. */
  readonly answer: string;
}

export interface CanarySubject {
  readonly kind: "canary";
  readonly canary: CanaryKind;
  readonly place: string;
  readonly way: Way;
  /** Days, as 2026-11-26. */
  readonly plantedOn: string;
  readonly retiredOn: string | null;
}

/** Of ten minutes, and of the same time of day in the weeks before. */
export interface StuffingSubject {
  readonly kind: "stuffing";
  /** ISO 8601. */
  readonly from: string;
  readonly failed: number;
  readonly unknownPercent: number;
  readonly networks: number;
  readonly usualFailed: number;
  readonly usualUnknownPercent: number;
  readonly usualNetworks: number;
}

/** What is said of an alarm. */
export interface AlarmWords {
  readonly title: string;
  readonly evidence: string;
  readonly notEvidence: string;
  /** How the case that it proposes was found. */
  readonly foundHow: string;
}

/** What is said of a canary, by where its address stood in clear or sealed. */
export interface CanaryWords extends Pick<AlarmWords, "title" | "foundHow"> {
  readonly database: Pick<AlarmWords, "evidence" | "notEvidence">;
  readonly relay: Pick<AlarmWords, "evidence" | "notEvidence">;
  readonly decoy: Pick<AlarmWords, "evidence" | "notEvidence">;
}

/** Alarms, and the letter that tells one to operators, in one language. Instants are written out in it already. */
export interface AlarmCatalogue {
  readonly about: {
    readonly [Kind in Exclude<AlarmSubject["kind"], "timeline contradicted" | "canary" | "stuffing">]: AlarmWords;
  } & {
    readonly "timeline contradicted": (subject: ContradictionSubject) => AlarmWords;
    readonly canary: (subject: CanarySubject) => CanaryWords;
    readonly stuffing: (subject: StuffingSubject) => AlarmWords;
  };
  readonly subject: (service: string, title: string) => string;
  readonly rang: (at: string, place: string | null, times: number) => string;
  readonly evidence: (what: string) => string;
  readonly notEvidence: (what: string) => string;
  readonly noCase: string;
  readonly proposes: (found: {
    readonly how: string;
    readonly copiedAfter: string | null;
    readonly data: readonly DataClass[];
    readonly keys: "no" | "unknown" | "yes";
  }) => string;
  readonly look: (console: string, containing: string) => string;
}

const canaryStood = { account: "database", address: "database", relay: "relay", decoy: "decoy" } as const;

/** What a language says of an alarm. */
export function wordsAbout({ about }: Pick<AlarmCatalogue, "about">, subject: AlarmSubject): AlarmWords {
  switch (subject.kind) {
    case "timeline contradicted":
      return about[subject.kind](subject);
    case "stuffing":
      return about[subject.kind](subject);
    case "canary": {
      const { title, foundHow, ...where } = about.canary(subject);
      return { title, foundHow, ...where[canaryStood[subject.canary]] };
    }
    default:
      return about[subject.kind];
  }
}
