import type { CloseOutcome, ReviewOutcome } from "./close.ts";

export const noCase = { detail: "there is no such case, or it is closed" };

/** Why an item of the review was not recorded. */
export function reviewRefusal(outcome: Exclude<ReviewOutcome, "recorded">): string {
  switch (outcome) {
    case "unknown-item":
      return "the review list has no such item";
    case "note-needed":
      return "say why the item is not done";
    case "not-open":
      return noCase.detail;
  }
}

/** Why a case stays open, in one line for a problem's detail or a terminal. */
export function closeRefusal(outcome: Exclude<CloseOutcome, { kind: "closed" }>): string {
  switch (outcome.kind) {
    case "missing":
      return `missing: ${outcome.missing.join("; ")}`;
    case "review-refused":
      return outcome.reason === "recorded" ? "recorded" : `${outcome.item}: ${reviewRefusal(outcome.reason)}`;
    case "not-open":
      return noCase.detail;
  }
}
