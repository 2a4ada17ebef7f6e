import { afterAll, expect, test } from "vitest";
import { startedCampaign } from "../../../test/started-campaign.ts";
import { testDatabase } from "../../db/test-database.ts";
import { testKeyholder } from "../../keyholder/test-keyholder.ts";
import { startLooking } from "./looks.ts";

/** The drill's looks at the sum find what is wrong with it. */
const db = await testDatabase();
const keyholder = await testKeyholder();
afterAll(() => keyholder.stop());
const { incidentId } = await startedCampaign({ db, keyholder }, 3);

/** The first wrong look from now on, after so many that were not. */
async function firstWrong(looksBefore: number, breakIt: () => Promise<unknown>) {
  const looks = startLooking(db, incidentId, 5);
  try {
    await expect.poll(() => looks.made(), { timeout: 20_000 }).toBeGreaterThanOrEqual(looksBefore);
    expect(looks.wrong).toEqual([]);
    expect(looks.last()).toMatchObject({ scope: 3, waiting: 3 });
    expect(looks.isFinished()).toBe(false);
    await breakIt();
    await expect.poll(() => looks.wrong.length, { timeout: 20_000 }).toBeGreaterThan(0);
    return { isFinished: looks.isFinished(), wrong: looks.wrong[0] };
  } finally {
    await looks.stop();
  }
}

test("a campaign that is said to be finished while letters wait is seen", async () => {
  const finished = (at: string) =>
    db.run(`update incident set letters_finished_at = ${at} where id = $1`, [incidentId]);
  expect(await firstWrong(3, () => finished("now()"))).toMatchObject({ isFinished: true, wrong: { waiting: 3 } });
  await finished("null");
});

test("a letter's row that is gone is seen", async () => {
  const found = await firstWrong(3, () =>
    db.run(`delete from letter where account_id = (select account_id from letter limit 1)`),
  );
  expect(found).toMatchObject({ isFinished: false, wrong: { scope: 3, waiting: 2 } });
});
