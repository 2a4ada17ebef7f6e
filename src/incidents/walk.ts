import type { AccountId, IncidentId } from "../kernel/brand.ts";
import {
  every,
  fromDate,
  hourMs,
  minuteMs,
  plus,
  secondMs,
  toDate,
  type Clock,
  type EpochMs,
} from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { parseAddress, withoutAddresses } from "../mail/address.ts";
import type { MailTransport, SendOutcome } from "../mail/mail.ts";
import { append } from "../timeline/append.ts";
import { chooseAddresses, type Chosen } from "./choose-address.ts";
import { noticeIn, readNotices, type StoredNotice } from "./notice.ts";
import { campaignKey, keyed, messageIdOf, recordOutcomes, type Claim, type Outcome } from "./record-outcomes.ts";

/** How a walk behaves; the product's own figures unless told otherwise. */
export interface Pace {
  /** Letters on their way at once, and so the most that a kill can make go twice. */
  readonly concurrency: number;
  /** Rows that one claim takes. */
  readonly batch: number;
  /** How long a claim holds without being renewed; a walk that lives renews it. */
  readonly leaseMs: number;
  /** The pause before the second try; it doubles with each, up to an hour. */
  readonly firstRetryMs: number;
}
export const ordinaryPace: Pace = { concurrency: 10, batch: 50, leaseMs: minuteMs, firstRetryMs: 30 * secondMs };

interface Needs {
  readonly db: Db;
  /** Mailer's role: addresses are opened here and nowhere else in a campaign. */
  readonly keyholder: Pick<Keyholder, "open" | "index" | "indexMany">;
  readonly transport: MailTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly pace?: Partial<Pace>;
  /** Where letters come back to; without it nothing takes them. */
  readonly bounceAddress?: string | null;
  /** Which of the addresses must never be written to (canaries); their letters count as suppressed. */
  readonly neverMailed: (addresses: readonly string[]) => Promise<ReadonlySet<string>>;
}

export type Walked =
  /** Nothing waits any more, and the case says so. */
  | { readonly kind: "finished" }
  /** Nothing can be handed over before then: deferred letters, other walkers' claims, a relay that takes nothing. */
  | { readonly kind: "waiting"; readonly until: EpochMs }
  /** The time was up or the walk was asked to stop; what it had claimed is handed back. */
  | { readonly kind: "stopped" }
  | { readonly kind: "no such campaign" };

/** Tries after which a relay's "later" counts as "no": about five days (RFC 5321 section 4.5.4.1). */
const mostTries = 128;
const longestPauseMs = hourMs;
/** So many batches of letters deferred in a row, fresh ones among them, mean that the relay takes nothing now. */
const brakeBatches = 3;
/** A walk looks again at least this often, so that a relay that came back is noticed. */
const longestWaitMs = 5 * minuteMs;

interface Addressed extends Claim {
  /** Undefined when there is nothing to write to; `bounced` when nothing else is left than what came back before. */
  readonly chosen: Chosen | "bounced" | undefined;
  readonly isSuppressed: boolean;
  readonly notice: StoredNotice;
}

/**
 * Walks the frozen scope in order of account id: claims letters, hands them over and records what the relay said of each,
 * until nothing is left, `until` has come or `signal` aborts. Any number of walks may go at once, in any processes.
 *
 * Killed at any instant it loses nothing: a claim whose lease ran out is taken again by the next walk, under the same
 * Message-ID, and counted as possibly twice. At most `concurrency` letters can have gone unrecorded, since a sender takes
 * its next letter only when the answer to the last one is committed. No transaction spans the network.
 */
