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
