import { createHmac } from "node:crypto";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { SessionId } from "../kernel/brand.ts";
import { networkOf } from "./network.ts";

/** By what somebody signs in, or proves themselves again. */
export type SignInWay = "password" | "second factor" | "passkey" | "operator link" | "link" | "proof" | "passkey proof";

interface Tried {
  readonly way: SignInWay;
  /** The peer's address. */
  readonly network?: string;
  /** What was typed, in its look-up form. */
  readonly form?: string;
  /** The session that the proof is for. */
  readonly sessionId?: SessionId;
}

/** Writes one line of how a sign-in or proof ended. @returns its outcome, as it came. */
export type LogSignIn = <Outcome extends { readonly kind: string }>(tried: Tried, outcome: Outcome) => Outcome;

/**
 * Logs every sign-in, right or wrong: by what way, how it ended, and the id of the session, which opens nothing and is in the
 * record. Addresses and networks are there as marks: the first 48 bits of a MAC under a key that this process makes for
 * itself and writes down nowhere. Equal marks are equal things while it runs, which is what somebody needs who looks at an
 * attack; nobody can test an address against them, with the keys and the database neither. A wrong try says the same whether
 * or not somebody has the address, so the log is no list of who has an account.
 *
 * What is refused before it is judged is not logged one by one, else a flood would fill the disk: the metrics count it.
 *
 * Source: ASVS 5.0 16.2.5 and 16.3.1.
 */
export function signInLog({ log, random }: { readonly log: Log; readonly random: Random }): LogSignIn {
  const key = random.bytes(32);
  const mark = (kind: string, text: string): string =>
    createHmac("sha256", key).update(`${kind} ${text}`).digest("hex").slice(0, 12);
  return ({ way, network, form, sessionId }, outcome) => {
    if (outcome.kind === "too-many") return outcome;
    const made = "sessionId" in outcome ? outcome.sessionId : undefined;
    log.info(
      {
        way,
        end: outcome.kind,
        session: made ?? sessionId,
        from: network === undefined ? undefined : mark("network", networkOf(network)),
        tried: form === undefined ? undefined : mark("address", form),
      },
      "sign-in",
    );
    return outcome;
  };
}
