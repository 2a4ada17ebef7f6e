import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hourMs, manualClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { addressesPerCall, openAddressLimit } from "./address-limit.ts";
import { encodeChecked } from "./durable-file.ts";
import { newAccountId } from "./test-values.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-keyholder-"));
});
afterEach(() => rm(folder, { recursive: true, maxRetries: 5, retryDelay: 50 }));

const clock = manualClock(Date.UTC(2026, 10, 26, 4));
const open = (perHour: number) => openAddressLimit({ clock, log: silentLog }, folder, perHour);
const addresses = (count: number) =>
  Array.from({ length: count }, () => ({ table: "account_address", column: "sealed", accountId: newAccountId() }));
const refused = { code: "KEYHOLDER_REFUSED" };
const asked = (work: () => void): unknown => {
  try {
    work();
    return "answered";
  } catch (thrown) {
    return thrown;
  }
};

test("an hour's addresses are counted before they are opened; the next hour begins anew; names and devices are free", async () => {
  const limit = await open(100);
  limit.admit("web", addresses(60));
  limit.admit("web", addresses(40));
  expect(asked(() => limit.admit("web", addresses(1)))).toMatchObject(refused);
  const name = { table: "account", column: "sealed_name", accountId: newAccountId() };
  limit.admit("web", [name, { ...name, table: "session", column: "sealed_label" }]);
  expect(limit.counts()).toEqual({ opened: 100, limit: 100, refused: 1 });
  clock.advance(hourMs);
  limit.admit("web", addresses(100));
  expect(limit.counts()).toEqual({ opened: 100, limit: 100, refused: 1 });
});

test("the mailer, and the operator on the host, open as many as there are", async () => {
  const limit = await open(10);
  for (const role of ["mailer", "operator"] as const) limit.admit(role, addresses(1_000));
  expect(limit.counts().opened).toBe(0);
});

test("one call has no more than an account or a page of operators has", async () => {
  const limit = await open(100_000);
  limit.admit("web", addresses(addressesPerCall));
  expect(asked(() => limit.admit("web", addresses(addressesPerCall + 1)))).toMatchObject(refused);
  expect(limit.counts().opened).toBe(addressesPerCall);
});

test("a restart goes on with what was counted, and a kill gains a fiftieth at most", async () => {
  const first = await open(1_000);
  for (let call = 0; call < 99; call++) {
    first.admit("web", addresses(10));
    // Each writing is on disk before the next call: a kill may come after any of them.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await expect.poll(async () => (await open(1_000)).counts().opened).toBeGreaterThanOrEqual(980);
  const again = await open(1_000);
  expect(asked(() => again.admit("web", addresses(30)))).toMatchObject(refused);
});

test("a damaged count is a full hour", async () => {
  await writeFile(join(folder, "opened.json"), "{", { mode: 0o600 });
  const limit = await open(10);
  expect(asked(() => limit.admit("web", addresses(1)))).toMatchObject(refused);
  clock.advance(hourMs);
  limit.admit("web", addresses(1));
});

test("a clock that goes back begins no new hour, in the process or after a restart", async () => {
  const limit = await open(100);
  limit.admit("web", addresses(100));
  await expect.poll(async () => (await open(100)).counts().opened).toBe(100);
  clock.advance(-hourMs);
  expect(asked(() => limit.admit("web", addresses(1)))).toMatchObject(refused);
  const again = await open(100);
  expect(asked(() => again.admit("web", addresses(1)))).toMatchObject(refused);
  clock.advance(2 * hourMs);
  for (const one of [limit, again]) one.admit("web", addresses(1));
});

test("what was counted while a writing was under way is written after it, and a restart rounds up", async () => {
  const limit = await open(1_000);
  limit.admit("web", addresses(10));
  // A fiftieth more than was written down, since that much may be missing.
  await expect.poll(async () => (await open(1_000)).counts().opened).toBe(30);
  limit.admit("web", addresses(20));
  limit.admit("web", addresses(200));
  await expect.poll(async () => (await open(1_000)).counts().opened).toBe(250);
});

test("a count that is none is a full hour", async () => {
  const limit = await open(10);
  limit.admit("web", addresses(1));
  const path = join(folder, "opened.json");
  await expect.poll(() => readFile(path, "utf8").catch(() => "")).not.toBe("");
  const { format } = JSON.parse(await readFile(path, "utf8")) as { format: string };
  await writeFile(path, encodeChecked(format, { hour: clock.now() / hourMs, count: "0" }), { mode: 0o600 });
  const again = await open(10);
  expect(asked(() => again.admit("web", addresses(1)))).toMatchObject(refused);
});
