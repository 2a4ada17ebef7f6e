import type { WordKey } from "./en.ts";

/**
 * What stands on the pages that somebody reaches with a letter in their hand: a notice, and setting a new password. Each
 * catalogue has every one of them, or does not compile.
 */
export type SharedKey =
  | Extract<
      WordKey,
      | `frame.${string}`
      | `refused.${string}`
      | `notice.${string}`
      | `renew.${string}`
      | `line.${string}`
      | `letter.${string}`
    >
  | "step"
  | "field.address"
  | "field.new-password"
  | "field.new-password.hint"
  | "field.reveal"
  | "field.conceal"
  | "field.code"
  | "field.factor"
  | "field.factor.hint"
  | "field.sign-out-devices"
  | "field.sign-out-devices.hint";
export type SharedWords = Readonly<Record<SharedKey, string>>;
