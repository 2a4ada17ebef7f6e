import { toDate, type Clock } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";

/** Signals that one statement gives to the streams. */
const batch = 500;

/** SQL over a signal: one id for all that one act did to an account, whichever statement takes each (SSF 1.0 section 4.1.8). */
const belongsTogether = `encode(substring(sha256(uuid_send(t.account_id) || timestamptz_send(t.at) || convert_to(t.cause, 'UTF8')) for 16), 'hex')::uuid`;

/**
 * Gives what happened to accounts to every stream that wants it: takes signals and writes their deliveries in one
 * statement, so that a kill loses none and doubles none. Any number of workers may do it at once. A stream that names
 * accounts by address gets those that its receiver added, any other all but those removed. Who is gone is forgotten with
 * the last signal. Who disables or deletes a stream meanwhile waits, and drops what it was given.
 *
 * @returns how many signals it took.
 */
export async function distributeSignals({ db, clock }: { readonly db: Db; readonly clock: Clock }): Promise<number> {
  const row = await db.one<{ taken: number }>(
    `with taken as (
       delete from signal where (account_id, id) in (
         select account_id, id from signal order by id limit $1 for update skip locked)
       returning account_id, id, kind, cause, at
     ), given as (
       insert into signal_delivery (stream_id, id, account_id, kind, cause, at, txn, sealed, made_at, due_at)
       select s.id, t.id, t.account_id, t.kind, t.cause, t.at, ${belongsTogether}, u.sealed_address, $2, $2
         from taken t
         join signal_stream s on s.status <> 'disabled' and t.kind = any(s.kinds)
         left join signal_subject u on u.account_id = t.account_id and u.stream_id = s.id
        where case when s.subject_format = 'email' then u.state = 'added' else u.state is distinct from 'removed' end
          for key share of s
       on conflict do nothing
     ), gone as (
       delete from signal_subject where account_id in (select account_id from taken where kind = 'account purged')
     )
     select count(*) as taken from taken`,
    [batch, toDate(clock.now())],
  );
  return row?.taken ?? 0;
}