export async function walk(
  needs: Needs,
  incidentId: IncidentId,
  { until, signal }: { readonly until?: EpochMs; readonly signal?: AbortSignal } = {},
): Promise<Walked> {
  const { db, keyholder, transport, clock, random, log } = needs;
  const pace = { ...ordinaryPace, ...needs.pace };
  const incident = await db.one<{ reference: string; isFrozen: boolean }>(
    `select i.reference, c.frozen_at is not null as "isFrozen"
       from incident i join campaign c on c.incident_id = i.id where i.id = $1`,
    [incidentId],
  );
  if (incident === undefined) return { kind: "no such campaign" };
  if (!incident.isFrozen) return { kind: "waiting", until: plus(clock.now(), secondMs) };
  const notices = await readNotices(db, incidentId);
  const key = await campaignKey(needs, incidentId);

  const queue: Addressed[] = [];
  const held = new Map<AccountId, number>();
  const recorder = recordOutcomes(needs, incidentId, held);
  /** Letters deferred since the relay last took or refused one: when it takes nothing, the walk pauses. */
  let deferredInARow = 0;
  let pauseUntil: EpochMs | undefined;
  let failure: unknown;
  let isEmpty = false;
  let refills = 0;
  let resumeAfter = beginning;
  let refilling: Promise<void> | undefined;

  const isStopped = (): boolean =>
    signal?.aborted === true ||
    failure !== undefined ||
    pauseUntil !== undefined ||
    (until !== undefined && clock.now() >= until);

  const nextDue = (): Promise<Claim[]> => claimDue(db, incidentId, clock.now(), pace);

  async function nextFresh(): Promise<Claim[]> {
    const claims = await claimFresh(db, incidentId, resumeAfter, clock.now(), pace);
    // At the end once more from the beginning: what a walk that died had claimed lies behind.
    if (claims.length === 0 && resumeAfter !== beginning) {
      resumeAfter = beginning;
      return nextFresh();
    }
    for (const { accountId } of claims) if (accountId > resumeAfter) resumeAfter = accountId;
    return claims;
  }

  async function refill(): Promise<void> {
    // Turn and turn about: a provider that defers everything must not stand before those who have had no letter yet.
    const ways = refills++ % 2 === 0 ? [nextFresh, nextDue] : [nextDue, nextFresh];
    let claims: readonly Claim[] = [];
    for (const way of ways) if (claims.length === 0) claims = await way();
    if (claims.length === 0) isEmpty = true;
    for (const { accountId, attempts } of claims) held.set(accountId, attempts);
    const accounts = await openAccounts(
      { db, keyholder },
      claims.map(({ accountId }) => accountId),
    );
    const byId = new Map(accounts.map((account) => [account.accountId, account]));
    const addresses = await chooseAddresses(needs, incidentId, key, accounts);
    const suppressed = await needs.neverMailed(
      accounts.flatMap((account) => account.addresses.map(({ address }) => address)),
    );
    for (const one of claims) {
      const account = byId.get(one.accountId);
      const chosen = addresses.get(one.accountId);
      const isSuppressed = typeof chosen === "object" && suppressed.has(chosen.to);
      queue.push({ ...one, chosen, isSuppressed, notice: noticeIn(notices, account?.locale) });
    }
  }

  async function next(): Promise<Addressed | undefined> {
    while (!isStopped()) {
      const one = queue.shift();
      if (one !== undefined || isEmpty) return one;
      refilling ??= refill().finally(() => {
        refilling = undefined;
      });
      await refilling;
    }
    return undefined;
  }

  function judge(
    { accountId, attempts, chosen, isSuppressed, notice }: Addressed,
    sent: SendOutcome | undefined,
  ): Outcome {
    const nothing = { queueId: null, dueAt: null, mayHaveArrived: false, addressHash: undefined, sentTo: null };
    const none = { ...nothing, accountId, attempts, notice };
    if (isSuppressed) return { ...none, state: "suppressed", reply: "never mailed" };
    if (chosen === "bounced") return { ...none, state: "suppressed", reply: "bounced before" };
    if (chosen === undefined || sent === undefined)
      return { ...none, state: "no address", reply: "no readable address" };
    const { to } = chosen;
    const common = { ...none, sentTo: chosen.addressId };
    const parsed = parseAddress(to);
    const addressHash = keyed(key, "address", parsed.kind === "address" ? parsed.normalised : to);
    switch (sent.kind) {
      case "handed over":
        return { ...common, state: "handed over", reply: sent.reply, queueId: sent.queueId ?? null, addressHash };
      case "refused":
        return { ...common, state: "refused", reply: sent.reply, addressHash };
      case "deferred": {
        if (sent.cause === "letter" && attempts >= mostTries) {
          const reply = withoutAddresses(`given up after ${attempts} tries: ${sent.reply}`);
          return { ...common, state: "refused", reply, addressHash };
        }
        const pauseMs = Math.min(pace.firstRetryMs * 2 ** Math.min(attempts - 1, 30), longestPauseMs);
        // Up to a fifth more, so that what was deferred together does not come back together.
        const dueAt = plus(clock.now(), pauseMs + random.below(Math.ceil(pauseMs / 5)));
        return {
          ...common,
          state: "deferred",
          reply: sent.reply,
          dueAt,
          addressHash,
          mayHaveArrived: sent.mayHaveArrived,
        };
      }
    }
  }

  async function send({ accountId, chosen, isSuppressed, notice }: Addressed): Promise<SendOutcome | undefined> {
    if (typeof chosen !== "object" || isSuppressed) return undefined;
    const { to, returnPath } = chosen;
    try {
      return await transport.send({
        to,
        written: notice,
        messageId: messageIdOf(key, incident?.reference ?? "", accountId),
        ...(returnPath === undefined ? {} : { returnPath }),
      });
    } catch (thrown) {
      // A mistake of ours must not hold up everybody else's letter; it stays visible as waiting, with its reason.
      log.error({ reason: messageOf(thrown) }, "a letter could not be handed to the transport");
      const reply = `not sent: ${thrown instanceof Fault ? thrown.code : "fault"}`;
      return { kind: "deferred", reply, mayHaveArrived: false, cause: "relay" };
    }
  }

  async function sender(): Promise<void> {
    for (let one = await next(); one !== undefined; one = await next()) {
      const outcome = judge(one, await send(one));
      await recorder.record(outcome);
      if (outcome.state !== "deferred") deferredInARow = 0;
      else if (++deferredInARow >= brakeBatches * pace.batch) pauseUntil ??= outcome.dueAt ?? undefined;
    }
  }

  const heartbeat = every(pace.leaseMs / 3, async () => {
    await renew(db, incidentId, held, plus(clock.now(), pace.leaseMs)).catch((thrown: unknown) =>
      log.warn({ reason: messageOf(thrown) }, "the claims of a campaign could not be renewed"),
    );
  });
  try {
    await Promise.all(
      Array.from({ length: pace.concurrency }, () =>
        sender().catch((thrown: unknown) => {
          failure ??= thrown;
        }),
      ),
    );
  } finally {
    await heartbeat.stop();
  }
  // What is still held was never given to the transport, unless its answer could not be recorded: that one keeps its lease.
  for (const { accountId } of recorder.unrecorded()) held.delete(accountId);
  await handBack(db, incidentId, held, clock.now());
  if (failure !== undefined) throw failure;
  if (pauseUntil !== undefined) return { kind: "waiting", until: soonest(pauseUntil, clock.now()) };
  if (!isEmpty) return { kind: "stopped" };
  return finish(needs, incidentId);
}

