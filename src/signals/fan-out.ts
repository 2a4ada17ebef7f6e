import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { fromDate, toDate, type Clock } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import { append } from "../timeline/append.ts";
import type { SignalSum } from "../wire/signals.ts";
import type { StreamId } from "./streams.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

/** Accounts that one step makes signals of. */
export const stepAccounts = 500;
/** A walk waits while so many signals of its stream wait: a receiver that is slow or gone fills no disk. */
export const mostWaiting = 2_000;

/** Gives fan-outs that were queued to the streams there are. A stream made later has nothing to be told of before it. */
export async function beginFanOuts({ db, clock }: Needs): Promise<void> {
  await db.run(
    `with begun as (
       update signal_fan_out set begun_at = $1 where begun_at is null returning id, kinds
     )
     insert into signal_fan_out_stream (fan_out_id, stream_id)
     select b.id, s.id from begun b join signal_stream s on s.status <> 'disabled' and s.kinds && b.kinds
     on conflict do nothing`,
    [toDate(clock.now())],
  );
}

interface Step {
  fanOutId: string;
  streamId: StreamId;
  after: AccountId;
  incidentId: IncidentId | null;
  cause: string;
  kinds: string[];
  at: Date;
  byAddress: boolean;
}

/**
 * One step of one walk: takes a walk that nobody else has, makes the signals of the next accounts in order of id, and
 * moves its resume point, all in one transaction. The row's lock is the lease: it ends with whoever is killed, the step is
 * then as if it had never begun, and the next worker takes it. So each account has its signals once. The walk of a stream that
 * is paused stands still: what it made would be dropped after a week. Who disables or deletes the stream meanwhile waits
 * for the step, and drops what it made.
 *
 * @returns whether anything was done.
 */
export async function stepFanOut(needs: Needs): Promise<boolean> {
  const { db, clock, random } = needs;
  const now = clock.now();
  return db.transaction(async (tx) => {
    const step = await tx.one<Step>(
      `select w.fan_out_id as "fanOutId", w.stream_id as "streamId", w.after_account as after,
              f.incident_id as "incidentId", f.at, f.cause,
              array(select unnest(f.kinds) intersect select unnest(s.kinds)) as kinds,
              s.subject_format = 'email' as "byAddress"
         from signal_fan_out_stream w
         join signal_fan_out f on f.id = w.fan_out_id
         join signal_stream s on s.id = w.stream_id
        where w.finished_at is null and s.status = 'enabled'
          and (select count(*) from (select from signal_delivery d where d.stream_id = w.stream_id limit $1) waiting) < $1
        order by w.fan_out_id, w.made limit 1
          for update of w skip locked for key share of s skip locked`,
      [mostWaiting],
    );
    if (step === undefined) return false;
    const accounts = await nextAccounts(tx, step);
    const kinds = step.kinds.toSorted();
    const rows = accounts.flatMap(({ id, sealed }) => {
      const txn = newId(random, now);
      return kinds.map((kind) => ({ accountId: id, sealed, kind, txn, id: newId(random, now) }));
    });
    if (rows.length > 0) {
      await tx.run(
        `insert into signal_delivery (stream_id, id, account_id, kind, cause, at, txn, fan_out_id, sealed, made_at, due_at)
         select $1, id, account_id, kind, $10, $2, txn, $3, sealed, $4, $4
           from unnest($5::uuid[], $6::uuid[], $7::text[], $8::uuid[], $9::bytea[]) as made (id, account_id, kind, txn, sealed)`,
        [
          step.streamId,
          step.at,
          step.fanOutId,
          toDate(now),
          rows.map(({ id }) => id),
          rows.map(({ accountId }) => accountId),
          rows.map(({ kind }) => kind),
          rows.map(({ txn }) => txn),
          rows.map(({ sealed }) => sealed),
          step.cause,
        ],
      );
    }
    const isLast = accounts.length < stepAccounts;
    const walk = await tx.one<{ accounts: number; made: number }>(
      `update signal_fan_out_stream
          set after_account = coalesce($3, after_account), accounts = accounts + $4, made = made + $5, finished_at = $6
        where fan_out_id = $1 and stream_id = $2 returning accounts, made`,
      [
        step.fanOutId,
        step.streamId,
        accounts.at(-1)?.id ?? null,
        accounts.length,
        rows.length,
        isLast ? toDate(now) : null,
      ],
    );
    if (isLast) {
      const detail = { stream: step.streamId, accounts: walk?.accounts ?? 0, signals: walk?.made ?? 0 };
      const ofCase = step.incidentId === null ? {} : { incidentId: step.incidentId };
      await append(tx, now, { kind: "signals made", ...ofCase, detail }, random);
    }
    return true;
  });
}

/** The next accounts that existed at the containment; of a stream that names them by address, those that were added to it. */
async function nextAccounts(tx: Tx, { streamId, after, at, byAddress }: Step) {
  return byAddress
    ? tx.many<{ id: AccountId; sealed: Buffer | null }>(
        `select u.account_id as id, u.sealed_address as sealed from signal_subject u
          where u.stream_id = $1 and u.account_id > $2 and u.state = 'added' order by u.account_id limit $3`,
        [streamId, after, stepAccounts],
      )
    : tx.many<{ id: AccountId; sealed: Buffer | null }>(
        `select a.id, null::bytea as sealed from account a
          where a.id > $2 and a.created_at <= $3
            and not exists (select from signal_subject u
                             where u.account_id = a.id and u.stream_id = $1 and u.state = 'removed')
          order by a.id limit $4`,
        [streamId, after, at, stepAccounts],
      );
}

interface SumRow extends Omit<SignalSum, "taken" | "finished"> {
  finishedAt: Date | null;
}

/** How far a case's signals have come, for each stream: made = taken + refused + dropped + waiting, at any moment. */
export async function signalSums(tx: Tx, incidentId: IncidentId): Promise<SignalSum[]> {
  const rows = await tx.many<SumRow>(
    `select coalesce(r.name, 'a stream that was removed') as receiver, w.stream_id as "streamId",
            sum(w.accounts) as accounts, sum(w.made) as made, sum(w.refused) as refused, sum(w.dropped) as dropped,
            (select count(*) from signal_delivery d
              where d.stream_id = w.stream_id and d.fan_out_id = any(array_agg(w.fan_out_id))) as waiting,
            case when bool_and(w.finished_at is not null) then max(w.finished_at) end as "finishedAt"
       from signal_fan_out f
       join signal_fan_out_stream w on w.fan_out_id = f.id
       left join signal_stream s on s.id = w.stream_id
       left join signal_receiver r on r.id = s.receiver_id
      where f.incident_id = $1
      group by r.name, w.stream_id order by r.name, w.stream_id`,
    [incidentId],
  );
  return rows.map(({ finishedAt, accounts, made, refused, dropped, waiting, ...row }) => ({
    ...row,
    accounts: Number(accounts),
    made: Number(made),
    taken: Number(made) - Number(refused) - Number(dropped) - Number(waiting),
    refused: Number(refused),
    dropped: Number(dropped),
    waiting: Number(waiting),
    finished: finishedAt !== null && fromDate(finishedAt) > 0 && Number(waiting) === 0,
  }));
}
