import type { AccountId } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { ProblemCode } from "./problem.ts";
import { freshProofMs, type Access, type Viewer } from "./viewer.ts";

/** Whether the account has something stronger than a password that counts now: a passkey, or codes from an app. */
export type HasSecondFactor = (accountId: AccountId) => Promise<boolean>;

/** Whether a proof is of the last five minutes. One from the future was made before the clock was set back: nobody knows its age. */
export const isFresh = (provedAt: EpochMs, now: EpochMs): boolean => Math.abs(now - provedAt) <= freshProofMs;

/**
 * When the viewer last proved more than a password; `null` if this session never has. The link that the host prints
 * proves that its user holds the machine, which is more than any of it, for as long as that proof is fresh and no longer.
 */
export function strongProofAt(viewer: Viewer, now: EpochMs): EpochMs | null {
  if (viewer.proof === "host") return isFresh(viewer.provedAt, now) ? viewer.provedAt : null;
  return viewer.stronglyProvedAt;
}

/**
 * Judges a viewer against a route's access: `undefined` if it is met, or else what is missing. What operators do (and not
 * only read) takes a session that was proved by more than a password; the gravest acts take such a proof of the last five
 * minutes. An operator who has nothing of the kind is told to add it first. And an operator who has a second factor proves it
 * before changing what opens the account: else a guessed password could add a second factor of its own.
 *
 * Source: ASVS 5.0 6.3.3, 7.5.1 and 7.5.3.
 */
export function whatIsMissing(
  access: Exclude<Access, "anyone" | "grant">,
  viewer: Viewer,
  now: EpochMs,
  hasSecondFactor: HasSecondFactor,
): ProblemCode | undefined | Promise<ProblemCode | undefined> {
  if (access === "viewer") return undefined;
  const isOperator = viewer.role === "operator";
  if (access !== "fresh viewer" && !isOperator) return "operators-only";
  if (access === "operator") return undefined;
  const strongly = strongProofAt(viewer, now);
  const isStrongNow = strongly !== null && isFresh(strongly, now);
  if (access === "fresh viewer") {
    const missing = isFresh(viewer.provedAt, now) ? undefined : "proof-needed";
    if (isStrongNow || !isOperator) return missing;
    return hasSecondFactor(viewer.accountId).then((has) => (has ? "strong-proof-needed" : missing));
  }
  if (access === "operator act" ? strongly !== null : isStrongNow) return undefined;
  return hasSecondFactor(viewer.accountId).then((has) => (has ? "strong-proof-needed" : "second-factor-required"));
}
