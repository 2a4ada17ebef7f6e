import type { IncidentId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";

/**
 * The accounts that a case is about, as a table in SQL, `a`: those it names, or else all that existed when the copy was made, or
 * (if that is unknown) at containment, or (before that, and without a case) at `$2`. `$1` is the case. A campaign that has
 * begun keeps the instant it began with.
 *
 * Two statements, and not one with a condition, so that each uses the index that fits it.
 */
export async function accountsInScope(tx: Tx, incidentId: IncidentId | null): Promise<string> {
  const row = await tx.one<{ isNamed: boolean }>(
    `select scope_accounts is not null as "isNamed" from incident where id = $1`,
    [incidentId],
  );
  return row?.isNamed === true ? named : everybody;
}

// Both are called with the same two parameters. `named` does not need `$2`, but PostgreSQL has to find its type in the statement:
// the condition on it always holds.
const named = `(select a.* from account a
    where a.id = any(array(select unnest(i.scope_accounts) from incident i where i.id = $1)) and $2::timestamptz is not null) a`;
const everybody = `(select a.* from account a
    where a.created_at <= coalesce((select c.scope_at from campaign c where c.incident_id = $1),
                                   (select coalesce(i.copied_at, i.contained_at) from incident i where i.id = $1), $2)) a`;
