import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { AccountId } from "../kernel/brand.ts";
import { newId, systemRandom } from "../kernel/random.ts";
import { plus, systemClock } from "../kernel/clock.ts";
import { maxRecordBytes } from "./arguments.ts";
import {
  exactKeyOf,
  filterBits,
  honeywordHits,
  indexCount,
  judgeRecord,
  makeRecord,
  nestRecord,
  onesInFilter,
} from "./honeywords.ts";
import { sealedOverheadBytes } from "./sealed.ts";
import { tryMany } from "../../test/tools/honeyword-tries.ts";

const started = systemClock.now();
const exact = exactKeyOf(systemRandom.bytes(32));
const random = systemRandom;
const someone = (): AccountId => newId<AccountId>(random, systemClock.now());
const tagOf = (word: string): Buffer => createHash("sha256").update(word).digest();
const ones = (record: Buffer): number =>
  [...record.subarray(17, 33)].reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);

test("a record has 45 of 128 places set, the password answers it, and a wrong word does not", () => {
  for (let n = 0; n < 200; n++) {
    const account = someone();
    const record = makeRecord({ random, exact }, account, tagOf(`word ${n}`));
    expect(ones(record)).toBe(onesInFilter);
    expect(judgeRecord([exact], record, account, tagOf(`word ${n}`))).toBe("right");
    expect(judgeRecord([exact], record, account, tagOf(`word ${n + 1}`))).toBe("wrong");
    // The places depend on the account too: a record that is moved fits nothing.
    expect(judgeRecord([exact], record, someone(), tagOf(`word ${n}`))).toBe("wrong");
  }
});

test("words that fit and are not the password come as often as derived, and none of them is let in", () => {
  // At 110 of 128 places a word fits with (110/128)^20: often enough to be counted.
  const account = someone();
  const record = makeRecord({ random, exact }, account, tagOf("the password"), 110);
  const tries = 40_000;
  let hits = 0;
  for (let n = 0; n < tries; n++) {
    const judged = judgeRecord([exact], record, account, tagOf(`guess ${n}`));
    expect(judged).not.toBe("right");
    if (judged === "honeyword") hits += 1;
  }
  const expected = tries * (110 / filterBits) ** indexCount;
  // Six standard deviations of a binomial.
  expect(Math.abs(hits - expected)).toBeLessThan(6 * Math.sqrt(expected));
});

test("with the exact key gone a record still lets its owner in, and only its owner", () => {
  const account = someone();
  const record = makeRecord({ random, exact }, account, tagOf("the password"));
  const other = exactKeyOf(random.bytes(32));
  expect(judgeRecord([other], record, account, tagOf("the password"))).toBe("right");
  for (let n = 0; n < 1_000; n++) expect(judgeRecord([other], record, account, tagOf(`guess ${n}`))).toBe("wrong");
});

test("rotated exact keys: a record is put under the new one without its password, and the old one alone tells nothing", () => {
  const account = someone();
  const keys = [exact];
  // Every place set: each word fits, so that the check alone decides.
  let record: Uint8Array = makeRecord({ random, exact }, account, tagOf("the password"), filterBits);
  expect(judgeRecord(keys, record, account, tagOf("a guess"))).toBe("honeyword");
  for (let n = 2; n <= 10; n++) {
    keys.unshift(exactKeyOf(random.bytes(32)));
    const before = record;
    record = nestRecord(keys[0]!, record);
    expect(judgeRecord(keys, record, account, tagOf("the password"))).toBe("right");
    expect(judgeRecord(keys, record, account, tagOf("a guess"))).toBe("honeyword");
    // In any order: a restore puts older keys beside newer ones.
    expect(judgeRecord(keys.toReversed(), record, account, tagOf("a guess"))).toBe("honeyword");
    // Who has all but the newest cannot tell the one from the other.
    if (n <= 8) expect(judgeRecord(keys.slice(1), record, account, tagOf("a guess"))).toBe("right");
    else expect(record).toBe(before);
    expect(nestRecord(keys[0]!, record)).toBe(record);
  }
  // Its length tells nobody how often.
  expect(record.length).toBe(makeRecord({ random, exact }, account, tagOf("x")).length);
  // What a sealed record takes: see `maxRecordBytes`.
  expect(record.length + sealedOverheadBytes).toBeLessThanOrEqual(maxRecordBytes);
});

test("a record of the form with one exact key is read, and put under a newer one", () => {
  const account = someone();
  const made = makeRecord({ random, exact }, account, tagOf("the password"), filterBits);
  const single = Buffer.concat([Buffer.from([2]), made.subarray(1, 33), made.subarray(34, 42), made.subarray(-32)]);
  expect(judgeRecord([exact], single, account, tagOf("the password"))).toBe("right");
  expect(judgeRecord([exact], single, account, tagOf("a guess"))).toBe("honeyword");
  const next = exactKeyOf(random.bytes(32));
  const nested = nestRecord(next, single);
  expect(judgeRecord([next, exact], nested, account, tagOf("the password"))).toBe("right");
  expect(judgeRecord([next, exact], nested, account, tagOf("a guess"))).toBe("honeyword");
});

test("a record that is cut or longer is unreadable", () => {
  const record = makeRecord({ random, exact }, someone(), tagOf("x"));
  for (const bad of [
    record.subarray(1),
    record.subarray(0, -1),
    Buffer.concat([record, Buffer.from([0])]),
    Buffer.alloc(0),
  ]) {
    expect(judgeRecord([exact], bad, someone(), tagOf("x"))).toBe("unreadable");
  }
});

test("what hit is kept until it is said to be written down, and bounded", () => {
  const hits = honeywordHits(plus(started, -1));
  const [one, two] = [someone(), someone()];
  hits.add(one);
  hits.add(two);
  const [first, second] = hits.after(0);
  expect([first?.accountId, second?.accountId]).toEqual([one, two]);
  expect(hits.after(0)).toHaveLength(2);
  expect(hits.after(first!.number)).toEqual([second]);
  expect(hits.after(second!.number)).toEqual([]);
  for (let n = 0; n < 20_000; n++) hits.add(one);
  let fetched = second!.number;
  let count = 0;
  for (let batch = hits.after(fetched); batch.length > 0; batch = hits.after(fetched)) {
    count += batch.length;
    fetched = batch.at(-1)?.number ?? fetched;
  }
  expect(count).toBe(10_000);
});

test("what hits in a process that was just started is not taken for what was written down of the one before", () => {
  const before = honeywordHits(plus(started, -60_000));
  for (let n = 0; n < 50; n++) before.add(someone());
  const fetched = before.after(0).at(-1)!.number;
  const hits = honeywordHits(started);
  const accountId = someone();
  hits.add(accountId);
  expect(hits.after(fetched)).toMatchObject([{ accountId }]);
});

test("P10: no false alarm in 20,000 ordinary sign-ins; `npm run test:honeywords` makes a million", () => {
  const tried = tryMany(20_000);
  expect(tried).toMatchObject({ tries: 20_000, rightRefused: 0, wrongAccepted: 0, falseAlarms: 0 });
  expect(tried.expectedFalseAlarms).toBeLessThan(1e-4);
});
