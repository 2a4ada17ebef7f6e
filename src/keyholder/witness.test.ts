import { readFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { epoch, floorKinds, type FloorKind } from "../kernel/brand.ts";
import { Fault } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import type { KeyholderClient } from "./client.ts";
import { floorsAt, head, newAccountId } from "./test-values.ts";
import { testKeyholder } from "./test-keyholder.ts";
import type { TestKeyholder } from "./test-keyholder.ts";
import {
  encodeBook,
  followBook,
  mergeBooks,
  openWitness,
  parseBook,
  witnessPath,
  type WitnessBook,
} from "./witness.ts";

let keyholder: TestKeyholder;
let operator: KeyholderClient;
beforeAll(async () => {
  keyholder = await testKeyholder();
  operator = await keyholder.connect("operator");
});
afterAll(() => keyholder.stop());

const refused = { code: "KEYHOLDER_REFUSED" };
const first = { floors: floorsAt(1), head: head(3) };
const intent = { epoch: epoch(2), kinds: ["password", "tv"] as const, head: head(3) };
const raised = floorsAt(1, { password: 2, tv: 2 });

/** A database that no other test knows, let in by the operator. */
async function known(): Promise<string> {
  const id = randomUUID();
  await operator.witness.enrol(id, first);
  return id;
}

/** What is remembered: what `read` is given counts only for a database never seen. */
const remembered = (id: string) => operator.witness.read(id, { floors: floorsAt(99), head: head(99) });

/** Ends the process at once and waits until another answers. */
async function crash(): Promise<void> {
  process.kill(keyholder.pid(), "SIGKILL");
  await operator.counters();
}

const unknown = { code: "DATABASE_UNKNOWN" };

test("of new keys only a database without a history is the first, and no other comes after it unasked", async () => {
  const fresh = await testKeyholder();
  try {
    const witness = (await fresh.connect("web")).witness;
    const [id, other] = [randomUUID(), randomUUID()];
    await expect(witness.read(id, first)).rejects.toMatchObject(unknown);
    expect(await (await fresh.connect("operator")).witness.highestFloors()).toBeNull();
    const empty = { floors: floorsAt(1), head: head(0) };
    expect(await witness.read(id, empty)).toEqual({ ...empty, intent: null });
    await expect(witness.read(other, empty)).rejects.toMatchObject(unknown);
    expect(await witness.read(id, first)).toEqual({ ...empty, intent: null });
  } finally {
    await fresh.stop();
  }
});

test("a database that is let in is remembered as it is then, and not as it says it is later", async () => {
  const id = randomUUID();
  await expect(operator.witness.read(id, first)).rejects.toMatchObject(unknown);
  await operator.witness.enrol(id, first);
  expect(await operator.witness.read(id, first)).toEqual({ ...first, intent: null });
  await operator.witness.enrol(id, { floors: floorsAt(99), head: head(99) });
  expect(await remembered(id)).toEqual({ ...first, intent: null });
  await expect(operator.witness.advance(randomUUID(), head(9))).rejects.toMatchObject(refused);
});

test("each step of a containment survives kill -9 after it, and may be repeated", async () => {
  const id = await known();
  await crash();
  expect(await remembered(id)).toEqual({ ...first, intent: null });

  await operator.witness.intend(id, intent);
  await crash();
  expect(await remembered(id)).toEqual({ ...first, intent });
  await operator.witness.intend(id, intent);
  expect(await remembered(id)).toEqual({ ...first, intent });

  await operator.witness.confirm(id, raised);
  await crash();
  expect(await remembered(id)).toEqual({ floors: raised, head: head(3), intent: null });
  await operator.witness.confirm(id, raised);

  await operator.witness.advance(id, head(8));
  await crash();
  expect(await remembered(id)).toEqual({ floors: raised, head: head(8), intent: null });

  await operator.witness.intend(id, { ...intent, epoch: epoch(3) });
  await crash();
  await operator.witness.abandon(id, epoch(3));
  await crash();
  expect(await remembered(id)).toEqual({ floors: raised, head: head(8), intent: null });
});

test("whatever was answered before a kill -9 in the middle of many writes is still there", async () => {
  const id = await known();
  let answered = 3;
  for (let round = 0; round < 3; round++) {
    const pid = keyholder.pid();
    const from = answered + 1;
    const writes = Array.from({ length: 40 }, async (_, at) => {
      await operator.witness.advance(id, head(from + at));
      answered = Math.max(answered, from + at);
      if (at === 5 + 7 * round) process.kill(pid, "SIGKILL");
    });
    await Promise.all(writes);
    expect((await remembered(id)).head).toEqual(head(from + 39));
  }
});

test("an intent is one epoch ahead, and the only one", async () => {
  const id = await known();
  for (const wrong of [1, 3]) {
    await expect(operator.witness.intend(id, { ...intent, epoch: epoch(wrong) })).rejects.toMatchObject(refused);
  }
  await operator.witness.intend(id, intent);
  await expect(operator.witness.intend(id, { ...intent, kinds: floorKinds })).rejects.toMatchObject(refused);
  await expect(operator.witness.abandon(id, epoch(3))).rejects.toMatchObject(refused);
  await operator.witness.abandon(id, epoch(2));
  await operator.witness.abandon(id, epoch(2));
  await operator.witness.intend(id, { ...intent, kinds: floorKinds });
});

test("an intent of one account is told from that of another, and names nothing else", async () => {
  const id = await known();
  const [ada, bob] = [newAccountId(), newAccountId()];
  const alone = { ...intent, kinds: ["account"] as const };
  await expect(operator.witness.intend(id, { ...alone, account: "ada" })).rejects.toMatchObject(refused);
  await operator.witness.intend(id, { ...alone, account: ada });
  await operator.witness.intend(id, { ...alone, account: ada });
  for (const other of [{ ...alone, account: bob }, alone]) {
    await expect(operator.witness.intend(id, other)).rejects.toMatchObject(refused);
  }
  expect((await remembered(id)).intent).toEqual({ ...alone, account: ada });
});

test("of several databases the highest floor of each kind is told", async () => {
  const books = { a: floorsAt(2, { tv: 7 }), b: floorsAt(3, { password: 5 }), c: floorsAt(1, { code: 6 }) };
  const book: WitnessBook = new Map(
    Object.entries(books).map(([id, floors]) => [id, { floors, head: head(1), intent: null }]),
  );
  const witness = openWitness({ log: silentLog, write: async () => undefined }, book);
  expect(await witness.highestFloors()).toEqual(floorsAt(3, { tv: 7, password: 5, code: 6 }));
});

test("confirming takes the higher of each floor, never a lower one, and settles only what it reaches", async () => {
  const id = await known();
  await operator.witness.confirm(id, floorsAt(2, { tv: 5 }));
  await operator.witness.confirm(id, floorsAt(3, { tv: 4 }));
  expect((await remembered(id)).floors).toEqual(floorsAt(3, { tv: 5 }));

  const next = { ...intent, epoch: epoch(6) };
  await operator.witness.intend(id, next);
  await operator.witness.confirm(id, floorsAt(5));
  expect((await remembered(id)).intent).toEqual(next);
  await operator.witness.confirm(id, floorsAt(5, { password: 6, tv: 6 }));
  expect(await remembered(id)).toMatchObject({ intent: null, floors: floorsAt(5, { password: 6, tv: 6 }) });
  await expect(operator.witness.abandon(id, epoch(6))).rejects.toMatchObject(refused);
});

test("a later head is remembered, an earlier one ignored, a fork refused", async () => {
  const id = await known();
  await operator.witness.advance(id, head(10));
  await operator.witness.advance(id, head(10));
  await operator.witness.advance(id, head(4, "fork"));
  expect((await remembered(id)).head).toEqual(head(10));
  await expect(operator.witness.advance(id, head(10, "fork"))).rejects.toMatchObject(refused);
  expect((await remembered(id)).head).toEqual(head(10));
});

test("another timeline is followed only once the database's floors are not behind and nothing is unsettled", async () => {
  const id = await known();
  await operator.witness.confirm(id, floorsAt(4));
  await operator.witness.advance(id, head(10));
  const behind = { floors: floorsAt(4, { tv: 3 }), head: head(6) };
  await expect(operator.witness.adopt(id, behind)).rejects.toMatchObject(refused);
  await operator.witness.intend(id, { ...intent, epoch: epoch(5) });
  await expect(operator.witness.adopt(id, { ...behind, floors: floorsAt(5) })).rejects.toMatchObject(refused);
  await operator.witness.confirm(id, floorsAt(5));
  await operator.witness.adopt(id, { ...behind, floors: floorsAt(5) });
  expect(await remembered(id)).toEqual({ floors: floorsAt(5), head: head(6), intent: null });
});

test("what changes nothing writes nothing", async () => {
  const id = await known();
  const before = await readFile(witnessPath(keyholder.keysDir), "utf8");
  await remembered(id);
  await operator.witness.confirm(id, floorsAt(1));
  await operator.witness.advance(id, head(2));
  expect(await readFile(witnessPath(keyholder.keysDir), "utf8")).toBe(before);
  await operator.witness.advance(id, head(4));
  expect(await readFile(witnessPath(keyholder.keysDir), "utf8")).not.toBe(before);
});

test("epochs, floors and heads that are none are refused, and nothing is remembered of them", async () => {
  const id = await known();
  const odd: readonly (() => Promise<unknown>)[] = [
    () => operator.witness.confirm(id, { ...floorsAt(1), tv: epoch(0) }),
    () => operator.witness.confirm(id, { ...floorsAt(2), tv: epoch(1.5) }),
    () => operator.witness.advance(id, { size: -1, rootHex: head(1).rootHex }),
    () => operator.witness.advance(id, { size: 9, rootHex: "00" }),
    () => operator.witness.intend(id, { ...intent, kinds: [] }),
    () => operator.witness.intend(id, { ...intent, kinds: ["password", "another" as FloorKind] }),
    () => operator.witness.intend(id, { ...intent, kinds: ["password", "password"] }),
    () => operator.witness.read("../etc", first),
  ];
  for (const ask of odd) await expect(ask()).rejects.toMatchObject(refused);
  expect(await remembered(id)).toEqual({ ...first, intent: null });
});

test("merging two books keeps the higher floors, the longer timeline and an intent still ahead", () => {
  const ours = { floors: floorsAt(2, { tv: 4 }), head: head(5), intent: null };
  const theirs = { floors: floorsAt(3), head: head(9), intent: { ...intent, epoch: epoch(5) } };
  const merged = mergeBooks(
    new Map([["a", ours]]),
    new Map([
      ["a", theirs],
      ["b", theirs],
    ]),
  );
  expect(merged.get("a")).toEqual({ floors: floorsAt(3, { tv: 4 }), head: head(9), intent: theirs.intent });
  expect(merged.get("b")).toEqual(theirs);
  const settled = mergeBooks(new Map([["a", { ...ours, floors: floorsAt(5) }]]), new Map([["a", theirs]]));
  expect(settled.get("a")).toEqual({ floors: floorsAt(5), head: head(9), intent: null });
  // Of two that are announced the one that was announced here counts.
  const announced = { ...ours, intent: { ...intent, epoch: epoch(5), kinds: ["tv"] as const } };
  const both = mergeBooks(new Map([["a", announced]]), new Map([["a", theirs]]));
  expect(both.get("a")?.intent).toEqual(announced.intent);
  // Of two timelines of one length the one that was here stays.
  const tied = mergeBooks(new Map([["a", ours]]), new Map([["a", { ...theirs, head: head(5, "other") }]]));
  expect(tied.get("a")?.head).toEqual(head(5));
});

test("who follows another takes its timeline and what it announced, and never a lower floor", () => {
  const ours: WitnessBook = new Map([
    ["a", { floors: floorsAt(2), head: head(5), intent: { ...intent, epoch: epoch(3) } }],
  ]);
  expect(followBook(ours, new Map(ours))).toBe(ours);
  const theirs = { floors: floorsAt(2, { tv: 3 }), head: head(4), intent: null };
  const followed = followBook(
    ours,
    new Map([
      ["a", theirs],
      ["b", { ...first, intent: null }],
    ]),
  );
  expect([followed.get("a"), followed.get("b")]).toEqual([theirs, { ...first, intent: null }]);
  expect(followBook(ours, new Map([["b", { ...first, intent: null }]])).get("a")).toEqual(ours.get("a"));
  for (const kind of floorKinds) {
    const lower = new Map([["a", { ...theirs, floors: floorsAt(9, { [kind]: 1 }) }]]);
    expect(() => followBook(ours, lower)).toThrow(expect.objectContaining(refused));
  }
});

test("what could not be written down is not remembered, and the next is", async () => {
  let isFull = false;
  const written: WitnessBook[] = [];
  const write = async (book: WitnessBook): Promise<void> => {
    if (isFull) throw new Fault("DISK_FULL", "the disk is full");
    written.push(book);
  };
  const witness = openWitness({ log: silentLog, write }, new Map([["a", { ...first, intent: null }]]));
  isFull = true;
  const full = { code: "DISK_FULL" };
  await expect(witness.advance("a", head(4))).rejects.toMatchObject(full);
  await expect(witness.confirm("a", raised)).rejects.toMatchObject(full);
  await expect(witness.enrol("b", first)).rejects.toMatchObject(full);
  const theirs = new Map([["a", { floors: raised, head: head(9), intent: null }]]);
  await expect(witness.follow(theirs)).rejects.toMatchObject(full);
  expect([await witness.read("a", first), witness.knows("b")]).toEqual([{ ...first, intent: null }, false]);
  isFull = false;
  // Together: each sees what the one before it has written.
  await Promise.all([witness.advance("a", head(4)), witness.confirm("a", raised), witness.enrol("b", first)]);
  expect(await witness.read("a", first)).toEqual({ floors: raised, head: head(4), intent: null });
  expect(written.at(-1)?.get("a")).toEqual({ floors: raised, head: head(4), intent: null });
});

test("a thousand databases are remembered, and no more", async () => {
  const book = new Map(Array.from({ length: 999 }, (_, n) => [`${n}`, { ...first, intent: null }] as const));
  const witness = openWitness({ log: silentLog, write: async () => undefined }, book);
  await witness.enrol("the thousandth", first);
  await expect(witness.enrol("another", first)).rejects.toMatchObject(refused);
  await witness.advance("the thousandth", head(4));
});

test("floors that leave no room above them are not remembered, and the true ones still are", async () => {
  const id = await known();
  await operator.witness.confirm(id, raised);
  const poisoned = floorsAt(1, { password: Number.MAX_SAFE_INTEGER });
  await expect(operator.witness.confirm(id, poisoned)).rejects.toMatchObject(refused);
  const all = { floors: floorsAt(Number.MAX_SAFE_INTEGER), head: head(3) };
  await expect(operator.witness.adopt(id, all)).rejects.toMatchObject(refused);
  await expect(operator.witness.enrol(randomUUID(), all)).rejects.toMatchObject(refused);
  await operator.witness.intend(id, { ...intent, epoch: epoch(3) });
  await operator.witness.confirm(id, floorsAt(1, { password: 3, tv: 3 }));
});

test("what is no book is none, and no part of one is left out", () => {
  const whole = { floors: floorsAt(2), head: head(3), intent: { ...intent, epoch: epoch(3) } };
  expect([...parseBook({ a: whole, b: { ...whole, intent: null } }, "whole.json").keys()]).toEqual(["a", "b"]);
  const { intent: _intent, ...without } = whole;
  const parts = [
    without,
    { ...whole, intent: {} },
    { ...whole, intent: { ...whole.intent, epoch: 0 } },
    { ...whole, head: { size: 3 } },
    { ...whole, floors: {} },
    null,
  ];
  for (const wrong of [
    ...parts.map((part) => ({ a: { ...whole, intent: null }, b: part })),
    [],
    null,
    "none",
    undefined,
  ]) {
    expect(() => parseBook(wrong, "wrong.json"), JSON.stringify(wrong)).toThrow("wrong.json is not a witness");
  }
});

test("what was written before single accounts had a floor is read as if none had been contained, and nothing else is made up", () => {
  const floors = floorsAt(7, { account: 1 });
  const { account, ...before } = floors;
  const bookOf = (written: object) => ({ "a-database": { floors: written, head: head(3), intent: null } });
  const read = parseBook(JSON.parse(JSON.stringify(bookOf(before))), "old.json");
  expect(encodeBook(read)).toEqual(bookOf(floors));
  expect(
    followBook(new Map([["a-database", { floors, head: head(3), intent: null }]]), read).get("a-database"),
  ).toEqual(bookOf(floors)["a-database"]);
  const { password, ...without } = before;
  for (const wrong of [without, { ...before, account: 0 }, { ...before, other: 1 }, { ...without, other: 1 }]) {
    expect(() => parseBook(bookOf(wrong), "wrong.json")).toThrow("not a witness");
  }
  expect([account, password]).toEqual([1, 7]);
});
