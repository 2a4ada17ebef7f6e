import { expect, test } from "vitest";
import { containNeedsOf } from "../../test/contain-needs.ts";
import { testService } from "../../test/service.ts";
import { Fault } from "../kernel/fault.ts";
import type { Db } from "../db/db.ts";
import type { Witness } from "../keyholder/keyholder.ts";
import { highest, readFloors } from "../credentials/floors.ts";
import { readStanding } from "../credentials/standing.ts";
import { contain } from "./contain.ts";

/** What a containment has announced to the witness is settled, by itself or by the next one, and never done twice. */
const order = { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "test" } as const;
const service = await testService();
const needs = containNeedsOf(service.ground);

/** What the witness remembers, without telling it anything. */
async function remembered() {
  const { databaseId, ...standing } = await readStanding(needs.db);
  return needs.witness.read(databaseId, standing);
}

/** A witness that answers everything but one question, as it does when its process ends in between, or its disk is full. */
const awayAt = (witness: Witness, question: "read" | "intend" | "confirm", fault = gone): Witness => ({
  ...witness,
  [question]: () => Promise.reject(fault),
});
const gone = new Fault("KEYHOLDER_UNAVAILABLE", "gone");
const noRoom = new Fault("DISK_FULL", "keyholder: cannot write witness.json: ENOSPC");

test("what was committed with the witness away is told by the next containment, and not done again", async () => {
  for (const [question, fault] of [
    ["read", gone],
    ["confirm", gone],
    ["intend", noRoom],
    ["confirm", noRoom],
  ] as const) {
    const first = await contain({ ...needs, witness: awayAt(needs.witness, question, fault) }, order);
    expect(first.witness, question).toBe("owed");
    const second = await contain(needs, order);
    expect([second.witness, second.epoch], question).toEqual(["told", first.epoch + 1]);
    const { floors, intent } = await remembered();
    expect([floors, intent], question).toEqual([await readFloors(needs.db), null]);
  }
});

test("an announcement is taken back only if it is certain that nothing came of it", async () => {
  const lost = new Fault("DB_UNAVAILABLE", "the connection ended");
  const failing = (fault: Fault, isCommitted: boolean): Db["transaction"] =>
    isCommitted
      ? async (work) => {
          await needs.db.transaction(work);
          throw fault;
        }
      : (work) =>
          needs.db.transaction(async (tx) => {
            await work(tx);
            throw fault;
          });
  for (const [what, transaction, isTakenBack] of [
    ["rolled back", failing(new Fault("DISK_FULL", "no space"), false), true],
    ["committed, and nobody heard of it", failing(lost, true), false],
    ["rolled back, and nobody heard of it", failing(lost, false), false],
  ] as const) {
    const announced = highest(await readFloors(needs.db)) + 1;
    await expect(contain({ ...needs, db: { ...needs.db, transaction } }, order), what).rejects.toThrow(Fault);
    expect((await remembered()).intent?.epoch, what).toBe(isTakenBack ? undefined : announced);
    // Whatever it was, the next one settles it: what was announced is in force, and the next one above it.
    const { epoch } = await contain(needs, order);
    expect(epoch, what).toBe(isTakenBack ? announced : announced + 1);
    const { floors, intent } = await remembered();
    expect([floors, intent], what).toEqual([await readFloors(needs.db), null]);
  }
});

/** A reserve of two steps; `isFull`: whether the database's disk is. */
function reserveOf(isFull: boolean) {
  let given = 0;
  return {
    given: () => given,
    isDiskFull: async () => isFull && given === 0,
    giveUp: async () => (given === 2 ? 0 : (given++, 1)),
  };
}

test("what the database has no room for is done again in what the reserve gives up: once, and the witness is told", async () => {
  const before = highest(await readFloors(needs.db));
  let tries = 0;
  // Most of it is written when the room ends, as on a disk.
  const transaction: Db["transaction"] = (work) =>
    needs.db.transaction(async (tx) => {
      const done = await work(tx);
      if (tries++ === 0) throw new Fault("DISK_FULL", "no space");
      return done;
    });
  const db = { ...needs.db, transaction };
  await expect(contain({ ...needs, db }, order)).rejects.toMatchObject({ code: "DISK_FULL" });
  expect(highest(await readFloors(needs.db))).toBe(before);

  tries = 0;
  const reserve = reserveOf(true);
  const { epoch, witness } = await contain({ ...needs, db, reserve }, order);
  expect([epoch, witness, tries, reserve.given()]).toEqual([before + 1, "told", 2, 1]);
  expect(await remembered()).toMatchObject({ floors: await readFloors(needs.db), intent: null });
});

test("a witness without room is told in what the reserve gives up, if its disk is the database's, and owed otherwise", async () => {
  for (const question of ["intend", "confirm"] as const) {
    for (const isFull of [true, false]) {
      const reserve = reserveOf(isFull);
      const tell = needs.witness[question] as (...said: unknown[]) => Promise<never>;
      const witness: Witness = {
        ...needs.witness,
        [question]: (...said: unknown[]) => (reserve.given() === 0 ? Promise.reject(noRoom) : tell(...said)),
      };
      const contained = await contain({ ...needs, witness, reserve }, order);
      const what = `${question}, ${isFull ? "the same disk" : "a disk of its own"}`;
      expect([contained.witness, reserve.given()], what).toEqual(isFull ? ["told", 1] : ["owed", 0]);
    }
  }
  expect((await contain(needs, order)).witness).toBe("told");
});
