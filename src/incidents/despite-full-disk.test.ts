import { expect, test } from "vitest";
import { Fault, type FaultCode } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import type { Reserve } from "../db/reserve.ts";
import { despiteFullDisk } from "./despite-full-disk.ts";

/** A reserve of so many steps of ten bytes, on a disk that is full for as long as none was given up. */
function reserveOf(steps: number): Reserve & { given(): number } {
  let given = 0;
  return {
    given: () => given,
    isDiskFull: async () => given === 0,
    left: async () => 10 * (steps - given),
    giveUp: async () => (given === steps ? 0 : (given++, 10)),
  };
}

/** Fails with each of the codes in turn, and then is done. */
function failing(...codes: FaultCode[]) {
  let tries = 0;
  return {
    work: async () => {
      const code = codes[tries++];
      if (code !== undefined) throw new Fault(code, "not now");
      return "done";
    },
    tries: () => tries,
  };
}

test("nothing is given up for what goes through, nor for what fails for another reason", async () => {
  const reserve = reserveOf(2);
  const well = await despiteFullDisk({ reserve, log: silentLog }, failing().work);
  expect(well).toEqual({ result: "done", givenUp: undefined });
  for (const code of ["IMPOSSIBLE", "DB_REFUSED", "KEYHOLDER_UNAVAILABLE", "BUSY"] as const) {
    const { work, tries } = failing(code);
    await expect(despiteFullDisk({ reserve, log: silentLog }, work), code).rejects.toMatchObject({ code });
    expect(tries(), code).toBe(1);
  }
  expect(reserve.given()).toBe(0);
});

test("a database that is away is taken for one whose disk is full only where that is so", async () => {
  for (const code of ["DB_UNAVAILABLE", "DB_START_FAILED"] as const) {
    const reserve = { ...reserveOf(2), isDiskFull: async () => false };
    await expect(despiteFullDisk({ reserve, log: silentLog }, failing(code).work)).rejects.toMatchObject({ code });
    expect(reserve.given()).toBe(0);
    const full = reserveOf(2);
    const { result } = await despiteFullDisk({ reserve: full, log: silentLog }, failing(code).work);
    expect([result, full.given()]).toEqual(["done", 1]);
  }
});

test("a full disk costs a step for each try, and what was given up and is left is told", async () => {
  const reserve = reserveOf(3);
  const { work, tries } = failing("DISK_FULL", "DISK_FULL");
  const done = await despiteFullDisk({ reserve, log: silentLog }, work);
  expect(done).toEqual({ result: "done", givenUp: { givenUpBytes: 20, leftBytes: 10 } });
  expect(tries()).toBe(3);
});

test("what the work gives up by itself is told too", async () => {
  const done = await despiteFullDisk({ reserve: reserveOf(2), log: silentLog }, async (reserve) => {
    await reserve?.giveUp();
  });
  expect(done.givenUp).toEqual({ givenUpBytes: 10, leftBytes: 10 });
});

test("a database that stops in what the work gave up by itself is waited for as well", async () => {
  const reserve = reserveOf(2);
  const { work } = failing("DB_UNAVAILABLE", "DB_UNAVAILABLE");
  let isFirst = true;
  const done = await despiteFullDisk({ reserve, log: silentLog }, async (own) => {
    if (isFirst) await own?.giveUp();
    isFirst = false;
    return work();
  });
  expect([done.result, reserve.given()]).toEqual(["done", 1]);
});

test("a database that comes back in what was given up is waited for, and no second step goes", async () => {
  const reserve = reserveOf(2);
  const { work } = failing("DB_UNAVAILABLE", "DB_UNAVAILABLE", "DB_START_FAILED", "DB_UNAVAILABLE");
  const done = await despiteFullDisk({ reserve, log: silentLog }, work);
  expect([done.result, reserve.given()]).toEqual(["done", 1]);
});

test("with nothing left to give up it says what to do; without a reserve it is as if there were none of this", async () => {
  const always = async (): Promise<never> => Promise.reject(new Fault("DISK_FULL", "the database's disk is full"));
  const reserve = reserveOf(2);
  await expect(despiteFullDisk({ reserve, log: silentLog }, always)).rejects.toMatchObject({
    code: "DISK_FULL",
    message: expect.stringContaining("stop what fills it"),
  });
  expect(reserve.given()).toBe(2);
  const { work, tries } = failing("DISK_FULL");
  await expect(despiteFullDisk({ reserve: undefined, log: silentLog }, work)).rejects.toMatchObject({
    message: "not now",
  });
  expect(tries()).toBe(1);
});
