import type { AccountId } from "../kernel/brand.ts";
import { dayMs, fromDate, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { newId, type Random } from "../kernel/random.ts";
import { Check } from "typebox/value";
import { batchRows } from "../db/batch.ts";
import type { Parameter, Tx } from "../db/db.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { EventDetail, type EventKind } from "../wire/account-events.ts";

const detailPlace = (accountId: AccountId): Place => ({ table: "security_event", column: "sealed_detail", accountId });

/** How long an event is kept: as long as additions are doubted after a copy of unknown age, so that they can be judged. */
const keptMs = 90 * dayMs;

/** An event ready to be recorded: its detail is sealed before the transaction opens. */
export interface PreparedEvent {
  readonly accountId: AccountId;
  readonly id: string;
  readonly kind: EventKind;
  readonly at: EpochMs;
  readonly sealedDetail: Uint8Array | null;
}

/** An event that says all by its kind. */
export const bareEvent = (random: Random, accountId: AccountId, kind: EventKind, at: EpochMs): PreparedEvent => ({
  accountId,
  id: newId(random, at),
  kind,
  at,
  sealedDetail: null,
});

/** Seals what an event tells besides its kind: device, network, address. */
export async function prepareEvent(
  { keyholder, random }: { readonly keyholder: Pick<Keyholder, "seal">; readonly random: Random },
  { accountId, dataKey }: { readonly accountId: AccountId; readonly dataKey: Uint8Array },
  kind: EventKind,
  at: EpochMs,
  detail: EventDetail,
): Promise<PreparedEvent> {
  const sealedDetail = await keyholder.seal(dataKey, detailPlace(accountId), JSON.stringify(detail));
  return { ...bareEvent(random, accountId, kind, at), sealedDetail };
}

/** Records an event in the transaction of what it tells of. One insert. */
export async function recordEvent(tx: Tx, { accountId, id, kind, at, sealedDetail }: PreparedEvent): Promise<void> {
  await tx.run(`insert into security_event (account_id, id, kind, at, sealed_detail) values ($1, $2, $3, $4, $5)`, [
    accountId,
    id,
    kind,
    toDate(at),
    sealedDetail,
  ]);
}

/**
 * Runs a statement that writes one row or none, and records the event with it in the same statement, for paths where a
 * transaction's round trips would be felt. The first parameter is the account's id, so that both rows name one shard.
 * @returns whether the row was written; no event is recorded otherwise.
 */
export async function writeWithEvent(
  tx: Tx,
  sql: string,
  parameters: readonly Parameter[],
  { accountId, id, kind, at, sealedDetail }: PreparedEvent,
): Promise<boolean> {
  if (parameters[0] !== accountId) throw new Fault("IMPOSSIBLE", "an event of another account than its row's");
  const [b, c, d, e] = [1, 2, 3, 4].map((n) => `$${parameters.length + n}`);
  const row = await tx.one<{ written: number }>(
    `with written as (${sql} returning 1),
          noted as (insert into security_event (account_id, id, kind, at, sealed_detail)
                    select $1::uuid, ${b}::uuid, ${c}::text, ${d}::timestamptz, ${e}::bytea from written)
     select count(*) as written from written`,
    [...parameters, id, kind, toDate(at), sealedDetail],
  );
  return row?.written === 1;
}

export interface SecurityEvent extends EventDetail {
  readonly id: string;
  readonly kind: EventKind;
  readonly at: EpochMs;
}

/** The account's events, the newest first. One that does not open is shown by its kind. */
export async function listEvents(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  { accountId, dataKey }: { readonly accountId: AccountId; readonly dataKey: Uint8Array },
  limit: number,
): Promise<SecurityEvent[]> {
  const rows = await db.many<{ id: string; kind: EventKind; at: Date; sealed: Buffer | null }>(
    `select id, kind, at, sealed_detail as sealed from security_event where account_id = $1 order by id desc limit $2`,
    [accountId, limit],
  );
  const sealed = rows.flatMap((row) => (row.sealed === null ? [] : [row.sealed]));
  const opened: (string | null)[] = [];
  for (let from = 0; from < sealed.length; from += 1_000) {
    const values = sealed
      .slice(from, from + 1_000)
      .map((one) => ({ dataKey, place: detailPlace(accountId), sealed: one }));
    opened.push(...(await keyholder.open(values)));
  }
  let next = 0;
  return rows.map(({ id, kind, at, sealed: hasDetail }) => ({
    ...(hasDetail === null ? {} : readDetail(opened[next++] ?? null)),
    id,
    kind,
    at: fromDate(at),
  }));
}

function readDetail(text: string | null): EventDetail {
  const detail: unknown = text === null ? {} : JSON.parse(text);
  return Check(EventDetail, detail) ? detail : {};
}

/** Removes what is older than 90 days, at most `batchRows` a call. @returns how many rows went. */
export const forgetEvents = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from security_event where (account_id, id) in (
       select account_id, id from security_event where at < $1 order by at limit $2)`,
    [toDate(plus(now, -keptMs)), batchRows],
  );
