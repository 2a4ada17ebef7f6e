/** How the mail provider behind a domain answers. The shares and figures are settings of the drill, and printed. */
export interface Provider {
  readonly domain: string;
  /** Of a hundred addresses. */
  readonly share: number;
  readonly says: string;
}

export const providers = [
  { domain: "prompt.example", share: 45, says: "takes every letter" },
  { domain: "grey.example", share: 20, says: "asks for a second try, of each new recipient (RFC 6647)" },
  { domain: "throttle.example", share: 10, says: "takes so many letters a second and puts off the others" },
  { domain: "strict.example", share: 10, says: "refuses one mailbox in five as unknown" },
  { domain: "late.example", share: 10, says: "takes every letter, and sends one in five back later (RFC 3464)" },
  { domain: "slow.example", share: 5, says: "leaves the first letters without an answer and hangs up" },
] as const satisfies readonly Provider[];

/** The domains in turn, so that any hundred accounts in a row have the shares above. */
export const domainsInTurn: readonly string[] = (() => {
  const left = providers.map(({ domain, share }) => ({ domain, share, owed: 0 }));
  return Array.from({ length: 100 }, () => {
    for (const one of left) one.owed += one.share;
    const next = left.reduce((most, one) => (one.owed > most.owed ? one : most));
    next.owed -= 100;
    return next.domain;
  });
})();

/** What the providers answer, as one relay that asks them while the sender waits. */
export type Answer = "take" | "hang" | { readonly code: number; readonly text: string };

export interface ProviderPace {
  /** Letters that `throttle.example` takes in a second. */
  readonly throttlePerSecond: number;
  /** Letters that `slow.example` leaves without an answer before it comes to itself. */
  readonly hangs: number;
}

/** Answers for one recipient at one moment, in monotonic milliseconds. */
export function askProviders({ throttlePerSecond, hangs }: ProviderPace): (to: string, nowMs: number) => Answer {
  const greeted = new Set<string>();
  let hung = 0;
  let second = -1;
  let taken = 0;
  return (to, nowMs) => {
    const [, domain = ""] = to.split("@");
    switch (domain) {
      case "grey.example": {
        if (greeted.has(to)) return "take";
        greeted.add(to);
        return { code: 451, text: "4.7.1 greylisted, please come again" };
      }
      case "throttle.example": {
        const now = Math.floor(nowMs / 1_000);
        if (now !== second) [second, taken] = [now, 0];
        return taken++ < throttlePerSecond ? "take" : { code: 450, text: "4.2.1 too many letters, slow down" };
      }
      case "strict.example":
        return isUnknown(to) ? { code: 550, text: "5.1.1 no such mailbox" } : "take";
      case "slow.example":
        return hung++ < hangs ? "hang" : "take";
      default:
        return "take";
    }
  };
}

/** Whether a provider knows no such mailbox: every fifth of those that the population has there. */
export function isUnknown(to: string): boolean {
  const [local = "", domain = ""] = to.split("@");
  const turns = domainsInTurn.flatMap((one, turn) => (one === domain ? [turn] : []));
  const number = Number(/\d+$/.exec(local)?.[0] ?? 0);
  return turns.indexOf((number + 99) % 100) % 5 === 0;
}

/** Whether a letter that was taken comes back later. */
export const comesBack = (to: string): boolean => to.endsWith("@late.example") && isUnknown(to);
