import { expect, test } from "vitest";
import { readArguments } from "./arguments.ts";

test("an argument that nobody asked for refuses the call, and so does one more in an item of a list", () => {
  const readAll = (values: readonly unknown[]): string[][] => {
    const args = readArguments("indexMany", values);
    const first = args.text("first", /^[a-z]$/);
    const list = args.list("list", 2, (item) => item.text("item", /^[a-z]$/));
    args.end();
    return [[first], list];
  };
  expect(readAll(["a", [["b"], ["c"]]])).toEqual([["a"], ["b", "c"]]);
  const refused = (message: string) => expect.objectContaining({ code: "KEYHOLDER_REFUSED", message });
  expect(() => readAll(["a", [["b"]], "d"])).toThrow(refused("indexMany: the call takes 2 arguments"));
  expect(() => readAll(["a", [["b", "d"]]])).toThrow(refused("indexMany: the call takes 1 arguments"));
});
