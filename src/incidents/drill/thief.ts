import { secondMs, sleep } from "../../kernel/clock.ts";
import type { Random } from "../../kernel/random.ts";
import { ask, networkOf } from "./ask.ts";
import type { PersonInPopulation } from "./population.ts";

export interface Tries {
  readonly tokens: number;
  readonly passwords: number;
  /** How many of them were let in. */
  readonly letIn: number;
}

export interface Thief {
  /** Before the containment: what was stolen opens the door. How many tokens and passwords were tried, and let in. */
  readonly before: Tries;
  /** Since. */
  tries(): Tries;
  stop(): Promise<void>;
}

const pauseMs = secondMs / 2;

/**
 * Somebody who has sessions and passwords of the population, tries a few before the containment, to show that they are
 * good, and then one after another for as long as the drill goes on, through every kill and restart.
 */
export async function startThief(
  { origin, random }: { readonly origin: string; readonly random: Random },
  people: readonly PersonInPopulation[],
  password: string,
): Promise<Thief & { contained(): void }> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const victims = people.filter(({ address, sessions }) => address !== "" && sessions.length > 0);
  // The drill's own networks are those of the people; this one is nobody's.
  const network = "203.0.113.7";

  const byToken = async ({ sessions }: PersonInPopulation): Promise<boolean> =>
    (await ask(origin, "/api/session", { token: sessions[0]?.token.revealText() ?? "" })).status === 200;
  const byPassword = async ({ address }: PersonInPopulation): Promise<boolean> => {
    const json = { address, password };
    const answer = await ask(origin, "/api/sessions", { method: "POST", json, network });
    return answer.status === 201 || answer.status === 202;
  };

  const sample = victims.slice(-5);
  const opened = [
    ...(await Promise.all(sample.map(byToken))),
    ...(await Promise.all(sample.slice(-1).map(byPassword))),
  ];
  const before = {
    tokens: sample.length,
    passwords: Math.min(1, sample.length),
    letIn: opened.filter((isIn) => isIn).length,
  };

  let running: Promise<void> | undefined;
  const counted = { tokens: 0, passwords: 0, letIn: 0 };
  async function goOn(): Promise<void> {
    for (let turn = 0; !signal.aborted; turn++) {
      const victim = victims[random.below(victims.length)];
      if (victim === undefined) return;
      const isPassword = turn % 4 === 3;
      if (isPassword) counted.passwords++;
      else counted.tokens++;
      if (await (isPassword ? byPassword(victim) : byToken(victim))) counted.letIn++;
      await sleep(pauseMs, signal);
    }
  }
  return {
    before,
    tries: () => ({ ...counted }),
    contained: () => {
      running ??= goOn();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** Whether somebody who was told that the renewal is done can sign in by the new password. "Come again" is tried again until `patience` ends. */
export async function canReturn(
  origin: string,
  { number, address, password }: { readonly number: number; readonly address: string; readonly password: string },
  patience: AbortSignal,
): Promise<boolean> {
  for (;;) {
    const json = { address, password };
    const answer = await ask(origin, "/api/sessions", { method: "POST", json, network: networkOf(number) });
    if (answer.status === 201) return true;
    if ((answer.status !== 0 && answer.status !== 503 && answer.status !== 429) || patience.aborted) return false;
    await sleep(answer.retryAfterSeconds * secondMs, patience);
  }
}
