import { hashRawSync } from "@node-rs/argon2";
import { sessionClasses } from "../src/kernel/brand.ts";
import type { AccountId, Epoch, SessionClass, SessionId } from "../src/kernel/brand.ts";
import { dayMs, plus, systemClock, toDate } from "../src/kernel/clock.ts";
import type { EpochMs } from "../src/kernel/clock.ts";
import { newId, newSecret, systemRandom } from "../src/kernel/random.ts";
import type { Random } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import type { Db } from "../src/db/db.ts";
import type { Keyholder } from "../src/keyholder/keyholder.ts";
import { splitMacs } from "../src/keyholder/named-mac.ts";
import { addressPlace, namePlace } from "../src/accounts/accounts.ts";
import { costText, ordinaryCost } from "../src/credentials/hash-pool.ts";
import { labelPlace, networkPlace } from "../src/sessions/open-session.ts";
import { writeToken } from "../src/sessions/tokens.ts";
import type { Locale } from "../src/wire/common.ts";

export interface PopulationOptions {
  readonly accounts: number;
  /** 0 by default. Of the classes in turn. */
  readonly sessionsEach?: number;
  /** When the accounts were made; the present by default. */
  readonly at?: EpochMs;
  /** The languages, in turn. */
  readonly locales?: readonly Locale[];
  /** So many of the accounts, the first ones, have no address. */
  readonly withoutAddress?: number;
  /** Comes before the number in addresses: `viewer` gives viewer-1@example.org and so on. */
  readonly prefix?: string;
  /** The domains of the addresses, in turn; example.org by default. */
  readonly domains?: readonly string[];
  /** The password of everybody; salt and hash are shared, so that making many is cheap, and sealed for each. */
  readonly password?: string;
  readonly random?: Random;
}

export interface PersonInPopulation {
  readonly accountId: AccountId;
  /** Empty for those without. */
  readonly address: string;
  readonly locale: Locale;
  readonly sessions: readonly { readonly sessionId: SessionId; readonly class: SessionClass; readonly token: Secret }[];
}

export const populationPassword = "correct horse battery staple";

/** How many accounts are sealed and written at once. */
const chunkSize = 500;

/**
 * Makes true accounts in bulk: everything sealed, indexed and hashed as the service does it, so that they can sign in,
 * be written to and be contained. About a second for a thousand; `populateSynthetic` makes many for less.
 */
