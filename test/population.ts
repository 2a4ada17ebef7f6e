import { sessionClasses } from "../src/kernel/brand.ts";
import { dayMs, plus, systemClock, toDate } from "../src/kernel/clock.ts";
import type { Db } from "../src/db/db.ts";
import { costText, ordinaryCost } from "../src/credentials/hash-pool.ts";
import { currentEpoch } from "../src/incidents/drill/population.ts";
import type { PopulationOptions } from "../src/incidents/drill/population.ts";

export { populate, populationPassword } from "../src/incidents/drill/population.ts";
export type { PersonInPopulation, PopulationOptions } from "../src/incidents/drill/population.ts";

/**
 * Makes rows and nothing more: right in shape and number, with sealed values that do not open. For what must not depend
 * on how many there are. 100,000 accounts with four sessions each take a few seconds.
 */
export async function populateSynthetic(
  db: Db,
  { accounts, sessionsEach = 0, at = systemClock.now() }: Pick<PopulationOptions, "accounts" | "sessionsEach" | "at">,
): Promise<void> {
  const epoch = await currentEpoch(db);
  // Server-made ids (RFC 9562 version 7); the numbers behind them keep addresses apart.
  await db.run(
    `with made as materialized (
       select uuidv7() as id, uuidv7() as address_id, sha256(int8send(n) || uuid_send(gen_random_uuid())) as index
         from generate_series(1, $1::bigint) n
     ), accounts as (
       insert into account (id, role, locale, data_key, sealed_name, created_at)
       select id, 'viewer', 'en', decode(repeat('00', 96), 'hex'), decode(repeat('00', 45), 'hex'), $3 from made
     ), passwords as (
       insert into password (account_id, salt, parameters, record, epoch, set_at)
       select id, decode(repeat('00', 16), 'hex'), $4, decode(repeat('00', 65), 'hex'), $2, $3 from made
     ), ways as (
       insert into address (blind_index, account_id) select index, id from made
     ), addresses as (
       insert into account_address (account_id, id, sealed, blind_index, epoch, confirmed_at)
       select id, address_id, decode(repeat('00', 53), 'hex'), index, $2, $3 from made
     )
     insert into session (account_id, id, digest, class, epoch, generation, sealed_label, sealed_network,
                          created_at, proved_at, last_seen_at, expires_at)
     select id, uuidv7(), index, ($6::text[])[1 + (k - 1) % array_length($6::text[], 1)], $2, 1,
            decode(repeat('00', 43), 'hex'), decode(repeat('00', 42), 'hex'), $3, $3, $3, $5
       from made cross join generate_series(1, $7::integer) k`,
    [
      accounts,
      epoch,
      toDate(at),
      costText(ordinaryCost),
      toDate(plus(at, 30 * dayMs)),
      [...sessionClasses],
      sessionsEach,
    ],
  );
  await db.run(`analyze account, password, address, account_address, session`);
}
