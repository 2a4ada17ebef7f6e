import type { IncidentId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { openAddresses } from "../accounts/accounts.ts";
import { chooseAddresses } from "./choose-address.ts";
import type { WaitingLetter } from "./claims.ts";
import type { Addressed } from "./judge-outcome.ts";
import { noticeIn, type StoredNotice } from "./notice.ts";

interface Needs {
  readonly db: Db;
  /** Mailer's role. */
  readonly keyholder: Pick<Keyholder, "open" | "indexMany">;
  readonly clock: Clock;
  readonly bounceAddress?: string | null;
  readonly neverMailed: (addresses: readonly string[]) => Promise<ReadonlySet<string>>;
}

/** Finds out where each of the letters goes, and in which language: a few statements and keyholder calls for all of them. */
export async function addressLetters(
  needs: Needs,
  incidentId: IncidentId,
  { key, notices }: { readonly key: Uint8Array; readonly notices: readonly StoredNotice[] },
  letters: readonly WaitingLetter[],
): Promise<Addressed[]> {
  const accounts = await openAddresses(
    needs,
    letters.map(({ accountId }) => accountId),
  );
  const byId = new Map(accounts.map((account) => [account.accountId, account]));
  const [chosen, suppressed] = await Promise.all([
    chooseAddresses(needs, incidentId, key, accounts),
    needs.neverMailed(accounts.flatMap(({ addresses }) => addresses.map(({ address }) => address))),
  ]);
  return letters.map((letter) => {
    const found = chosen.get(letter.accountId);
    return {
      ...letter,
      chosen: found,
      isSuppressed: typeof found === "object" && suppressed.has(found.to),
      notice: noticeIn(notices, byId.get(letter.accountId)?.locale),
    };
  });
}
