import { expect, test } from "vitest";
import { dayMs, manualClock, plus, toDate } from "../kernel/clock.ts";
import { testDatabase } from "../db/test-database.ts";
import { forgetSessions } from "./clean-up.ts";

test("sessions that ended or expired more than 30 days ago go, links and steps a day after they expired, and no others", async () => {
  const db = await testDatabase();
  const now = manualClock(Date.UTC(2026, 10, 22)).now();
  const days = (count: number): Date => toDate(plus(now, count * dayMs));
  const sessions: readonly (readonly [string, Date, Date | null])[] = [
    ["live", days(10), null],
    ["ended lately", days(10), days(-29)],
    ["ended long ago", days(10), days(-31)],
    ["expired lately", days(-29), null],
    ["expired long ago", days(-31), null],
    ["ended and expired long ago", days(-31), days(-40)],
  ];
  for (const [label, expiresAt, endedAt] of sessions) {
    await db.run(
      `insert into session (account_id, id, digest, class, epoch, generation, sealed_label, sealed_network,
                            created_at, proved_at, last_seen_at, expires_at, ended_at)
       values (gen_random_uuid(), gen_random_uuid(), $1, 'browser', 1, 1, $2, '', $3, $3, $3, $4, $5)`,
      [Buffer.alloc(32), Buffer.from(label), days(-60), expiresAt, endedAt],
    );
  }
  for (const [byte, expiresAt] of [
    [1, days(-0.9)],
    [2, days(-1.1)],
  ] as const) {
    await db.run(`insert into operator_link (digest, epoch, created_at, expires_at) values ($1, 1, $2, $2)`, [
      Buffer.alloc(32, byte),
      expiresAt,
    ]);
    await db.run(
      `insert into sign_in_step (account_id, id, digest, class, sealed_label, sealed_network, epoch, generation,
                                 password_set_at, created_at, expires_at)
       values (gen_random_uuid(), gen_random_uuid(), $1, 'browser', '', '', 1, 1, $2, $2, $2)`,
      [Buffer.alloc(32, byte), expiresAt],
    );
  }
  expect(await forgetSessions(db, now)).toBe(3 + 2);
  const left = await db.many<{ label: Buffer }>(`select sealed_label as label from session order by 1`);
  expect(left.map(({ label }) => label.toString())).toEqual(["ended lately", "expired lately", "live"]);
  const young = await db.many(`select digest from operator_link union all select digest from sign_in_step`);
  expect(young).toEqual([{ digest: Buffer.alloc(32, 1) }, { digest: Buffer.alloc(32, 1) }]);
  expect(await forgetSessions(db, now)).toBe(0);
});
