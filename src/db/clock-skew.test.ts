import { expect, test } from "vitest";
import { manualClock, toDate, type Clock } from "../kernel/clock.ts";
import { readClockSkew } from "./clock-skew.ts";
import type { Tx } from "./db.ts";

/** A database whose clock is `aheadMs` from this node's, and that reads it `readAfterMs` into the `tookMs` that its answer takes. */
async function compared({ aheadMs = 0, readAfterMs = 0, tookMs = 0 }) {
  const clock = manualClock(Date.UTC(2026, 10, 27));
  const database: Clock = manualClock(clock.now() + aheadMs + readAfterMs);
  const db: Pick<Tx, "one"> = {
    one: async <Row extends object>() => {
      clock.advance(tookMs);
      return { now: toDate(database.now()) } as unknown as Row;
    },
  };
  return readClockSkew(db, clock);
}

test.each([
  { aheadMs: 2_000 },
  { aheadMs: -2_000 },
  // An answer that took three seconds: of a clock that is right, whenever the database read its own.
  { tookMs: 3_000, readAfterMs: 0 },
  { tookMs: 3_000, readAfterMs: 3_000 },
  { aheadMs: 1_000, tookMs: 3_000, readAfterMs: 3_000 },
  { aheadMs: -1_000, tookMs: 3_000, readAfterMs: 0 },
])("a clock is taken for right where it may be: %o", async (given) => {
  expect((await compared(given)).isRight).toBe(true);
});

test.each([
  { aheadMs: 2_001 },
  { aheadMs: -2_001 },
  { aheadMs: 5_001, tookMs: 3_000 },
  { aheadMs: -5_001, tookMs: 3_000, readAfterMs: 3_000 },
])("and for wrong where it cannot be right: %o", async (given) => {
  expect((await compared(given)).isRight).toBe(false);
});
