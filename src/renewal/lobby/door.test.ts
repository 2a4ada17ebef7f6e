import { expect, test } from "vitest";
import { newDoor } from "./door.ts";

/** A door with room for as many as are named, whose second passes when it is told to. */
function doorWith(room: number) {
  const now = { ms: 0 };
  const free = { room };
  const door = newDoor({
    monotonicMs: () => now.ms,
    isOpen: () => {
      if (free.room === 0) return false;
      free.room--;
      return true;
    },
  });
  return { door, now, free };
}

test("who comes to an open door comes in; at a shut one they are kept, and come in as soon as there is room, in their order", async () => {
  const { door, free } = doorWith(1);
  expect(await door.knock(1)).toBe(true);
  const cameIn: number[] = [];
  const knocks = [2, 3, 4].map(async (number) => {
    expect(await door.knock(number)).toBe(true);
    cameIn.push(number);
  });
  free.room = 1;
  await knocks[0];
  expect(cameIn).toEqual([2]);
  free.room = 2;
  await Promise.all(knocks);
  expect(cameIn).toEqual([2, 3, 4]);
});

test("after a second they are told that they have to ask again, and room that comes later is for others", async () => {
  const { door, now, free } = doorWith(0);
  const early = door.knock(1);
  now.ms = 400;
  const late = door.knock(2);
  now.ms = 1_000;
  expect(await early).toBe(false);
  free.room = 1;
  expect(await late).toBe(true);
  expect(free.room).toBe(0);
});

test("two requests with one number have one turn", async () => {
  const { door, free } = doorWith(0);
  const both = [door.knock(7), door.knock(7)];
  const next = door.knock(8);
  free.room = 2;
  expect(await Promise.all([...both, next])).toEqual([true, true, true]);
  expect(free.room).toBe(0);
});

test("a thousand are kept, and no more", async () => {
  const { door, now } = doorWith(0);
  const kept = Array.from({ length: 1_000 }, (_none, number) => door.knock(number));
  expect(await door.knock(1_000)).toBe(false);
  now.ms = 1_000;
  expect(new Set(await Promise.all(kept))).toEqual(new Set([false]));
});
