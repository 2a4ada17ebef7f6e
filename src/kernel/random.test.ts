import { expect, test } from "vitest";
import { idBytes, idOfBytes, parseId, type AccountId } from "./brand.ts";
import { manualClock } from "./clock.ts";
import { codeAlphabet, newId, newSecret, newTypedCode, readTypedCode, systemRandom, type Random } from "./random.ts";

const now = manualClock(Date.UTC(2026, 10, 22, 20, 41, 7, 312)).now();

test("an id is a UUID of version 7: made later it is larger, and of one instant no two are the same", () => {
  const ids = Array.from({ length: 1_000 }, () => newId<AccountId>(systemRandom, now));
  for (const id of ids) {
    expect(parseId(id)).toBe(id);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(now);
  }
  expect(new Set(ids).size).toBe(ids.length);
  const later = manualClock(now + 1).now();
  expect(newId<AccountId>(systemRandom, later) > ids.toSorted().at(-1)!).toBe(true);
});

test("an id's bytes are those of its text, from a part of a larger piece of memory too", () => {
  const id = newId<AccountId>(systemRandom, now);
  const memory = Buffer.concat([Buffer.alloc(5, 1), idBytes(id), Buffer.alloc(5, 2)]);
  expect(idOfBytes(memory.subarray(5, 21))).toBe(id);
  expect(idBytes(id)).toHaveLength(16);
});

test("what is no lower-case UUID is no id", () => {
  const id = newId<AccountId>(systemRandom, now);
  for (const other of [
    id.toUpperCase(),
    `${id}0`,
    ` ${id}`,
    `${id}\n`,
    id.slice(1),
    id.replaceAll("-", ""),
    7,
    null,
    undefined,
  ])
    expect([other, parseId(other)]).toEqual([other, undefined]);
});

test("a secret has 256 bits of what the random source gives", () => {
  const asked: number[] = [];
  const random: Random = { ...systemRandom, bytes: (count) => (asked.push(count), systemRandom.bytes(count)) };
  expect(newSecret(random).reveal()).toHaveLength(32);
  expect(asked).toEqual([32]);
});

test("a code that is typed is read with whatever people put between its letters, and any other is none", () => {
  const code = newTypedCode(systemRandom, 10).revealText();
  expect(code).toMatch(new RegExp(`^[${codeAlphabet}]{10}$`));
  for (const typed of [
    code,
    code.toLowerCase(),
    `${code.slice(0, 5)}-${code.slice(5)}`,
    ` ${Array.from(code).join(" \u2013 ")}\n`,
  ])
    expect(readTypedCode(typed, 10)?.revealText()).toBe(code);
  for (const typed of ["", code.slice(1), `${code}B`, `${code.slice(1)}A`, `${code.slice(1)}7`])
    expect([typed, readTypedCode(typed, 10)]).toEqual([typed, undefined]);
  // Each letter of the alphabet is drawn: a code has all the bits that are counted on.
  const drawn = new Set(Array.from(newTypedCode(systemRandom, 5_000).revealText()));
  expect([...drawn].toSorted().join("")).toBe(codeAlphabet);
});
