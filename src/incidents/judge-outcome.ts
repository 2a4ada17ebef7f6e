import { dayMs, hourMs, plus, secondMs, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import { withoutAddresses } from "../mail/address.ts";
import { waitAskedMs } from "../mail/later.ts";
import type { SendOutcome } from "../mail/mail.ts";
import type { Chosen } from "./choose-address.ts";
import type { WaitingLetter } from "./claims.ts";
import type { StoredNotice } from "./notice.ts";
import { keyed } from "./campaign-key.ts";
import type { Outcome } from "./record-outcomes.ts";

/** A letter that waits, with whom it goes to. */
export interface Addressed extends WaitingLetter {
  /** Undefined when there is nothing to write to; `bounced` when nothing else is left than what came back before. */
  readonly chosen: Chosen | "bounced" | undefined;
  readonly isSuppressed: boolean;
  readonly notice: StoredNotice;
}

/** How long, and for how many tries at least, a relay's "later" is believed (RFC 5321 section 4.5.4.1: at least four to five days). */
const patienceMs = 5 * dayMs;
const leastTries = 8;
const longestPauseMs = hourMs;

interface Needs {
  readonly random: Random;
  /** The campaign's key. */
  readonly key: Uint8Array;
  readonly firstRetryMs: number;
}

const nothingSent = {
  queueId: null,
  dueAt: null,
  mayHaveArrived: false,
  isPutOffByRelay: false,
  addressHash: undefined,
  sentTo: null,
} as const;

/** Where a letter goes; `undefined` for one that goes nowhere, whose outcome is `withoutSending`. */
export const destination = ({ chosen, isSuppressed }: Addressed): Chosen | undefined =>
  typeof chosen === "object" && !isSuppressed ? chosen : undefined;

/** The outcome of a letter that goes nowhere. */
export function withoutSending({ accountId, attempts, chosen, isSuppressed, notice }: Addressed): Outcome {
  const none = { ...nothingSent, accountId, attempts, notice };
  if (isSuppressed) return { ...none, state: "suppressed", reply: "never mailed" };
  if (chosen === "bounced") return { ...none, state: "suppressed", reply: "bounced before" };
  return { ...none, state: "no address", reply: "no readable address" };
}

/** What the relay's answer makes of a letter: settled, or to be tried again and when. */
export function judgeOutcome(
  { random, key, firstRetryMs }: Needs,
  {
    accountId,
    attempts,
    deferredSince,
    notice,
  }: Pick<Addressed, "accountId" | "attempts" | "deferredSince" | "notice">,
  { normalised, addressId }: Chosen,
  sent: SendOutcome,
  now: EpochMs,
): Outcome {
  const addressHash = keyed(key, "address", normalised);
  const common = { ...nothingSent, accountId, attempts, notice, addressHash, sentTo: addressId };
  const { reply } = sent;
  switch (sent.kind) {
    case "handed over":
      return { ...common, state: "handed over", reply, queueId: sent.queueId ?? null };
    case "refused":
      return { ...common, state: "refused", reply };
    case "deferred": {
      const { mayHaveArrived, cause } = sent;
      const isOutOfPatience = deferredSince !== null && now - deferredSince.getTime() >= patienceMs;
      if (cause === "letter" && isOutOfPatience && attempts >= leastTries) {
        const gaveUp = withoutAddresses(`gave up after ${attempts} tries: ${reply}`);
        return { ...common, state: "refused", reply: gaveUp, mayHaveArrived };
      }
      const doubledMs = firstRetryMs * 2 ** Math.min(attempts - 1, 30);
      // A provider that says how long it greylists is not asked sooner.
      const pauseMs = Math.min(Math.max(doubledMs, waitAskedMs(reply)), longestPauseMs);
      // Up to a fifth more, so that what was deferred together does not come back together.
      const dueAt = plus(now, pauseMs + random.below(Math.ceil(pauseMs / 5)));
      return { ...common, state: "deferred", reply, dueAt, mayHaveArrived, isPutOffByRelay: cause === "letter" };
    }
  }
}

/** A letter whose provider has more waiting than it takes: its place comes later, and it has not been tried. */
export const putOff = ({ accountId, attempts, notice, mayHaveGone }: Addressed, until: EpochMs): Outcome => ({
  ...nothingSent,
  accountId,
  attempts,
  notice,
  state: "deferred",
  reply: "put off: the provider takes letters more slowly",
  dueAt: plus(until, secondMs / 10),
  mayHaveArrived: mayHaveGone,
});
