import { mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock, minuteMs } from "../kernel/clock.ts";
import { newLog, silentLog } from "../kernel/log.ts";
import { namelessCaller, openUseLedger, readCaller, maxCallers } from "./use-ledger.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-uses-"));
});
afterEach(() => rm(folder, { recursive: true, maxRetries: 5, retryDelay: 50 }));

const clock = manualClock(Date.UTC(2026, 10, 26, 6));
const open = () => openUseLedger({ clock, log: silentLog }, folder);
const callerOf = (n: number, database: string | null = "ours") => ({
  ...readCaller({ caller: Buffer.alloc(32, n).toString("base64") }, "web"),
  database,
});
const known = (database: string) => database === "ours" || database === "theirs";

test("an id counts once, however often its call is repeated; what uses no key does not count", async () => {
  const ledger = await open();
  const ada = callerOf(1);
  for (let repeated = 0; repeated < 3; repeated++) {
    for (const id of [1, 2, 3]) ledger.note(ada, "verifyPassword", id);
    ledger.note(ada, "open", 4);
    ledger.note(ada, "witness.read", 5);
  }
  expect(ledger.read("ours", known)).toMatchObject({
    totals: { password: 3, open: 1 },
    callers: [{ id: ada.id, role: "web", highest: 4, served: { password: 3, open: 1 }, contradicted: {} }],
  });
  // The same id for another purpose is not that call again.
  ledger.note(ada, "open", 1);
  expect(ledger.read("ours", known).callers[0]).toMatchObject({ contradicted: { open: 1 } });
  await ledger.close();
});

test("what lies above an id is counted to the last, and at least that once ids are no longer told apart", async () => {
  const ledger = await open();
  const ada = callerOf(1);
  for (let id = 1; id <= 3_000; id++) ledger.note(ada, id % 3 === 0 ? "open" : "index", id);
  expect(ledger.beyond(ada.id, "web", 3_000)).toEqual({});
  expect(ledger.beyond(ada.id, "web", 2_994)).toEqual({ open: 2, index: 4 });
  expect(ledger.beyond(ada.id, "mailer", 0)).toEqual({});
  for (let id = 3_001; id <= 30_000; id++) ledger.note(ada, "index", id);
  expect(ledger.read("ours", known).callers[0]).toMatchObject({ served: { open: 1_000, index: 29_000 } });
  expect(ledger.beyond(ada.id, "web", 29_990)).toEqual({ index: 10 });
  const sum = Object.values(ledger.beyond(ada.id, "web", 1_000)).reduce((all, one) => all + one, 0);
  expect(sum).toBe(29_000);
  await ledger.close();
});

test("calls without a caller's name all count, and so do those of a crowd that nobody could have announced", async () => {
  const ledger = await open();
  const nobody = readCaller({ caller: "not thirty-two bytes" }, "web");
  expect(nobody.id).toBe(namelessCaller);
  for (let connection = 0; connection < 5; connection++) ledger.note(nobody, "open", 1);
  for (let n = 1; n <= maxCallers + 9; n++) {
    ledger.note({ id: n.toString(16).padStart(32, "0"), role: "web", database: null }, "index", 1);
  }
  const { callers, totals } = ledger.read("ours", known);
  expect(callers).toHaveLength(maxCallers + 1);
  expect(callers[0]).toMatchObject({ id: namelessCaller, served: { open: 5 } });
  expect(callers.at(-1)).toMatchObject({ id: "f".repeat(32), served: { index: 10 } });
  expect(totals).toEqual({ open: 5, index: maxCallers + 9 });
  await ledger.close();
});

test("whoever names another database is shown here too, unless that one is known and compares by itself", async () => {
  const ledger = await open();
  ledger.note(callerOf(1, "theirs"), "open", 1);
  ledger.note(callerOf(2, "nobody's"), "open", 1);
  ledger.note(callerOf(3), "open", 1);
  const seen = (): number => ledger.read("ours", known).callers.length;
  expect(seen()).toBe(2);
  // Nobody over there compares any more, and its name is still used.
  clock.advance(6 * minuteMs);
  ledger.note(callerOf(1, "theirs"), "open", 2);
  expect(seen()).toBe(3);
  ledger.read("theirs", known);
  expect(seen()).toBe(2);
  await ledger.close();
});

