import { unlink } from "node:fs/promises";
import { join } from "node:path";
import type { TlsPlace } from "../config/keyholder-place.ts";
import { tlsName } from "../config/keyholder-place.ts";
import { secondMs, sleep, steadyClock, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Secret } from "../kernel/secret.ts";
import { syncFolder } from "../kernel/whole-file.ts";
import type { StandingHandlers } from "./answers.ts";
import { connectKeyholder } from "./client.ts";
import { decodeChecked, encodeChecked, readPrivateFile, writeDurably } from "./durable-file.ts";
import type { KeyState } from "./keyholder.ts";
import type { OpenFolder } from "./open-folder.ts";
import { keyStates } from "./rotation.ts";
import type { Followed } from "./followed.ts";
import { encodeBook } from "./witness.ts";

/** The other is alive if it was heard within this time. */
const heardWithinMs = 2 * secondMs;
const againMs = secondMs / 4;

const format = "houselights promoted keyholder 1";
const markPath = (folder: string): string => join(folder, "promoted.json");

interface Needs extends Pick<OpenFolder, "keys" | "change" | "witness"> {
  readonly clock: Clock;
  readonly log: Log;
  readonly folder: string;
  readonly followed: Followed;
  /** Whom this one follows as long as it is a standby; `undefined`: it serves from the start. */
  readonly follows: TlsPlace | undefined;
  /** The operator's, which both have. */
  readonly credential: Secret;
  /** Makes a standby again of one that was promoted. */
  readonly demote: boolean;
}

export interface Standing {
  readonly isStandby: () => boolean;
  readonly handlers: StandingHandlers;
  close(): Promise<void>;
}

/** Whether two keyholders have the same keys, those on their way out among them, and make new things with the same ones. */
const sameKeys = (one: readonly KeyState[], other: readonly KeyState[]): boolean => {
  const said = (states: readonly KeyState[]): string =>
    JSON.stringify(
      states.map(({ purpose, newest, versions }) => [
        purpose,
        newest,
        versions.map(({ version, fingerprintHex }) => [version, fingerprintHex]),
      ]),
    );
  return said(one) === said(other);
};

/**
 * A keyholder that follows another serves nobody until it is promoted, so that no two serve with two memories. It keeps the
 * other's witness in step: each change is on its disk before the other answers it. Promoting raises the generation of the
 * keys above the other's, so that every database which has met this one refuses the other if it comes back as it was.
 */
export async function openStanding(needs: Needs): Promise<Standing> {
  const { clock, log, folder, follows, keys, change, witness, followed, credential } = needs;
  const marked = await readPrivateFile(markPath(folder), 4_096);
  if (marked !== undefined) decodeChecked(format, marked, markPath(folder));
  if (needs.demote && marked !== undefined) {
    await unlink(markPath(folder));
    await syncFolder(folder);
  }
  let isStandby = follows !== undefined && (needs.demote || marked === undefined);
  if (follows !== undefined && !isStandby) log.warn("this keyholder was promoted and serves");
  let inStepAt: EpochMs | null = null;
  /** The same by a clock that nobody sets: it decides whether the other is still alive. */
  let heardAt = Number.NEGATIVE_INFINITY;
  let generation = 0;
  let hasSameKeys: boolean | null = null;
  const ending = new AbortController();

  async function follow(place: TlsPlace): Promise<void> {
    let have = "";
    let complained = "";
    while (isStandby && !ending.signal.aborted) {
      try {
        const other = await connectKeyholder({ tls: place, role: "operator", credential, log });
        try {
          while (isStandby && !ending.signal.aborted) {
            const news = await other.standing.follow(have);
            await witness.follow(news.book);
            have = news.at;
            generation = news.generation;
            hasSameKeys = sameKeys(news.states, keyStates(keys()));
            if (inStepAt === null || complained !== "") log.info("this standby is in step");
            complained = "";
            inStepAt = clock.now();
            heardAt = steadyClock.now();
          }
        } finally {
          await other.close();
        }
      } catch (thrown) {
        if (!isStandby || ending.signal.aborted) return;
        if (complained !== messageOf(thrown)) log.error({ error: messageOf(thrown) }, "this standby is not in step");
        complained = messageOf(thrown);
        await sleep(againMs, ending.signal);
      }
    }
  }
  const following = follows === undefined ? Promise.resolve() : follow(follows);

  const refused = (why: string): Fault => new Fault("KEYHOLDER_REFUSED", why);

  async function promote(wasNotInStep: boolean): Promise<void> {
    if (!isStandby) return;
    if (steadyClock.now() - heardAt < heardWithinMs) {
      throw refused("the keyholder that it follows still answers: stop that one first, so that no two serve");
    }
    if (hasSameKeys === false) {
      throw refused("its keys are not those of the keyholder that it follows: bring a backup of those here first");
    }
    if (inStepAt === null && !wasNotInStep) {
      throw refused("it has not been in step since it was started, and may not know of the last containment");
    }
    // The keys first: one that serves without them would be refused by no database, and refuse none.
    await change((now) => ({ ...now, generation: Math.max(now.generation, generation) }));
    await writeDurably(markPath(folder), encodeChecked(format, { at: clock.now() }));
    isStandby = false;
    log.warn({ generation: keys().generation }, "this keyholder is promoted and serves from now on");
  }

  return {
    isStandby: () => isStandby,
    close: async () => {
      ending.abort();
      await following;
    },
    handlers: {
      "standing.follow": async (args) => {
        const have = args.text("place", /^[0-9a-f.-]{0,60}$/);
        args.end();
        const { at, book } = await followed.news(have);
        const now = keys();
        return { at, witness: encodeBook(book), generation: now.generation, states: keyStates(now) };
      },
      "standing.read": (args) => {
        args.end();
        const following = follows?.addresses.map(tlsName) ?? [];
        return { isStandby, follows: following, inStepAt, hasSameKeys };
      },
      "standing.promote": async (args) => {
        const wasNotInStep = args.oneOf("whether it was not in step", ["not in step", "in step"] as const);
        args.end();
        await promote(wasNotInStep === "not in step");
        return { inStepAt };
      },
    },
  };
}
