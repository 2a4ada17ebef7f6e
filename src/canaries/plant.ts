import type { AccountId, Epoch } from "../kernel/brand.ts";
import { minuteMs, plus, toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault, impossible } from "../kernel/fault.ts";
import { newId, type Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import {
  addAddress,
  addressPlace,
  createAccount,
  findAccount,
  namePlace,
  removeAccount,
} from "../accounts/accounts.ts";
import { costText, ordinaryCost } from "../credentials/hash-pool.ts";
import { removePassword, storePassword } from "../credentials/passwords.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { lookUpForm, parseAddress } from "../mail/address.ts";
import { removeSessions } from "../sessions/clean-up.ts";
import { prepareSession, writeSession, type SessionLifetimesMs } from "../sessions/open-session.ts";
import { append } from "../timeline/append.ts";
import type { Locale } from "../wire/common.ts";
import { canaryAddress } from "./canary-address.ts";
import type { CanaryKind } from "./words/catalogue.ts";

export interface PlantNeeds {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimesMs: SessionLifetimesMs;
  /** What somebody who has an account has watched; the streaming room owns that table and stands after this one. */
  readonly watchSomething: (accountId: AccountId) => Promise<void>;
  readonly forgetWatched: (tx: Tx, accountId: AccountId) => Promise<void>;
}

export interface PlantOrder {
  readonly place: string;
  readonly kind: Exclude<CanaryKind, "decoy">;
  readonly count: number;
  /** Whose mail the operator receives, so that no stranger is written to. */
  readonly domain: string;
  readonly by: string;
}

export const placePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;
export const mostAtOnce = 100;

export const sealPlace = (sealId: AccountId): Place => ({
  table: "canary",
  column: "sealed_address",
  accountId: sealId,
});

const devices = [
  ["Firefox on Linux", "browser"],
  ["Chrome on Windows", "browser"],
  ["Safari on an iPhone", "browser"],
  ["Living-room TV", "tv"],
  ["Edge on Windows", "browser"],
] as const;
const names = ["", "Mira", "Jonas", "Amal", "Priya Nair", "Tom", "Sofia Lindgren", "Kenji", "Lea", "Oskar Brandt"];

const day = (now: EpochMs): string => toIso(now).slice(0, 10);

/** The marked row of a canary, ready to be written. */
interface Marked {
  readonly mark: Buffer;
  readonly sealId: AccountId;
  readonly dataKey: Buffer;
  readonly sealedAddress: Buffer;
}

export async function markAddress(
  { keyholder, random }: Pick<PlantNeeds, "keyholder" | "random">,
  address: string,
  now: EpochMs,
): Promise<Marked> {
  const sealId = newId<AccountId>(random, now);
  const dataKey = await keyholder.newDataKey(sealId);
  const [marks, sealedAddress] = await Promise.all([
    keyholder.index("canary", lookUpForm(address)),
    keyholder.seal(dataKey, sealPlace(sealId), address),
  ]);
  // Under the newest key alone; it is looked for under each.
  const [mark = impossible("an address without a mark")] = splitMacs(marks);
  return { mark, sealId, dataKey, sealedAddress };
}

export async function writeMark(tx: Tx, marked: Marked, place: string, kind: CanaryKind, now: EpochMs): Promise<void> {
  await tx.run(
    `insert into canary (mark, place, kind, seal_id, data_key, sealed_address, planted_on)
     values ($1, $2, $3, $4, $5, $6, $7::date)`,
    [marked.mark, place, kind, marked.sealId, marked.dataKey, marked.sealedAddress, day(now)],
  );
}

/**
 * Plants canaries of a place: accounts like all others, with rows as a sign-up and some evenings of films leave them, and
 * a mark that a copy cannot be searched for. Nobody has their password: it is random bits that were thrown away.
 *
 * Throws CONFIG_INVALID for a domain that is none. @returns their addresses, which belong to the operator alone.
 */
export async function plantCanaries(needs: PlantNeeds, order: PlantOrder): Promise<string[]> {
  const { db, random, clock } = needs;
  if (parseAddress(`someone@${order.domain}`).kind === "refused") {
    throw new Fault("CONFIG_INVALID", "the domain of canaries is no domain of the internet");
  }
  const planted: string[] = [];
  for (let n = 0; n < order.count; n++) {
    const address = canaryAddress(random, order.domain);
    const accountId = await plantOne(needs, order, address);
    await needs.watchSomething(accountId);
    planted.push(address);
  }
  await db.transaction((tx) =>
    append(
      tx,
      clock.now(),
      { kind: "canaries planted", detail: { place: order.place, count: order.count, by: order.by } },
      random,
    ),
  );
  return planted;
}

async function plantOne(needs: PlantNeeds, { place, kind }: PlantOrder, address: string): Promise<AccountId> {
  const { db, keyholder, clock, random } = needs;
  const now = clock.now();
  const accountId = newId<AccountId>(random, now);
  const [dataKey, addressIndex, record, marked] = await Promise.all([
    keyholder.newDataKey(accountId),
    keyholder.index("address", lookUpForm(address)),
    keyholder.sealPassword(accountId, new Secret(random.bytes(32))),
    markAddress(needs, address, now),
  ]);
  const [sealedName, sealedAddress] = await Promise.all([
    keyholder.seal(dataKey, namePlace(accountId), names[random.below(names.length)] ?? ""),
    keyholder.seal(dataKey, addressPlace(accountId), address),
  ]);
  const sessions = await Promise.all(
    Array.from({ length: 1 + random.below(2) }, () => {
      const [label, sessionClass] = devices[random.below(devices.length)] ?? devices[0];
      const network = `${20 + random.below(180)}.${random.below(256)}.${random.below(256)}.${1 + random.below(254)}`;
      return prepareSession(needs, { accountId, dataKey, class: sessionClass, label, network, now });
    }),
  );
  const password = { salt: random.bytes(16), parameters: costText(ordinaryCost), record };
  await db.transaction(async (tx) => {
    const read = await tx.one<{ epoch: Epoch; locale: Locale | null }>(
      `select (select max(epoch) from floor) as epoch,
              (select locale from account order by created_at desc limit 1) as locale`,
    );
    const { epoch = 1 as Epoch, locale } = read ?? { locale: null };
    await createAccount(tx, { accountId, role: "viewer", locale: locale ?? "en", dataKey, sealedName, now });
    await addAddress(tx, { accountId, addressId: newId(random, now), addressIndex, sealed: sealedAddress, epoch, now });
    await storePassword(tx, accountId, password, epoch, now);
    for (const session of sessions) {
      await writeSession(
        tx,
        session,
        { epoch, generation: 1, floors: ["password"], by: "password" },
        plus(now, minuteMs),
      );
    }
    await append(tx, now, { kind: "account created", detail: { account: accountId, epoch } }, random);
    await writeMark(tx, marked, place, kind, now);
  });
  return accountId;
}

export interface CanaryPlace {
  readonly place: string;
  readonly kind: CanaryKind;
  readonly plantedOn: string;
  readonly retiredOn: string | null;
  readonly count: number;
}

/** Canaries by place and kind, the newest place first. */
export const listCanaries = (tx: Tx): Promise<CanaryPlace[]> =>
  tx.many<CanaryPlace>(
    `select place, kind, min(planted_on)::text as "plantedOn", max(retired_on)::text as "retiredOn", count(*) as count
       from canary group by place, kind, retired_on is null order by min(planted_on) desc, place, kind`,
  );

/** The addresses planted for a place, for whoever sets up their mailboxes. */
export async function canaryAddresses(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  place: string,
): Promise<string[]> {
  const rows = await db.many<{ sealId: AccountId; dataKey: Buffer; sealed: Buffer }>(
    `select seal_id as "sealId", data_key as "dataKey", sealed_address as sealed from canary where place = $1
      order by planted_on, mark limit 1000`,
    [place],
  );
  const opened = await keyholder.open(
    rows.map(({ sealId, dataKey, sealed }) => ({ dataKey, place: sealPlace(sealId), sealed })),
  );
  return opened.filter((address) => address !== null);
}

/**
 * Takes the canary accounts of every other place out of the database, and plants the place's own: what is copied from now
 * on rings with this place's name, and what was copied before with the name it had. Marks stay for ever.
 *
 * Accounts go one by one, each in a commit of its own; run again after a crash, it goes on. @returns how many were
 * taken out, and the new addresses.
 */
export async function rotateCanaries(
  needs: PlantNeeds,
  order: PlantOrder,
): Promise<{ readonly retired: number; readonly planted: string[] }> {
  const { db, keyholder, clock, random } = needs;
  // First in, then out: at no moment is there a copy to be made without canaries in it.
  const planted = await plantCanaries(needs, order);
  const rows = await db.many<{ mark: Buffer; sealId: AccountId; dataKey: Buffer; sealed: Buffer }>(
    `select mark, seal_id as "sealId", data_key as "dataKey", sealed_address as sealed from canary
      where kind = $2 and place <> $1 and retired_on is null`,
    [order.place, order.kind],
  );
  let retired = 0;
  for (const { mark, sealId, dataKey, sealed } of rows) {
    const [address] = await keyholder.open([{ dataKey, place: sealPlace(sealId), sealed }]);
    const index = typeof address === "string" ? await keyholder.index("address", lookUpForm(address)) : Buffer.alloc(0);
    const now = clock.now();
    await db.transaction(async (tx) => {
      const { accountId, epoch } = await findAccount(tx, index);
      const claimed = await tx.run(`update canary set retired_on = $2::date where mark = $1 and retired_on is null`, [
        mark,
        day(now),
      ]);
      if (claimed === 0 || accountId === null) return;
      await needs.forgetWatched(tx, accountId);
      await removeSessions(tx, accountId);
      await removePassword(tx, accountId);
      await removeAccount(tx, accountId);
      await append(tx, now, { kind: "account deleted", detail: { account: accountId, epoch } }, random);
      retired += 1;
    });
  }
  return { retired, planted };
}

/**
 * Which of the addresses are canaries that must never be written to: a campaign counts them as suppressed. Asked for a
 * batch at a time, in one keyholder call for each thousand and one statement.
 */
export async function neverMailed(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "indexMany"> },
  addresses: readonly string[],
): Promise<ReadonlySet<string>> {
  const marks: Buffer[][] = [];
  for (let from = 0; from < addresses.length; from += 1_000) {
    const forms = addresses.slice(from, from + 1_000).map(lookUpForm);
    marks.push(...(await keyholder.indexMany("canary", forms)).map(splitMacs));
  }
  const found = await db.many<{ mark: Buffer }>(
    `select mark from canary where mark = any($1) and kind in ('account', 'address', 'decoy')`,
    [marks.flat()],
  );
  const hexes = new Set(found.map(({ mark }) => mark.toString("hex")));
  return new Set(
    addresses.filter((_address, number) => marks[number]?.some((mark) => hexes.has(mark.toString("hex"))) === true),
  );
}
