import { expect, test } from "vitest";
import { eachInTurn } from "./each-in-turn.ts";
import { Fault } from "./fault.ts";

function steps(...ends: readonly (Error | undefined)[]) {
  const done: string[] = [];
  const made = ends.map((end, place) => async (): Promise<void> => {
    done.push(`${place} begins`);
    await Promise.resolve();
    done.push(`${place} ends`);
    if (end !== undefined) throw end;
  });
  return { done, made };
}
const all = (count: number): string[] =>
  Array.from({ length: count }, (_, place) => [`${place} begins`, `${place} ends`]).flat();

test("one step is done after another", async () => {
  const { done, made } = steps(undefined, undefined, undefined);
  await eachInTurn(made);
  expect(done).toEqual(all(3));
});

test("a step that fails keeps no other from its turn, and the first failure is thrown at the end", async () => {
  const { done, made } = steps(undefined, new Error("the first"), new Fault("DISK_FULL", "the second"), undefined);
  await expect(eachInTurn(made)).rejects.toThrow("the first");
  expect(done).toEqual(all(4));
});

test("when the database is away the rest is not tried: each of it would wait for it in vain", async () => {
  const { done, made } = steps(new Error("the first"), new Fault("DB_UNAVAILABLE", "away"), undefined);
  await expect(eachInTurn(made)).rejects.toThrow("away");
  expect(done).toEqual(all(2));
});
