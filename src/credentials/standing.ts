import { Fault } from "../kernel/fault.ts";
import type { Tx } from "../db/db.ts";
import type { Floors, TimelineHead } from "../keyholder/keyholder.ts";
import { currentHead } from "../timeline/integrate.ts";
import { readFloors } from "./floors.ts";

/** Where a database stands: which one it is, and what the witness compares. */
export interface Standing {
  readonly databaseId: string;
  readonly floors: Floors;
  readonly head: TimelineHead;
}

/**
 * The database's identity, under which the keyholder knows it. A server that follows another one is refused (DB_UNAVAILABLE): it
 * answers as the other did a moment, or an hour, ago, and a check would find what has been contained since still good.
 */
export async function readDatabaseId(tx: Tx): Promise<string> {
  const instance = await tx.one<{ id: string; isStandby: boolean }>(
    `select id, pg_is_in_recovery() as "isStandby" from instance`,
  );
  if (instance === undefined) throw new Error("the instance table is empty: run the migrations first");
  if (instance.isStandby) {
    const hint = "DATABASE_URL must lead to the server that takes writes";
    throw new Fault("DB_UNAVAILABLE", `this PostgreSQL follows another one, and may be behind it\n${hint}`);
  }
  return instance.id;
}

/** The database's identity, floors and timeline as this connection sees them now; one statement for each. */
export async function readStanding(tx: Tx): Promise<Standing> {
  return { databaseId: await readDatabaseId(tx), floors: await readFloors(tx), head: await currentHead(tx) };
}
