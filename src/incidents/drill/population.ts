import { hashRawSync } from "@node-rs/argon2";
import { sessionClasses, type AccountId, type Epoch, type SessionClass, type SessionId } from "../../kernel/brand.ts";
import { dayMs, plus, systemClock, type EpochMs } from "../../kernel/clock.ts";
import { Fault } from "../../kernel/fault.ts";
import { newId, newSecret, systemRandom, type Random } from "../../kernel/random.ts";
import { Secret } from "../../kernel/secret.ts";
import type { Db } from "../../db/db.ts";
import type { Keyholder } from "../../keyholder/keyholder.ts";
import { addAccounts } from "../../accounts/add-many.ts";
import { addressPlace, namePlace } from "../../accounts/accounts.ts";
import { addPasswords } from "../../credentials/add-many.ts";
import { ordinaryCost } from "../../credentials/hash-pool.ts";
import { addSessions } from "../../sessions/add-many.ts";
import { labelPlace, networkPlace } from "../../sessions/open-session.ts";
import { writeToken } from "../../sessions/tokens.ts";
import type { Locale } from "../../wire/common.ts";

export interface PopulationOptions {
  readonly accounts: number;
  /** 0 by default. Of the classes in turn. */
  readonly sessionsEach?: number;
  /** When the accounts were made; the present by default. */
  readonly at?: EpochMs;
  /** When the sessions were; with the accounts by default. */
  readonly signedInAt?: EpochMs;
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
 * be written to and be contained. About a second for a thousand.
 */
export async function populate(
  db: Db,
  keyholder: Pick<Keyholder, "newDataKey" | "seal" | "index" | "sealPassword">,
  options: PopulationOptions,
): Promise<PersonInPopulation[]> {
  const { accounts, sessionsEach = 0, at = systemClock.now(), locales = ["en"], withoutAddress = 0 } = options;
  const { prefix = "viewer", password = populationPassword, random = systemRandom } = options;
  const { signedInAt = at } = options;
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
      await addAccounts(tx, chunk, { epoch, at });
      await addPasswords(tx, chunk, { salt, cost: ordinaryCost, epoch, at });
      const sessions = chunk.flatMap(({ made }) => made);
      await addSessions(tx, sessions, { epoch, at: signedInAt, expiresAt: plus(signedInAt, 30 * dayMs) });
    });
    for (const { accountId, written, locale, made } of chunk) {
      const sessions = made.map(({ sessionId, secret, class: sessionClass }) => ({
        sessionId,
        class: sessionClass,
        token: writeToken({ accountId, sessionId, secret }),
      }));
      people.push({ accountId, address: written, locale, sessions });
    }
  }
  return people;

  async function makePerson(number: number) {
    const accountId = newId<AccountId>(random, at);
    const written = number < withoutAddress ? "" : `${prefix}-${number + 1}@${domains[number % domains.length] ?? ""}`;
    const [dataKey, addressIndex, record] = await Promise.all([
      keyholder.newDataKey(accountId),
      keyholder.index("address", written),
      keyholder.sealPassword(accountId, tag),
    ]);
    const [sealedName, sealed, sealedLabel, sealedNetwork] = await Promise.all([
      keyholder.seal(dataKey, namePlace(accountId), `Person ${number + 1}`),
      keyholder.seal(dataKey, addressPlace(accountId), written),
      keyholder.seal(dataKey, labelPlace(accountId), "Television"),
      keyholder.seal(dataKey, networkPlace(accountId), "192.0.2.1"),
    ]);
    const made = Array.from({ length: sessionsEach }, (_, index) => ({
      accountId,
      sessionId: newId<SessionId>(random, at),
      secret: newSecret(random),
      class: sessionClasses[index % sessionClasses.length] ?? "browser",
      sealedLabel,
      sealedNetwork,
    }));
    const locale = locales[number % locales.length] ?? "en";
    const address = written === "" ? null : { addressId: newId(random, at), sealed, addressIndex };
    return { accountId, written, locale, dataKey, record, sealedName, address, made };
  }
}

/** The epoch that what is made now carries. */
export async function currentEpoch(db: Db): Promise<Epoch> {
  const row = await db.one<{ epoch: Epoch }>(`select max(epoch) as epoch from floor`);
  if (row === undefined) throw new Fault("IMPOSSIBLE", "the floor table is empty");
  return row.epoch;
}
