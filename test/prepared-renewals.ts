import { newTypedCode, type Random } from "../src/kernel/random.ts";
import { hourMs, plus, toDate, type EpochMs } from "../src/kernel/clock.ts";
import { Secret } from "../src/kernel/secret.ts";
import { secretText } from "../src/http/cookies.ts";
import { codeLength } from "../src/credentials/sign-up.ts";
import type { Db } from "../src/db/db.ts";
import type { Keyholder } from "../src/keyholder/keyholder.ts";
import type { PersonInPopulation } from "./population.ts";

/** A renewal whose code has arrived: all that is left is to type it, with a new password. */
export interface PreparedRenewal {
  readonly address: string;
  readonly password: string;
  /** What POST /api/renewals/complete takes. */
  readonly body: { readonly code: string; readonly browser: string; readonly password: string };
}

/** Tickets as asking for a code makes them, one for each person, without the letters in between. */
export async function prepareRenewals(
  {
    db,
    keyholder,
    random,
    now,
  }: {
    readonly db: Db;
    readonly keyholder: Pick<Keyholder, "codeMac">;
    readonly random: Random;
    readonly now: EpochMs;
  },
  people: readonly PersonInPopulation[],
): Promise<PreparedRenewal[]> {
  const prepared = await Promise.all(
    people.map(async ({ accountId, address }, number) => {
      const browser = new Secret(random.bytes(32));
      const code = newTypedCode(random, codeLength);
      const password = `lantern ${number} over a quiet harbour ${random.bytes(6).toString("hex")}`;
      const mac = await keyholder.codeMac("renewal", browser.digest(), code);
      const body = { code: code.revealText(), browser: secretText(browser), password };
      return { accountId, digest: browser.digest(), mac, address, password, body };
    }),
  );
  await db.run(
    `insert into ticket (browser_digest, account_id, address_index, code_mac, epoch, created_at, expires_at)
     select digest, account, $5, mac, (select max(epoch) from floor), $3, $4
       from unnest($1::bytea[], $2::uuid[], $6::bytea[]) as one (digest, account, mac)`,
    [
      prepared.map(({ digest }) => digest),
      prepared.map(({ accountId }) => accountId),
      toDate(now),
      toDate(plus(now, 23 * hourMs)),
      random.bytes(32),
      prepared.map(({ mac }) => mac),
    ],
  );
  return prepared.map(({ address, password, body }) => ({ address, password, body }));
}
