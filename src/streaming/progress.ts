import type { AccountId, TitleId } from "../kernel/brand.ts";
import { fromDate, toDate, toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { ProgressEntry, ProgressReader } from "../library/titles.ts";

/** From this share of its length on, a title counts as watched: what is left is the credits. */
const watchedShare = 0.95;

interface Row {
  readonly titleId: TitleId;
  readonly positionSeconds: number;
  readonly durationSeconds: number;
  readonly watched: boolean;
  readonly updatedAt: Date;
}

const columns = `title_id as "titleId", position_seconds as "positionSeconds", duration_seconds as "durationSeconds",
  watched, updated_at as "updatedAt"`;

const entryOf = (row: Row): ProgressEntry => ({ ...row, updatedAt: toIso(fromDate(row.updatedAt)) });

/** Progress as the library reads it. */
export function progressReader(db: Db): ProgressReader {
  return {
    of: async (accountId, titleIds) => {
      const rows = await db.many<Row>(`select ${columns} from progress where account_id = $1 and title_id = any($2)`, [
        accountId,
        titleIds,
      ]);
      return new Map(rows.map((row) => [row.titleId, entryOf(row)]));
    },
    latest: async (accountId, limit) => {
      const rows = await db.many<Row>(
        `select ${columns} from progress where account_id = $1 order by updated_at desc limit $2`,
        [accountId, limit],
      );
      return rows.map(entryOf);
    },
  };
}

/**
 * Remembers where an account stands in a title. The later of two reports stays, whichever session sent it: a report made
 * at `at` never replaces one made after it. A position beyond the end is the end.
 */
export async function saveProgress(
  db: Db,
  accountId: AccountId,
  titleId: TitleId,
  { positionSeconds, durationSeconds }: { readonly positionSeconds: number; readonly durationSeconds: number },
  at: EpochMs,
): Promise<void> {
  const position = durationSeconds > 0 ? Math.min(positionSeconds, durationSeconds) : positionSeconds;
  const watched = durationSeconds > 0 && position >= durationSeconds * watchedShare;
  await db.run(
    `insert into progress (account_id, title_id, position_seconds, duration_seconds, watched, updated_at)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (account_id, title_id) do update
       set position_seconds = excluded.position_seconds, duration_seconds = excluded.duration_seconds,
           watched = excluded.watched, updated_at = excluded.updated_at
     where progress.updated_at <= excluded.updated_at`,
    [accountId, titleId, position, durationSeconds, watched, toDate(at)],
  );
}

/** What an account has watched, with the names of the titles, for its owner's own copy. The last one first. */
export const watchedBy =
  (db: Db, names: (ids: readonly TitleId[]) => Promise<ReadonlyMap<TitleId, string>>) =>
  async (accountId: AccountId, limit: number) => {
    const entries = await progressReader(db).latest(accountId, limit);
    const named = await names(entries.map(({ titleId }) => titleId));
    return entries.map(({ titleId, updatedAt, ...entry }) => ({
      title: named.get(titleId) ?? titleId,
      ...entry,
      at: updatedAt,
    }));
  };

/** Forgets everything an account has watched, in the transaction that deletes the account. */
export async function forgetProgress(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(`delete from progress where account_id = $1`, [accountId]);
}

/**
 * Lets an account that nobody uses look like one that somebody does: it has begun up to three titles of the library and
 * seen some of them to the end.
 */
export async function pretendProgress(
  { db, clock, random }: { readonly db: Db; readonly clock: Clock; readonly random: Random },
  accountId: AccountId,
): Promise<void> {
  const titles = await db.many<{ id: TitleId }>(`select id from title where visible order by random() limit $1`, [
    random.below(4),
  ]);
  for (const { id } of titles) {
    const durationSeconds = 1_200 + random.below(6_000);
    const positionSeconds = random.below(durationSeconds);
    await saveProgress(db, accountId, id, { positionSeconds, durationSeconds }, clock.now());
  }
}
