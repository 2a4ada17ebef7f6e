import { hourMs, secondMs, sleep } from "../../kernel/clock.ts";
import { ask, isAgain, networkOf, type Answered } from "./ask.ts";
import type { DrillRelay } from "./relay.ts";

/** Somebody who came back and was told so. */
export interface Renewal {
  readonly number: number;
  readonly address: string;
  readonly password: string;
  /** From the first page to the page that says it is done, milliseconds. */
  readonly tookMs: number;
  /** Monotonic milliseconds. */
  readonly doneMs: number;
}

export interface People {
  readonly renewed: readonly Renewal[];
  /** Those who have opened their letter and are not back yet. */
  underway(): number;
  /** Answers that said "come again", and connections that broke. */
  again(): number;
  /** Places in line that were given. */
  places(): number;
  /** Answers that are none of those a person should get, by their status. */
  readonly strange: ReadonlyMap<string, number>;
  /** A letter has arrived. */
  letter(number: number, address: string): void;
  stop(): Promise<void>;
}

export interface PeopleNeeds {
  readonly origin: string;
  readonly relay: Pick<DrillRelay, "nextCode" | "codesTo">;
  readonly monotonicMs: () => number;
  /** Where the letter's reference is looked up. */
  readonly reference: string;
}

/** What an hour of theirs takes in the drill. */
export interface PeoplePace {
  readonly hourSeconds: number;
}

/** A code that has not come by then is asked for again, as people do. */
const codePatienceMs = 60 * secondMs;
/** A person who was told to come again in ten minutes does so; in a drill nobody waits longer than this. */
const longestWaitSeconds = 5;

/**
 * People who open their letter after the hours that `crowd` gives them, and come back through the renewal's pages: they
 * look the reference up, give their address, type the code from their mailbox and a new password. Told to come again,
 * they do. One who never heard whether it was done begins anew, with another password.
 */
export function startPeople(needs: PeopleNeeds, crowd: ReadonlyMap<number, number>, pace: PeoplePace): People {
  const { origin, relay, monotonicMs, reference } = needs;
  const stopping = new AbortController();
  const { signal } = stopping;
  const renewed: Renewal[] = [];
  const strange = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let again = 0;
  let places = 0;

  async function patiently(question: () => Promise<Answered>): Promise<Answered> {
    for (;;) {
      const answer = await question();
      if (!isAgain(answer) || signal.aborted) return answer;
      again++;
      await sleep(Math.min(answer.retryAfterSeconds, longestWaitSeconds) * secondMs, signal);
    }
  }

  function note(where: string, { status }: Answered): void {
    strange.set(`${status} ${where}`, (strange.get(`${status} ${where}`) ?? 0) + 1);
  }

  /** One attempt. @returns whether the page said that it is done. */
  async function attempt(address: string, network: string, password: string): Promise<boolean> {
    const jar = new Map<string, string>();
    const notice = await patiently(() => ask(origin, `/notice/${reference}`, { jar, network }));
    if (notice.status !== 200 && !signal.aborted) note("/notice", notice);
    const seen = relay.codesTo(address);
    const asked = await inLine("/renew", network, jar, () =>
      patiently(() => ask(origin, "/renew", { method: "POST", form: { address }, jar, network })),
    );
    if (asked.location !== "/renew/code") {
      if (!signal.aborted) note("/renew", asked);
      return false;
    }
    const code = await relay.nextCode(address, seen, codePatienceMs);
    if (code === undefined) return false;
    const form = { code, password, signOutDevices: "yes" };
    for (;;) {
      const done = await inLine("/renew/code", network, jar, () =>
        ask(origin, "/renew/code", { method: "POST", form, jar, network }),
      );
      if (done.location.startsWith("/renew/done")) return true;
      // Never heard: it may have been done. The code may be used up, so another one is asked for.
      if (done.status === 0) {
        again++;
        await sleep(secondMs, signal);
        return false;
      }
      if (!isAgain(done)) {
        if (done.status !== 400) note("/renew/code", done);
        return false;
      }
      again++;
      if (signal.aborted) return false;
      await sleep(Math.min(done.retryAfterSeconds, longestWaitSeconds) * secondMs, signal);
    }
  }

  /** Sends a form, and again each time the line has let this person through; a page of the line says when to look. */
  async function inLine(
    path: string,
    network: string,
    jar: Map<string, string>,
    send: () => Promise<Answered>,
  ): Promise<Answered> {
    for (;;) {
      const sent = await send();
      // "/renew" sends who has to wait to its page; "/renew/code" shows the line at once.
      const waits = path === "/renew" ? sent.location === "/renew" : sent.status === 200;
      if (!waits || signal.aborted) return sent;
      places++;
      for (;;) {
        const page = await patiently(() => ask(origin, path, { jar, network }));
        const seconds = Number(/http-equiv="refresh" content="(\d+)/.exec(page.text)?.[1] ?? 0);
        if (seconds === 0 || signal.aborted) break;
        await sleep(Math.min(seconds, longestWaitSeconds) * secondMs, signal);
      }
    }
  }

  async function comeBack(number: number, address: string, hours: number): Promise<void> {
    // A signal of their own: tens of thousands wait, and adding a listener walks the list of those that are there.
    await sleep((hours * hourMs * pace.hourSeconds) / 3_600, AbortSignal.any([signal]));
    const began = monotonicMs();
    for (let tries = 1; !signal.aborted; tries++) {
      const password = `lamp ${number} over the harbour, ${tries}`;
      if (await attempt(address, networkOf(number), password)) {
        const doneMs = monotonicMs();
        renewed.push({ number, address, password, tookMs: doneMs - began, doneMs });
        return;
      }
      await sleep(secondMs, signal);
    }
  }

  return {
    renewed,
    underway: () => running.size,
    again: () => again,
    places: () => places,
    strange,
    letter: (number, address) => {
      const hours = crowd.get(number);
      if (hours === undefined) return;
      const coming = comeBack(number, address, hours).finally(() => running.delete(coming));
      running.add(coming);
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
}
