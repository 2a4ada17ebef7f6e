import type { TryWay } from "../../http/tries.ts";
import type { DataClass } from "../../wire/incidents.ts";

export type CanaryKind = "account" | "address" | "relay" | "decoy";
/** How an address was used. */
export type Way = TryWay | "mail";

/** What an alarm is about, as far as its words depend on it. */
export type AlarmSubject =
  | { readonly kind: "copy detected" | "honeyword" | "key use" | "test" }
  | {
      readonly kind: "timeline contradicted";
      readonly witness: string;
      /** Entries of the timeline here. */
      readonly size: number;
      /** In the words of `timeline/cosign.ts`. */
      readonly answer: string;
    }
  | CanarySubject
  | StuffingSubject;

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

/** Alarms, and the letter that tells one to operators, in one language. Instants are written out in it already. */
export interface AlarmCatalogue {
  readonly about: (subject: AlarmSubject) => AlarmWords;
  readonly subject: (service: string, title: string) => string;
  readonly rang: (at: string, place: string | null, times: number) => string;
  readonly evidence: (what: string) => string;
  readonly notEvidence: (what: string) => string;
  readonly noCase: string;
  readonly proposes: (found: {
    readonly how: string;
    readonly copiedAt: string | null;
    readonly data: readonly DataClass[];
    readonly keys: "no" | "unknown" | "yes";
  }) => string;
  readonly look: (console: string, containing: string) => string;
}
