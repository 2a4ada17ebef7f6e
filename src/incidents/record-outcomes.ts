import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { sleep, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { appendAll, type TimelineEntry } from "../timeline/append.ts";
import { withFurtherAddress } from "./bounced-addresses.ts";
import type { WaitingLetter } from "./claims.ts";
import type { StoredNotice } from "./notice.ts";
import { untilItCan } from "./until-it-can.ts";

/** What became of a letter at one try. */
export interface Outcome extends Pick<WaitingLetter, "accountId" | "attempts"> {
  readonly state: "handed over" | "deferred" | "refused" | "suppressed" | "no address";
  readonly reply: string;
  readonly queueId: string | null;
  readonly dueAt: EpochMs | null;
  readonly mayHaveArrived: boolean;
  /** The relay put this letter off: patience with it is counted from the first time. */
  readonly isPutOffByRelay: boolean;
  readonly notice: StoredNotice | undefined;
  readonly addressHash: string | undefined;
  /** The id of the address it was written to. */
  readonly sentTo: string | null;
}

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Outcomes that come within this time of each other are written together. */
const gatherMs = 5;

/**
 * Records outcomes as they come, those of one moment in one transaction: the row and its timeline entry together. What was
 * refused for good waits again if the account has a further address, as it does when it comes back.
 * `record` resolves when its outcome is committed; while the database cannot write it goes on trying, until `signal`.
 */
export function recordOutcomes(
  { db, clock, random, log }: Needs,
  incidentId: IncidentId,
  signal: AbortSignal | undefined,
): { record(outcome: Outcome): Promise<void> } {
  const waiting = new Set<Outcome>();
  let writing: Promise<void> | undefined;

  async function write(batch: readonly Outcome[]): Promise<void> {
    const now = clock.now();
    await db.transaction(async (tx) => {
      const refused = batch.filter(({ state }) => state === "refused");
      const further = await withFurtherAddress(tx, incidentId, refused, now);
      const goesOn = ({ state, accountId }: Outcome): boolean => state === "refused" && further.has(accountId);
      const written = await tx.many<{ accountId: AccountId; possiblyTwice: boolean }>(
        `update letter l
            set state = case when o.goes_on then 'deferred' else o.state end, reply = o.reply, queue_id = o.queue_id,
                due_at = case when o.goes_on then $9 else o.due_at end, lease_until = null,
                settled_at = case when o.goes_on or o.state = 'deferred' then null else $9::timestamptz end,
                bounced_addresses = case when o.goes_on then array_append(l.bounced_addresses, o.sent_to)
                                         else l.bounced_addresses end,
                possibly_twice = l.possibly_twice or o.may_have_arrived, sent_to = o.sent_to,
                deferred_since = case when o.goes_on then null when o.put_off then coalesce(l.deferred_since, $9)
                                      else l.deferred_since end,
                entered_at = case when o.entered then $9 else l.entered_at end
           from unnest($2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::boolean[],
                       $10::uuid[], $11::boolean[], $12::boolean[], $13::boolean[])
                  as o (account_id, attempts, state, reply, queue_id, due_at, may_have_arrived, sent_to, put_off, entered,
                        goes_on)
          where l.incident_id = $1 and l.account_id = o.account_id
            and l.state in ('unclaimed', 'claimed', 'deferred')
            -- An older claim's outcome is out of date, unless it is that the letter has gone.
            and (l.attempts = o.attempts or o.state = 'handed over')
          returning l.account_id as "accountId", l.possibly_twice as "possiblyTwice"`,
        [
          incidentId,
          batch.map(({ accountId }) => accountId),
          batch.map(({ attempts }) => attempts),
          batch.map(({ state }) => state),
          batch.map(({ reply }) => reply),
          batch.map(({ queueId }) => queueId),
          batch.map(({ dueAt }) => (dueAt === null ? null : toDate(dueAt))),
          batch.map(({ mayHaveArrived: may }) => may),
          toDate(now),
          batch.map(({ sentTo }) => sentTo),
          batch.map(({ isPutOffByRelay }) => isPutOffByRelay),
          batch.map(isEntered),
          batch.map(goesOn),
        ],
      );
      const twice = new Map(written.map(({ accountId, possiblyTwice }) => [accountId, possiblyTwice]));
      const entries = batch.flatMap((outcome) => {
        const possiblyTwice = twice.get(outcome.accountId);
        return possiblyTwice !== undefined && isEntered(outcome)
          ? [entryOf(incidentId, outcome, { possiblyTwice, goesOn: goesOn(outcome) })]
          : [];
      });
      await appendAll(tx, now, entries, random);
    });
    for (const outcome of batch) waiting.delete(outcome);
  }

  async function writeAll(): Promise<void> {
    while (waiting.size > 0) {
      await sleep(gatherMs);
      const batch = [...waiting];
      // The letters have gone: what became of them must not be lost for a disk that is full or a database that restarts.
      await untilItCan(log, signal, () => write(batch));
    }
  }

  return {
    record: async (outcome) => {
      waiting.add(outcome);
      while (waiting.has(outcome)) {
        writing ??= writeAll().finally(() => {
          writing = undefined;
        });
        await writing;
      }
    },
  };
}

/** What the timeline has an entry of: a letter that was written, and has its outcome. */
type Entered = Outcome & { readonly notice: StoredNotice; readonly addressHash: string };

const isEntered = (outcome: Outcome): outcome is Entered =>
  outcome.state !== "deferred" && outcome.addressHash !== undefined && outcome.notice !== undefined;

/** The entry of a settled letter: keyed hashes that say nothing without the key, and what was sent to it. */
function entryOf(
  incidentId: IncidentId,
  outcome: Entered,
  { possiblyTwice, goesOn }: { readonly possiblyTwice: boolean; readonly goesOn: boolean },
): TimelineEntry {
  const { state, reply, attempts, notice, addressHash } = outcome;
  const detail = {
    address: addressHash,
    outcome: goesOn ? "second address" : state,
    reply: replyClass(reply),
    language: notice.locale,
    template: notice.hash.toString("hex"),
    attempts,
    ...(possiblyTwice ? { "possibly twice": true } : {}),
  };
  return { kind: "letter", incidentId, detail };
}

/** `250`, `450 4.2.1`: the relay's answer without its words; `none` when it gave no answer. */
const replyClass = (reply: string): string =>
  /^([245]\d\d)(?:[ -]([245]\.\d{1,3}\.\d{1,3}))?\b/
    .exec(reply)
    ?.slice(1)
    .filter((part) => part !== undefined)
    .join(" ") ?? "none";
