import type { AccountId, Epoch, SessionId } from "../kernel/brand.ts";
import { minuteMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newSecret, type Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Locale } from "../wire/common.ts";
import type { Db, Tx } from "../db/db.ts";
import type { LogSignIn } from "../http/sign-in-log.ts";
import type { Viewer } from "../http/viewer.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { append } from "../timeline/append.ts";
import { createAccount, namePlace, operatorIds } from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import { letCount, operatorsThatCount, roleThatCounts } from "../credentials/added-since.ts";
import { Refused, refusable } from "../credentials/sign-up.ts";
import { prepareSession, tokenOf, writeSession, type SessionLifetimesMs } from "./open-session.ts";
import { endReplaced } from "./replaced.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimesMs: SessionLifetimesMs;
}

export const operatorLinkLifetimeMs = 10 * minuteMs;

/**
 * Makes a single-use link for an operator, to be printed on the host: whoever runs this holds the machine already, so
 * it works when nobody can sign in and mail is down. For the operator named, or the first whose role counts; where there is none
 * yet, the link's use creates one. The secret belongs in the fragment of a URL, which no server and no log ever sees.
 */
export async function makeOperatorLink(
  { db, clock, random }: Omit<Needs, "keyholder" | "lifetimesMs">,
  named?: AccountId,
): Promise<{ readonly secret: Secret; readonly expiresAt: EpochMs }> {
  const now = clock.now();
  const secret = newSecret(random);
  const expiresAt = plus(now, operatorLinkLifetimeMs);
  await db.transaction(async (tx) => {
    const accountId = named ?? (await operatorsThatCount(tx))[0] ?? null;
    await tx.run(
      `insert into operator_link (digest, account_id, epoch, created_at, expires_at)
       select $1, $2, max(epoch), $3, $4 from floor`,
      [secret.digest(), accountId, toDate(now), toDate(expiresAt)],
    );
    await append(tx, now, { kind: "operator link made", detail: { account: accountId ?? "none yet" } }, random);
  });
  return { secret, expiresAt };
}

export type OperatorLinkOutcome =
  | {
      readonly kind: "signed-in";
      readonly accountId: AccountId;
      readonly sessionId: SessionId;
      readonly token: Secret;
      readonly expiresAt: EpochMs;
    }
  | { readonly kind: "refused" };

/** Exchanges the link's secret for an operator's session. At most one caller ever gets it; old, used and foreign ones are refused. */
export async function exchangeOperatorLink(needs: LinkNeeds, order: LinkOrder): Promise<OperatorLinkOutcome> {
  return needs.logSignIn({ way: "operator link", network: order.network }, await judgeLink(needs, order));
}

type LinkNeeds = Needs & { readonly logSignIn: LogSignIn };

interface LinkOrder {
  readonly secret: Secret;
  readonly label: string;
  readonly network: string;
  /** Of the first operator, if the link makes one: letters and alarms are written in it. */
  readonly locale: Locale;
  readonly replaces: Viewer | null;
}

async function judgeLink(
  needs: Needs,
  { secret, label, network, locale, replaces }: LinkOrder,
): Promise<OperatorLinkOutcome> {
  const { db, keyholder, clock, random } = needs;
  const now = clock.now();
  const digest = secret.digest();
  const good = `digest = $1 and used_at is null and expires_at > $2
                and epoch >= (select max(epoch) from floor where kind in ('link', 'browser'))`;
  const link = await db.one<{ accountId: AccountId | null; epoch: Epoch }>(
    `select account_id as "accountId", epoch from operator_link where ${good}`,
    [digest, toDate(now)],
  );
  if (link === undefined) return { kind: "refused" };

  const accountId = link.accountId ?? newId<AccountId>(random, now);
  const existing = await db.one<{ dataKey: Buffer; generation: number }>(
    `select data_key as "dataKey", generation from account a where id = $1 and ${roleThatCounts("a")} = 'operator'`,
    [accountId],
  );
  if (existing === undefined && link.accountId !== null) return { kind: "refused" };
  const dataKey = existing?.dataKey ?? (await keyholder.newDataKey(accountId));
  const sealedName =
    existing === undefined ? await keyholder.seal(dataKey, namePlace(accountId), "Operator") : undefined;
  const session = await prepareSession(needs, { accountId, dataKey, class: "browser", label, network, now });
  const generation = existing?.generation ?? 1;

  const signedIn = await refusable(() =>
    db.transaction(async (tx) => {
      const claimed = await tx.run(`update operator_link set used_at = $2 where ${good}`, [digest, toDate(now)]);
      if (claimed === 0) throw new Refused();
      if (sealedName !== undefined) {
        // Two first links used at once take turns on this row: the second finds an operator and is refused.
        await tx.run(`select 1 from instance for update`);
        if ((await operatorIds(tx)).length > 0) throw new Refused();
        await createAccount(tx, { accountId, role: "operator", locale, dataKey, sealedName, now });
        await letCount(tx, accountId, link.epoch);
        await recordEvent(tx, bareEvent(random, accountId, "account created", now));
      }
      const proof = { epoch: link.epoch, generation, floors: ["link"], by: "host" as const };
      if (!(await writeSession(tx, session, proof, now))) throw new Refused();
      await endReplaced(tx, replaces, now, random);
      await append(tx, now, { kind: "operator link used", detail: { account: accountId } }, random);
    }),
  );
  if (!signedIn) return { kind: "refused" };
  return {
    kind: "signed-in",
    accountId,
    sessionId: session.sessionId,
    token: tokenOf(session),
    expiresAt: session.expiresAt,
  };
}

/** Ends the links that were made for one account and not used yet. */
export async function endOperatorLinks(tx: Tx, accountId: AccountId, now: EpochMs): Promise<void> {
  await tx.run(`update operator_link set used_at = $2 where account_id = $1 and used_at is null`, [
    accountId,
    toDate(now),
  ]);
}
