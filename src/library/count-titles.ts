import type { Db } from "../db/db.ts";

/** How many files are in each state, for the console. */
export async function countTitles(db: Db): Promise<{ state: string; count: number }[]> {
  return db.many<{ state: string; count: number }>(
    `select state, count(*) as count from file group by state order by state`,
  );
}
