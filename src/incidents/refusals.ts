import type { CloseOutcome, ReviewOutcome, WayInRefusal } from "./close.ts";

export const noCase = { detail: "there is no such case, or it is closed" };

/** Why what is known of a case can be changed no more. */
export const toldRefusal = "the letters have been started; what they say stands";

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

/** Why a way in was not recorded as closed. */
export function wayInRefusal(reason: WayInRefusal): string {
  switch (reason) {
    case "evidence-needed":
      return "say what the way in was, and the evidence that it is closed";
    case "in-the-future":
      return "the way in cannot have been closed in the future";
  }
}

/** Why a case stays open, in one line for a problem's detail or a terminal. */
export function closeRefusal(outcome: Exclude<CloseOutcome, { kind: "closed" }>): string {
  switch (outcome.kind) {
    case "missing":
      return `missing: ${outcome.missing.join("; ")}`;
    case "review-refused":
      return outcome.reason === "recorded" ? "recorded" : `${outcome.item}: ${reviewRefusal(outcome.reason)}`;
    case "way-in-refused":
      return wayInRefusal(outcome.reason);
    case "not-open":
      return noCase.detail;
  }
}
