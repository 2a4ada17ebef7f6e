import { toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { AccountId, SessionId } from "../kernel/brand.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { append } from "../timeline/append.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { plannedDeletion } from "../accounts/deletion.ts";
import { bareEvent, listEvents, recordEvent } from "../accounts/security-events.ts";
import { passwordSetAt } from "../credentials/passwords.ts";
import { listDevicesOf } from "../sessions/devices.ts";
import type { AccountExport } from "../wire/leaving.ts";

/** What the rooms that know no account tell of one: titles by name, the one watched last first. */
export interface Watched {
  readonly title: string;
  readonly positionSeconds: number;
  readonly durationSeconds: number;
  readonly watched: boolean;
  readonly at: string;
}

export interface ExportNeeds {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly watched: (accountId: AccountId, limit: number) => Promise<readonly Watched[]>;
  readonly noticesTo: (
    accountId: AccountId,
  ) => Promise<readonly { reference: string; outcome: string; at: EpochMs | null }[]>;
}

/** The most that one export holds of each list. A viewer has far fewer; a tool that signs in by the minute may not. */
export const mostExported = 10_000;

/**
 * Everything that is known about an account, in readable form and without secrets (GDPR articles 15 and 20). That it
 * was asked for is an event of the account, and stands in the timeline with who asked.
 */
export async function exportAccount(
  needs: ExportNeeds,
  accountId: AccountId,
  { by, asking }: { readonly by: "owner" | "host"; readonly asking: SessionId | null },
): Promise<AccountExport | undefined> {
  const { db, clock, random } = needs;
  const now = clock.now();
  const [account] = await openAccounts(needs, [accountId]);
  if (account === undefined) return undefined;
  const [setAt, deleteAfter, devices, events, watched, notices] = await Promise.all([
    passwordSetAt(db, accountId),
    plannedDeletion(db, accountId),
    listDevicesOf(needs, accountId, asking),
    listEvents(needs, account, mostExported),
    needs.watched(accountId, mostExported),
    needs.noticesTo(accountId),
  ]);
  await db.transaction(async (tx) => {
    await recordEvent(tx, bareEvent(random, accountId, "exported", now));
    await append(tx, now, { kind: "account exported", detail: { account: accountId, by } }, random);
  });
  const instant = (at: EpochMs | null): string | null => (at === null ? null : toIso(at));
  return {
    exportedAt: toIso(now),
    account: {
      id: accountId,
      name: account.name,
      language: account.locale,
      role: account.role,
      createdAt: toIso(account.createdAt),
      passwordSetAt: instant(setAt),
      deleteAfter: instant(deleteAfter),
    },
    addresses: account.addresses.map(({ address, confirmedAt }) => ({ address, confirmedAt: toIso(confirmedAt) })),
    devices: devices.map(({ label, network, class: kind, createdAt, lastSeenAt }) => ({
      device: label,
      network,
      class: kind,
      signedInAt: toIso(createdAt),
      lastSeenAt: toIso(lastSeenAt),
    })),
    events: events.map(({ id: _id, at, ...event }) => ({ ...event, at: toIso(at) })),
    watched: [...watched],
    notices: notices.map(({ at, ...notice }) => ({ ...notice, at: instant(at) })),
  };
}