export async function populate(
  db: Db,
  keyholder: Pick<Keyholder, "newDataKey" | "seal" | "index" | "sealPassword">,
  options: PopulationOptions,
): Promise<PersonInPopulation[]> {
  const { accounts, sessionsEach = 0, at = systemClock.now(), locales = ["en"], withoutAddress = 0 } = options;
  const { prefix = "viewer", password = populationPassword, random = systemRandom } = options;
  const { domains = ["example.org"] } = options;
  const epoch = await currentEpoch(db);
  const salt = random.bytes(16);
  const tag = new Secret(
    hashRawSync(password.normalize("NFC"), {
      algorithm: 2,
      version: 1,
      memoryCost: ordinaryCost.memoryKib,
      timeCost: ordinaryCost.passes,
      parallelism: ordinaryCost.parallelism,
      outputLen: 32,
      salt,
    }),
  );

  const people: PersonInPopulation[] = [];
  for (let from = 0; from < accounts; from += chunkSize) {
    const numbers = Array.from({ length: Math.min(chunkSize, accounts - from) }, (_, index) => from + index);
    const chunk = await Promise.all(numbers.map(makePerson));
    await db.transaction(async (tx) => {
      await tx.run(
        `insert into account (id, role, locale, data_key, sealed_name, created_at)
         select id, 'viewer', locale, data_key, sealed_name, $5
           from unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[]) as p (id, locale, data_key, sealed_name)`,
        [
          chunk.map(({ accountId }) => accountId),
          chunk.map(({ locale }) => locale),
          chunk.map(({ dataKey }) => dataKey),
          chunk.map(({ sealedName }) => sealedName),
          toDate(at),
        ],
      );
      await tx.run(
        `insert into password (account_id, salt, parameters, record, epoch, set_at)
         select id, $3, $4, record, $5, $6 from unnest($1::uuid[], $2::bytea[]) as p (id, record)`,
        [
          chunk.map(({ accountId }) => accountId),
          chunk.map(({ record }) => record),
          salt,
          costText(ordinaryCost),
          epoch,
          toDate(at),
        ],
      );
      const reachable = chunk.filter(({ address }) => address !== "");
      await tx.run(
        `with p as (
           select * from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[])
                      as p (account_id, id, sealed, blind_index, former_index)
         ), way as (
           insert into address (blind_index, account_id)
           select blind_index, account_id from p union all
           select former_index, account_id from p where former_index is not null
         )
         insert into account_address (account_id, id, sealed, blind_index, former_index, epoch, confirmed_at)
         select account_id, id, sealed, blind_index, former_index, $6, $7 from p`,
        [
          reachable.map(({ accountId }) => accountId),
          reachable.map(() => newId(random, at)),
          reachable.map(({ sealedAddress }) => sealedAddress),
          reachable.map(({ addressIndex }) => splitMacs(addressIndex)[0]),
          reachable.map(({ addressIndex }) => splitMacs(addressIndex)[1] ?? null),
          epoch,
          toDate(at),
        ],
      );
      const sessions = chunk.flatMap((person) => person.made.map((session) => ({ ...session, ...person })));
      await tx.run(
        `insert into session (account_id, id, digest, class, epoch, generation, sealed_label, sealed_network,
                              created_at, proved_at, last_seen_at, expires_at)
         select account_id, id, digest, class, $7, 1, label, network, $8, $8, $8, $9
           from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[])
                  as s (account_id, id, digest, class, label, network)`,
        [
          sessions.map(({ accountId }) => accountId),
          sessions.map(({ sessionId }) => sessionId),
          sessions.map(({ secret }) => secret.digest()),
          sessions.map((session) => session.class),
          sessions.map(({ sealedLabel }) => sealedLabel),
          sessions.map(({ sealedNetwork }) => sealedNetwork),
          epoch,
          toDate(at),
          toDate(plus(at, 30 * dayMs)),
        ],
      );
    });
    for (const { accountId, address, locale, made } of chunk) {
      const sessions = made.map(({ sessionId, secret, class: sessionClass }) => ({
        sessionId,
        class: sessionClass,
        token: writeToken({ accountId, sessionId, secret }),
      }));
      people.push({ accountId, address, locale, sessions });
    }
  }
  return people;

  async function makePerson(number: number) {
    const accountId = newId<AccountId>(random, at);
    const address = number < withoutAddress ? "" : `${prefix}-${number + 1}@${domains[number % domains.length] ?? ""}`;
    const [dataKey, addressIndex, record] = await Promise.all([
      keyholder.newDataKey(accountId),
      keyholder.index("address", address),
      keyholder.sealPassword(accountId, tag),
    ]);
    const [sealedName, sealedAddress, sealedLabel, sealedNetwork] = await Promise.all([
      keyholder.seal(dataKey, namePlace(accountId), `Person ${number + 1}`),
      keyholder.seal(dataKey, addressPlace(accountId), address),
      keyholder.seal(dataKey, labelPlace(accountId), "Television"),
      keyholder.seal(dataKey, networkPlace(accountId), "192.0.2.1"),
    ]);
    const made = Array.from({ length: sessionsEach }, (_, index) => ({
      sessionId: newId<SessionId>(random, at),
      secret: newSecret(random),
      class: sessionClasses[index % sessionClasses.length]!,
    }));
    const locale = locales[number % locales.length]!;
    return {
      accountId,
      address,
      locale,
      dataKey,
      addressIndex,
      record,
      sealedName,
      sealedAddress,
      sealedLabel,
      sealedNetwork,
      made,
    };
  }
}

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

async function currentEpoch(db: Db): Promise<Epoch> {
  const row = await db.one<{ epoch: Epoch }>(`select max(epoch) as epoch from floor`);
  if (row === undefined) throw new Error("the floor table is empty");
  return row.epoch;
}
