import type { AccountId, IncidentId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { equalBytes } from "../kernel/secret.ts";
import { findAccount } from "../accounts/accounts.ts";
import { letterMessageId } from "../incidents/campaign-key.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { lookUpForm } from "../mail/address.ts";
import { canaryUsed } from "./alarm-words.ts";
import { raiseAlarm } from "./raise-alarm.ts";
import type { CanaryKind, Way } from "./words/catalogue.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "index" | "open">;
  readonly clock: Clock;
  readonly random: Random;
}

interface CanaryRow {
  mark: Buffer;
  place: string;
  kind: CanaryKind;
  plantedOn: string;
  retiredOn: string | null;
}

/** One use of an address, and how often it was seen. */
export interface Use {
  readonly way: Way;
  readonly form: string;
  readonly times: number;
}

/**
 * Finds which of the uses were of canaries, and rings for those. The work is one keyholder call for each use, in one frame, and one
 * statement, whether or not a canary is among them. @returns how many were canaries.
 */
export async function ringFor({ db, keyholder, clock, random }: Needs, uses: readonly Use[]): Promise<number> {
  if (uses.length === 0) return 0;
  const lists = await Promise.all(uses.map(({ form }) => keyholder.index("canary", form)));
  const marks = lists.map(splitMacs);
  const rows = await db.many<CanaryRow>(
    `select mark, place, kind, planted_on::text as "plantedOn", retired_on::text as "retiredOn"
       from canary where mark = any($1)`,
    [marks.flat()],
  );
  let rung = 0;
  for (const [number, { way, times }] of uses.entries()) {
    const canary = rows.find(({ mark }) => marks[number]?.some((asked) => equalBytes(mark, asked)) === true);
    if (canary === undefined) continue;
    rung += 1;
    const { kind, place, plantedOn, retiredOn } = canary;
    const found = canaryUsed({ canary: kind, place, way, plantedOn, retiredOn }, times);
    await db.transaction((tx) => raiseAlarm(tx, clock.now(), random, found));
  }
  return rung;
}

/**
 * Mail arrived for an address, as its operator or a mail server of theirs reports. The notice of a campaign to a canary
 * that the relay is given is ours, told by its Message-ID, and does not ring. @returns whether it was a canary and rang.
 */
export async function ringForMail(
  needs: Needs,
  { to, messageId }: { readonly to: string; readonly messageId?: string | undefined },
): Promise<boolean> {
  const form = lookUpForm(to);
  if (messageId !== undefined && (await isOurLetter(needs, form, messageId))) return false;
  return (await ringFor(needs, [{ way: "mail", form, times: 1 }])) > 0;
}

async function isOurLetter({ db, keyholder }: Needs, form: string, messageId: string): Promise<boolean> {
  const { accountId } = await findAccount(db, await keyholder.index("address", form));
  if (accountId === null) return false;
  const sent = await db.many<{ id: IncidentId; reference: string; accountId: AccountId }>(
    `select i.id, i.reference from incident i join letter l on l.incident_id = i.id
      where l.account_id = $1 and l.attempts > 0`,
    [accountId],
  );
  const bare = messageId.replace(/^<|>$/g, "").split("@")[0];
  for (const { id, reference } of sent) {
    if (bare === (await letterMessageId({ db, keyholder }, id, reference, accountId))) return true;
  }
  return false;
}