/** Below every id. */
const beginning = "00000000-0000-0000-0000-000000000000" as AccountId;

/**
 * Takes the next rows behind `after` in order of id: never claimed, or claimed by a walk that died. Without `after` each
 * claim would read again what is done, which the planner does not know to be most of the table.
 */
async function claimFresh(
  db: Db,
  incidentId: IncidentId,
  after: AccountId,
  now: EpochMs,
  { batch, leaseMs }: Pace,
): Promise<Claim[]> {
  return db.many<Claim>(
    `update letter
        set possibly_twice = possibly_twice or state = 'claimed',
            state = 'claimed', attempts = attempts + 1, lease_until = $3
      where incident_id = $1
        and not exists (select from campaign where incident_id = $1 and paused_at is not null)
        and account_id in (
          select account_id from letter
           where incident_id = $1 and account_id > $5
             and state in ('unclaimed', 'claimed') and (state = 'unclaimed' or lease_until <= $2)
           order by account_id limit $4
             for update skip locked)
      returning account_id as "accountId", attempts`,
    [incidentId, toDate(now), toDate(plus(now, leaseMs)), batch, after],
  );
}

/** Takes deferred rows that are due again, the longest overdue first. */
async function claimDue(db: Db, incidentId: IncidentId, now: EpochMs, { batch, leaseMs }: Pace): Promise<Claim[]> {
  return db.many<Claim>(
    `update letter
        set state = 'claimed', attempts = attempts + 1, lease_until = $3, due_at = null
      where incident_id = $1
        and not exists (select from campaign where incident_id = $1 and paused_at is not null)
        and account_id in (
          select account_id from letter
           where incident_id = $1 and state = 'deferred' and due_at <= $2
           order by due_at limit $4
             for update skip locked)
      returning account_id as "accountId", attempts`,
    [incidentId, toDate(now), toDate(plus(now, leaseMs)), batch],
  );
}

