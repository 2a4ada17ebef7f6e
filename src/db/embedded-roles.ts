import pg from "pg";
import { sleep } from "../kernel/clock.ts";
import { tooManyConnections } from "./unavailable.ts";

/**
 * By which names one logs in to the built-in PostgreSQL, in the order in which it refuses them when its connections run out
 * (docs/decisions/2026-11-27-connections-that-are-kept.md). Once let in, each acts as the last, which owns everything.
 */
export const logins = {
  /** Whoever else comes: `psql`, a program of the operator's. */
  anybody: "houselights",
  /** The service and its commands. */
  own: "houselights_service",
  /** Containing, and starting the server. The cluster's first role, and its only superuser. */
  toContain: "houselights_root",
} as const;

const mover = "houselights_mover";
/** Held while roles and database are made: a service that starts and a command would both make them. */
const makingTurn = 7_260_271;
const noSuchRole = "28000";
const enterTries = 250;
const enterStepMs = 20;

/** Makes what is not there of the roles and the database that the service and its commands log in to. */
export async function ensureDatabase(at: pg.PoolConfig, database: string): Promise<void> {
  const client = await enterAsRoot(at);
  try {
    // Without the turn: one that was stopped while it has it keeps nobody from containing.
    if (await isWhole(client, database)) return;
    await client.query(`select pg_advisory_lock(${makingTurn})`);
    await client.query(makeLogins);
    if (!(await isWhole(client, database))) await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
}

async function isWhole(client: pg.Client, database: string): Promise<boolean> {
  const { rows } = await client.query<{ whole: boolean }>(
    `select to_regrole($1) is not null and to_regrole($2) is not null and to_regrole($3) is null
            and exists (select from pg_database where datname = $4) as whole`,
    [logins.anybody, logins.own, mover, database],
  );
  return rows[0]?.whole === true;
}

/** As PostgreSQL has it: `alter role … set role` makes whoever logs in by one of them act as the first. */
const makeAnybody = `create role ${logins.anybody} login in role ${logins.toContain};
  alter role ${logins.anybody} set role = '${logins.toContain}';`;

const makeLogins = `do $$ begin
  if to_regrole('${logins.anybody}') is null then
    ${makeAnybody}
  end if;
  if to_regrole('${logins.own}') is null then
    create role ${logins.own} login in role ${logins.toContain}, pg_use_reserved_connections;
    alter role ${logins.own} set role = '${logins.toContain}';
  end if;
  drop role if exists ${mover};
end $$`;

/**
 * Waits a while for a place: whoever is being refused holds one for some milliseconds, and a crowd of them holds those that are
 * kept as well.
 */
async function enterAsRoot(at: pg.PoolConfig): Promise<pg.Client> {
  for (let tries = 1; ; tries++) {
    const client = new pg.Client({ ...at, user: logins.toContain });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return client;
    } catch (thrown) {
      await client.end().catch(() => undefined);
      const code = thrown instanceof pg.DatabaseError ? thrown.code : undefined;
      if (tries >= enterTries || (code !== noSuchRole && code !== tooManyConnections)) throw thrown;
      // Of two that do it at once one finds what the other has made, or taken away again, and looks once more.
      if (code === noSuchRole) await renameFirst(at).catch(() => sleep(enterStepMs));
      else await sleep(enterStepMs);
    }
  }
}

/** In a cluster that was made before there were three of them, everybody logs in by the name of its first role. */
async function renameFirst(at: pg.PoolConfig): Promise<void> {
  await as(
    { ...at, user: logins.anybody },
    `do $$ begin create role ${mover} superuser login; exception when duplicate_object or unique_violation then end $$`,
  );
  // Nobody renames the role of their own session. Sent in one, it is one transaction.
  await as(
    { ...at, user: mover },
    `select pg_advisory_xact_lock(${makingTurn});
     do $$ begin
       if to_regrole('${logins.toContain}') is null then
         alter role ${logins.anybody} rename to ${logins.toContain};
         ${makeAnybody}
       end if;
     end $$`,
  );
}

async function as(connection: pg.PoolConfig, sql: string): Promise<void> {
  const client = new pg.Client(connection);
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end().catch(() => undefined);
  }
}
