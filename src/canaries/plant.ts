import type { AccountId, Epoch } from "../kernel/brand.ts";
import { dayMs, minuteMs, plus, toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault, impossible } from "../kernel/fault.ts";
import { newId, newTypedCode, type Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import { addressPlace, findAccount, namePlace } from "../accounts/accounts.ts";
import { costText, ordinaryCost } from "../credentials/hash-pool.ts";
import { codeLength, makeSignedUp } from "../credentials/sign-up.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { removeAccount, type ForgetProgress } from "../leaving/remove-account.ts";
import { lookUpForm, parseAddress } from "../mail/address.ts";
import { appendAll } from "../timeline/append.ts";
import type { Locale } from "../wire/common.ts";
import { canaryAddress } from "./canary-address.ts";
import type { CanaryKind } from "./words/catalogue.ts";

export interface PlantNeeds {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  /** The streaming room owns that table and stands after this one. */
  readonly forgetProgress: ForgetProgress;
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
  // Ids say when they were made, to the millisecond: this one says only the day, or it would point to the account made beside it.
  const sealId = newId<AccountId>(random, plus(now, -(now % dayMs)));
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
 * Plants canaries of a place: accounts like all others, with rows as a sign-up leaves them, and a mark that a copy cannot be
 * searched for. What people do afterwards they do afterwards (`liveOn`). Nobody has their password: it is random bits that
 * were thrown away.
 *
 * Throws CONFIG_INVALID for a domain that is none. @returns their addresses, which belong to the operator alone.
 */
export async function plantCanaries(needs: PlantNeeds, order: PlantOrder): Promise<string[]> {
  const { db, random, clock } = needs;
  if (parseAddress(`someone@${order.domain}`).kind === "refused") {
    throw new Fault("CONFIG_INVALID", "the domain of canaries is no domain of the internet");
  }
  const planted = Array.from({ length: order.count }, () => canaryAddress(random, order.domain));
  const marked = await Promise.all(planted.map((address) => markAddress(needs, address, clock.now())));
  // Before the accounts and apart from them: rows of one transaction bear its number in a copy of the files.
  await db.transaction(async (tx) => {
    for (const one of marked) await writeMark(tx, one, order.place, order.kind, clock.now());
  });
  for (const address of planted) await plantOne(needs, address);
  return planted;
}

/**
 * Says in the timeline which canaries were planted on the days before, by place and count: once each. Behind the entries of the
 * accounts, or at their instant, it would say which accounts they are. @returns how many places.
 */
export async function recordPlantings(
  { db, random }: Pick<PlantNeeds, "db" | "random">,
  now: EpochMs,
): Promise<number> {
  return db.transaction(async (tx) => {
    const rows = await tx.many<{ place: string; kind: CanaryKind; on: string; count: number }>(
      `with noted as (update canary set recorded = true where not recorded and planted_on < $1::date
                      returning place, kind, planted_on)
       select place, kind, planted_on::text as on, count(*) as count from noted group by 1, 2, 3 order by 3, 1, 2`,
      [day(now)],
    );
    const entries = rows.map((detail) => ({ kind: "canaries planted" as const, detail }));
    await appendAll(tx, now, entries, random);
    return rows.length;
  });
}

/** Somebody fetches the code from the mailbox and types it. */
const registrationMs = { least: 20_000, most: 5 * minuteMs } as const;

async function plantOne(needs: PlantNeeds, address: string): Promise<void> {
  const { db, keyholder, clock, random } = needs;
  const now = clock.now();
  const tookMs = registrationMs.least + random.below(registrationMs.most - registrationMs.least);
  // An account has its id from when its registration began.
  const accountId = newId<AccountId>(random, plus(now, -tookMs));
  const [dataKey, addressIndex, record, codeMac] = await Promise.all([
    keyholder.newDataKey(accountId),
    keyholder.index("address", lookUpForm(address)),
    keyholder.sealPassword(accountId, new Secret(random.bytes(32))),
    keyholder.codeMac("sign-up", random.bytes(32), newTypedCode(random, codeLength)),
  ]);
  const [sealedName, sealedAddress] = await Promise.all([
    keyholder.seal(dataKey, namePlace(accountId), names[random.below(names.length)] ?? ""),
    keyholder.seal(dataKey, addressPlace(accountId), address),
  ]);
  const password = { salt: random.bytes(16), parameters: costText(ordinaryCost), record };
  await db.transaction(async (tx) => {
    const read = await tx.one<{ epoch: Epoch; locale: Locale | null }>(
      `select (select max(epoch) from floor) as epoch,
              (select locale from account order by created_at desc limit 1) as locale`,
    );
    const { epoch = 1 as Epoch, locale } = read ?? { locale: null };
    const made = {
      accountId,
      addressIndex,
      dataKey,
      sealedAddress,
      sealedName,
      locale: locale ?? "en",
      epoch,
      codeMac,
    };
    if (!(await makeSignedUp(tx, random, { ...made, ...password }, { now, tookMs }))) {
      throw new Fault("IMPOSSIBLE", "an address of chance is taken");
    }
  });
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

/** The addresses planted for a place, of one kind or of all, for whoever sets up their mailboxes. */
export async function canaryAddresses(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  place: string,
  kind: CanaryKind | null = null,
): Promise<string[]> {
  const rows = await db.many<{ sealId: AccountId; dataKey: Buffer; sealed: Buffer }>(
    `select seal_id as "sealId", data_key as "dataKey", sealed_address as sealed from canary
      where place = $1 and ($2::text is null or kind = $2) order by planted_on, mark limit 1000`,
    [place, kind],
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
  const { db, keyholder, clock } = needs;
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
      const { accountId } = await findAccount(tx, index);
      const claimed = await tx.run(`update canary set retired_on = $2::date where mark = $1 and retired_on is null`, [
        mark,
        day(now),
      ]);
      if (claimed === 0 || accountId === null) return;
      // Whoever used it has left tickets, steps and more.
      await removeAccount(tx, needs, accountId, order.by, now);
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