const heldParameters = (held: ReadonlyMap<AccountId, number>): [AccountId[], number[]] => [
  [...held.keys()],
  [...held.values()],
];

/** Skips rows that are being recorded at this moment: they need no lease, and the two would wait for each other. */
async function renew(db: Db, incidentId: IncidentId, held: ReadonlyMap<AccountId, number>, leaseUntil: EpochMs) {
  if (held.size === 0) return;
  await db.run(
    `update letter set lease_until = $4
      where incident_id = $1 and account_id in (
        select l.account_id from letter l
          join unnest($2::uuid[], $3::integer[]) as held (account_id, attempts) using (account_id, attempts)
         where l.incident_id = $1 and l.state = 'claimed' for update of l skip locked)`,
    [incidentId, ...heldParameters(held), toDate(leaseUntil)],
  );
}

async function handBack(db: Db, incidentId: IncidentId, held: ReadonlyMap<AccountId, number>, now: EpochMs) {
  if (held.size === 0) return;
  await db.run(
    `update letter l
        set state = case when l.attempts = 1 then 'unclaimed' else 'deferred' end, attempts = l.attempts - 1,
            due_at = case when l.attempts = 1 then null else $4::timestamptz end, lease_until = null
       from unnest($2::uuid[], $3::integer[]) as held (account_id, attempts)
      where l.incident_id = $1 and l.account_id = held.account_id and l.attempts = held.attempts
        and l.state = 'claimed'`,
    [incidentId, ...heldParameters(held), toDate(now)],
  );
}

/**
 * Says that the campaign is finished if nothing waits; the statement that says it looks. @returns when to look again
 * otherwise.
 */
async function finish({ db, clock, random }: Needs, incidentId: IncidentId): Promise<Walked> {
  const now = clock.now();
  const isFinished = await db.transaction(async (tx) => {
    const ended = await tx.one<{ scope: number }>(
      `update incident set letters_finished_at = $2, state = case when state = 'notifying' then 'readmitting' else state end
        where id = $1 and scope_count is not null and letters_finished_at is null
          and not exists (select from letter where incident_id = $1 and state in ('unclaimed', 'claimed', 'deferred'))
        returning scope_count as scope`,
      [incidentId, toDate(now)],
    );
    if (ended === undefined) return false;
    const counts = await tx.many<{ state: string; count: number }>(
      `select state, count(*) as count from letter where incident_id = $1 group by state order by state`,
      [incidentId],
    );
    const detail = { scope: ended.scope, ...Object.fromEntries(counts.map(({ state, count }) => [state, count])) };
    await append(tx, now, { kind: "campaign finished", incidentId, detail }, random);
    return true;
  });
  if (isFinished) return { kind: "finished" };
  const left = await db.one<{ at: Date | null; isFinished: boolean }>(
    `select (select min(coalesce(due_at, lease_until, $2)) from letter
              where incident_id = $1 and state in ('unclaimed', 'claimed', 'deferred')) as at,
            letters_finished_at is not null as "isFinished"
       from incident where id = $1`,
    [incidentId, toDate(now)],
  );
  if (left === undefined || left.isFinished) return { kind: "finished" };
  return { kind: "waiting", until: soonest(left.at === null ? now : fromDate(left.at), now) };
}

const soonest = (wanted: EpochMs, now: EpochMs): EpochMs =>
  plus(now, Math.min(Math.max(wanted - now, 100), longestWaitMs));