test("a caller that was served something after it was read is not forgotten before that is read too", async () => {
  const ledger = await open();
  const ada = callerOf(1);
  ledger.note(ada, "open", 1);
  ledger.read("ours", known);
  ledger.note(ada, "open", 2);
  ledger.settle([ada]);
  expect(ledger.read("ours", known).callers).toMatchObject([{ served: { open: 2 } }]);
  ledger.settle([ada]);
  expect(ledger.read("ours", known).callers).toEqual([]);
  await ledger.close();
});

test("an id from before those that are told apart counts each time it comes, and pushes out none of them", async () => {
  const ledger = await open();
  const ada = callerOf(1);
  for (let id = 1; id <= 20_000; id++) ledger.note(ada, "index", id);
  // Counted, and no block of its own that would push out a newer one.
  ledger.note(ada, "open", 5);
  const { callers, totals } = ledger.read("ours", known);
  expect(callers).toMatchObject([{ highest: 20_000, served: { index: 20_000, open: 1 } }]);
  expect(totals).toEqual({ index: 20_000, open: 1 });
  // Above it ids are still told apart.
  ledger.note(ada, "index", 19_999);
  expect(ledger.read("ours", known).totals).toEqual({ index: 20_000, open: 1 });
  await ledger.close();
  const again = await open();
  again.note(ada, "index", 5);
  again.note(ada, "index", 19_999);
  expect(again.read("ours", known).totals).toEqual({ index: 20_001, open: 1 });
  await again.close();
});

test("what could not be written down is written once it can be, without another use", async () => {
  const said: string[] = [];
  const log = newLog("keyholder", "warn", { write: (text) => void said.push(text) });
  const ledger = await openUseLedger({ clock, log }, folder);
  const path = join(folder, "uses.json");
  // Its file cannot take the place of a folder.
  await mkdir(path);
  ledger.note(callerOf(1), "open", 1);
  await expect.poll(() => said.join(""), { timeout: 30_000 }).toContain("could not be written down");
  await rmdir(path);
  await expect.poll(async () => (await open()).read("ours", known).totals, { timeout: 30_000 }).toEqual({ open: 1 });
  await ledger.close();
}, 90_000);

test("a restart goes on where it was, with repeated ids told apart; a damaged file is put aside and counted anew", async () => {
  const first = await open();
  const ada = callerOf(1);
  for (const id of [1, 2, 2_000]) first.note(ada, "open", id);
  const { ledger } = first.read("ours", known);
  await first.close();
  const second = await open();
  // What a kill left unread is not forgotten before it is read, whoever says that it was.
  second.settle([ada]);
  for (const id of [2, 2_000, 2_001]) second.note(ada, "open", id);
  expect(second.read("ours", known)).toMatchObject({ ledger, totals: { open: 4 }, callers: [{ served: { open: 4 } }] });
  second.settle([ada]);
  expect(second.read("ours", known)).toMatchObject({ totals: { open: 4 }, callers: [] });
  await second.close();

  await writeFile(join(folder, "uses.json"), "{", { mode: 0o600 });
  const third = await open();
  expect(third.read("ours", known)).toMatchObject({ totals: {}, callers: [] });
  expect(third.read("ours", known).ledger).not.toBe(ledger);
  expect((await readdir(folder)).some((name) => name.startsWith("uses.json.damaged-"))).toBe(true);
  await third.close();
});

test("what was noted is on disk within seconds, without anybody closing it", async () => {
  const ledger = await open();
  ledger.note(callerOf(1), "open", 1);
  await expect.poll(async () => (await open()).read("ours", known).totals, { timeout: 30_000 }).toEqual({ open: 1 });
  await ledger.close();
}, 40_000);
