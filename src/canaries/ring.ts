import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { parseInstant, type Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { equalBytes } from "../kernel/secret.ts";
import { findAccount } from "../accounts/accounts.ts";
import type { TryWay } from "../http/tries.ts";
import { letterMessageId } from "../incidents/record-outcomes.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { lookUpForm } from "../mail/address.ts";
import { raiseAlarm, type AlarmFound } from "./raise-alarm.ts";

export type CanaryKind = "account" | "address" | "relay" | "decoy";
type Way = TryWay | "mail";

interface Needs {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "index">;
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
 * Looks which of the uses were of canaries, and rings for those: one keyholder call for each, in one frame, and one
 * statement, whoever was used. @returns how many were canaries.
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
    await db.transaction(async (tx) => {
      await raiseAlarm(tx, clock.now(), random, canaryFound(canary, way, times));
    });
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

const acts: Readonly<Record<Way, string>> = {
  "sign-in": "tried to sign in with",
  "sign-up": "tried to sign up with",
  renewal: "asked for a renewal code for",
  "second address": "wanted as a second address",
  mail: "wrote to",
};

function canaryFound({ place, kind, plantedOn, retiredOn }: CanaryRow, way: Way, times: number): AlarmFound {
  const inDatabase =
    retiredOn === null
      ? `It has stood in the database since ${plantedOn}`
      : `It stood in the database from ${plantedOn} to ${retiredOn}`;
  const since = parseInstant(plantedOn);
  return {
    kind: "canary",
    about: `canary ${kind} ${place} ${way}`,
    place,
    title: `A canary of ${place} was used`,
    facts: { way, "kind of canary": kind, "planted on": plantedOn, "retired on": retiredOn, "seen at once": times },
    ...wordsOf(
      kind,
      `Somebody ${acts[way]} an address that nobody knows and that cannot be guessed.`,
      inDatabase,
      place,
    ),
    proposes: {
      foundHow: `a canary of ${place}: somebody ${acts[way]} it`,
      copiedAt: kind === "account" || kind === "address" ? since : null,
      dataClasses:
        kind === "relay" ? ["addresses"] : ["addresses", "names", "password records", "sessions", "viewing history"],
      keysReachable: kind === "account" || kind === "address" ? "yes" : "unknown",
    },
  };
}

function wordsOf(
  kind: CanaryKind,
  what: string,
  inDatabase: string,
  place: string,
): Pick<AlarmFound, "evidence" | "notEvidence"> {
  switch (kind) {
    case "account":
    case "address":
      return {
        evidence: `${what} ${inDatabase}, under the place ${place}: a copy made in that time was read, and its addresses were opened, which takes the keys as well.`,
        notEvidence:
          "It does not tell a backup from the database itself or a replica of that time: a physical replica equals its primary. It does not show that a real account was entered.",
      };
    case "relay":
      return {
        evidence: `${what} Besides the sealed database only the mail relay was given it, when a campaign wrote to it (place ${place}): the relay, its logs or the mail on its way were read, or the database together with the keys.`,
        notEvidence:
          "If canaries of the database are silent, the database is not the likelier leak. A relay's own spam of lists it sells would look the same.",
      };
    case "decoy":
      return {
        evidence: `${what} It stands in clear in the decoy table planted for ${place} and nowhere else: somebody has read that table, from the database, a backup or a replica, and is trying what was in it.`,
        notEvidence:
          "The decoy is readable without keys: it does not show that anything sealed was opened, nor when the copy was made.",
      };
  }
}
