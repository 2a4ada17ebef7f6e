import { hourMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Db } from "../db/db.ts";
import type { Announcing } from "../keyholder/connection.ts";
import type { Role } from "../keyholder/keyholder.ts";
import { callerIdOf } from "../keyholder/use-ledger.ts";

interface Needs {
  /** Connections that do not ask the witness first: the process announces before it has asked the witness. */
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Announcer extends Announcing {
  /** Closes the range at the last id that was used. A process that is killed leaves it open, and owes nothing. */
  close(): Promise<void>;
}

const firstBlock = 256;
const largestBlock = 64 * 1024;
/** A row that was not renewed for days may be cleared away: whoever has slept so long announces itself again first. */
const renewedWithinMs = hourMs;

/**
 * Announces the operations of one caller: a range of ids is committed before the first of them is used, and the next before half
 * of it is left, so that hardly any call waits and a sign-in has no statement of its own for it. Nothing is written before
 * a key is used.
 */
export function announceUse({ db, clock, random, log }: Needs, role: Role, database: string): Announcer {
  const secret = new Secret(random.bytes(32));
  const caller = Buffer.from(callerIdOf(secret.reveal()), "hex");
  let announcedTo = 0;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let block = firstBlock;
  let lastUsed = 0;
  let extending: Promise<void> | undefined;

  const isFresh = (): boolean => Math.abs(clock.now() - renewedAt) < renewedWithinMs;

  async function extend(): Promise<void> {
    const now = clock.now();
    // A range that did not last a second was too short.
    if (now - renewedAt < 1_000) block = Math.min(block * 2, largestBlock);
    const upTo = Math.max(lastUsed, announcedTo) + block;
    await write(now, upTo);
    announcedTo = upTo;
    renewedAt = now;
  }

  const write = (now: EpochMs, upTo: number): Promise<number> =>
    db.run(
      `insert into key_caller (caller, role, announced_to, opened_at, renewed_at) values ($1, $2, $3, $4, $4)
       on conflict (caller) do update
          set announced_to = greatest(key_caller.announced_to, excluded.announced_to), renewed_at = excluded.renewed_at,
              closed_at = null`,
      [caller, role, upTo, toDate(now)],
    );

  function extendOnce(): Promise<void> {
    extending ??= extend().finally(() => {
      extending = undefined;
    });
    return extending;
  }

  async function untilCovered(id: number): Promise<void> {
    while (id > announcedTo || !isFresh()) await extendOnce();
  }

  return {
    secret,
    database,
    cover(id) {
      lastUsed = Math.max(lastUsed, id);
      if (id > announcedTo || !isFresh()) return untilCovered(id);
      if (announcedTo - id < block / 2 && extending === undefined) {
        extendOnce().catch((thrown: unknown) =>
          log.debug({ reason: messageOf(thrown) }, "uses of keys are announced again with the next call"),
        );
      }
      return undefined;
    },
    close: async () => {
      await extending?.catch(() => undefined);
      if (announcedTo === 0) return;
      const now = toDate(clock.now());
      await db
        .run(`update key_caller set announced_to = least(announced_to, $2), closed_at = $3 where caller = $1`, [
          caller,
          Math.max(1, lastUsed),
          now,
        ])
        .catch((thrown: unknown) => log.debug({ reason: messageOf(thrown) }, "a range of uses stays open"));
    },
  };
}
