import type { AccountId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";

/** Why screens go dark, in the words that pages switch on. */
export type EndReason = "contained" | "signed-out" | "renewed" | "expired";

/** The channel on which web processes hear that sessions may have ended. */
export const sessionsChannel = "houselights_sessions";

export interface Announcement {
  /** Null: everybody. */
  readonly accountId: AccountId | null;
  readonly reason: EndReason;
}

/**
 * Tells every web process, when the transaction commits, to look again at the sessions of one account or of everybody.
 * It carries no verdict: each process checks, and a lost notification costs seconds, never correctness.
 */
export async function announce(tx: Tx, announcement: Announcement): Promise<void> {
  await tx.run(`select pg_notify($1, $2)`, [sessionsChannel, JSON.stringify(announcement)]);
}

/** Reads what `announce` wrote; `undefined` for anything else on the channel. */
export function readAnnouncement(payload: string): Announcement | undefined {
  try {
    const value: unknown = JSON.parse(payload);
    if (typeof value !== "object" || value === null || !("accountId" in value) || !("reason" in value))
      return undefined;
    const { accountId, reason } = value;
    if (accountId !== null && typeof accountId !== "string") return undefined;
    if (reason !== "contained" && reason !== "signed-out" && reason !== "renewed" && reason !== "expired") {
      return undefined;
    }
    return { accountId: accountId as AccountId | null, reason };
  } catch {
    return undefined;
  }
}
