import { expect, test } from "vitest";
import type { AccountId } from "../kernel/brand.ts";
import { dayMs, hourMs, plus, secondMs, toDate, type EpochMs } from "../kernel/clock.ts";
import { systemRandom } from "../kernel/random.ts";
import { destination, judgeOutcome, withoutSending } from "./judge-outcome.ts";

const now = 1_800_000_000_000 as EpochMs;
const accountId = "00000000-0000-7000-8000-000000000001" as AccountId;
const notice = { locale: "en", subject: "", text: "", html: "", hash: Buffer.alloc(32) } as const;
const chosen = {
  addressId: "00000000-0000-7000-8000-000000000002",
  to: "Ada@b.example",
  normalised: "ada@b.example",
  provider: "b.example",
  returnPath: undefined,
};
const later = { kind: "deferred", reply: "450 4.2.1 <ada@b.example> later", mayHaveArrived: false } as const;

const judge = (
  { attempts = 8, sinceMs }: { attempts?: number; sinceMs?: number },
  cause: "letter" | "relay" = "letter",
  reply: string = later.reply,
) =>
  judgeOutcome(
    // No chance: the least of what is drawn.
    { random: { ...systemRandom, below: () => 0 }, key: Buffer.alloc(32), firstRetryMs: 30 * secondMs },
    { accountId, attempts, notice, deferredSince: sinceMs === undefined ? null : toDate(plus(now, -sinceMs)) },
    chosen,
    { ...later, reply, cause },
    now,
  );

test("a relay's later is believed for five days and eight tries, and whoever is not reached at all for ever", () => {
  expect(judge({ sinceMs: 5 * dayMs })).toMatchObject({ state: "refused", sentTo: chosen.addressId, dueAt: null });
  expect(judge({ sinceMs: 5 * dayMs - 1 })).toMatchObject({ state: "deferred" });
  expect(judge({ sinceMs: 5 * dayMs, attempts: 7 })).toMatchObject({ state: "deferred" });
  expect(judge({ sinceMs: 50 * dayMs, attempts: 500 }, "relay")).toMatchObject({ state: "deferred" });
  expect(judge({})).toMatchObject({ state: "deferred" });
});

test("patience is counted from when the letter was put off, not from when nobody was reached", () => {
  expect([judge({}).isPutOffByRelay, judge({}, "relay").isPutOffByRelay]).toEqual([true, false]);
});

test("what is given up is said with the relay's words, and without the address in them", () => {
  const { reply } = judge({ sinceMs: 6 * dayMs });
  expect(reply).toMatch(/^gave up after 8 tries: 450 4\.2\.1 .*later$/);
  expect(reply).not.toContain("ada@");
});

test("the pause doubles with each try up to an hour, and is no shorter than what was asked for", () => {
  const pauseMs = (attempts: number, reply?: string) => Number(judge({ attempts }, "letter", reply).dueAt) - now;
  expect([1, 2, 3, 7, 8, 40, 4_000].map((attempts) => pauseMs(attempts))).toEqual(
    [30, 60, 120, 1_920, 3_600, 3_600, 3_600].map((seconds) => seconds * secondMs),
  );
  expect(pauseMs(1, "451 4.7.1 Greylisted, please come back in 300 seconds")).toBe(300 * secondMs);
  expect(pauseMs(1, "451 4.7.1 Greylisted, please come back in 90000 seconds")).toBe(hourMs);
});

test("who must never be mailed is not, whatever address there is", () => {
  const letter = { accountId, attempts: 0, deferredSince: null, isDue: false, mayHaveGone: false, notice };
  expect(destination({ ...letter, chosen, isSuppressed: false })).toBe(chosen);
  expect(destination({ ...letter, chosen, isSuppressed: true })).toBeUndefined();
  const states = [
    withoutSending({ ...letter, chosen, isSuppressed: true }),
    withoutSending({ ...letter, chosen: "bounced", isSuppressed: false }),
    withoutSending({ ...letter, chosen: undefined, isSuppressed: false }),
  ].map(({ state, reply }) => [state, reply]);
  expect(states).toEqual([
    ["suppressed", "never mailed"],
    ["suppressed", "bounced before"],
    ["no address", "no readable address"],
  ]);
});
