import { expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { openFollowed } from "./followed.ts";
import { floorsAt, head } from "./test-values.ts";
import type { WitnessBook } from "./witness.ts";

const bookAt = (epoch: number): WitnessBook =>
  new Map([["a-database", { floors: floorsAt(epoch), head: head(epoch), intent: null }]]);

/** Whether a promise has resolved once everything that was due has run. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

test("a change is answered once the standby says that it has it, and not by its asking for it", async () => {
  const followed = openFollowed({ log: silentLog }, bookAt(1));
  const { at: first } = await followed.news("");
  const told = followed.tell(bookAt(2));
  // It asks again by what it had before the change: it has been told, and has written nothing down yet.
  const { at: second, book } = await followed.news(first);
  expect(book).toEqual(bookAt(2));
  expect(await isDone(told)).toBe(false);
  void followed.news(second);
  await told;
});

test("what a standby has of a process before is not taken for what it has of this one", async () => {
  const before = openFollowed({ log: silentLog }, bookAt(1));
  const { at } = await before.news("");
  const followed = openFollowed({ log: silentLog }, bookAt(7));
  // The same number, of other changes: it is told at once, and not left waiting for the next.
  const asked = followed.news(at);
  expect(await isDone(asked)).toBe(true);
  expect((await asked).book).toEqual(bookAt(7));
});

test("nobody waits for a standby that is not there", async () => {
  const followed = openFollowed({ log: silentLog }, bookAt(1));
  expect(await isDone(followed.tell(bookAt(2)))).toBe(true);
});

test("a standby that has everything hears of the next change at once, and of none before it", async () => {
  const followed = openFollowed({ log: silentLog }, bookAt(1));
  const { at } = await followed.news("");
  const next = followed.news(at);
  expect(await isDone(next)).toBe(false);
  const told = followed.tell(bookAt(2));
  expect(await isDone(next)).toBe(true);
  const { at: second, book } = await next;
  expect(book).toEqual(bookAt(2));
  void followed.news(second);
  await told;
});

test("a standby that asks and takes nothing, or asks no more, is waited for once and not for ever", async () => {
  const followed = openFollowed({ log: silentLog }, bookAt(1));
  const { at } = await followed.news("");
  const told = followed.tell(bookAt(2));
  let isTold = false;
  void told.then(() => (isTold = true));
  // It asks again and again by what it had before.
  while (!isTold) {
    await followed.news(at);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // And now no more: after a while it is taken for gone.
  let epoch = 3;
  await expect.poll(() => isDone(followed.tell(bookAt(epoch++)))).toBe(true);
});
