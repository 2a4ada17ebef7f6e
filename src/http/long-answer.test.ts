import { once } from "node:events";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { longAnswer } from "./long-answer.ts";

test("what is made soon is answered as it is, and what fails soon fails as it would without", async () => {
  expect(await longAnswer(Promise.resolve("{}"))).toBe("{}");
  await expect(longAnswer(Promise.reject(new Error("no such table")))).rejects.toThrow("no such table");
});

test("while it is being made there is a space now and then, and what is read is the text still", async () => {
  const making = Promise.withResolvers<string>();
  const answer = await longAnswer(making.promise, 1);
  if (!(answer instanceof Readable)) throw new Error("it was not made yet");
  const read = text(answer);
  await once(answer, "data");
  making.resolve(`{"entries":30000000}`);
  expect(await read).toMatch(/^ +\{/);
  expect(JSON.parse(await read)).toEqual({ entries: 30_000_000 });
});

test("what fails after that breaks off: a part is never taken for the whole", async () => {
  const making = Promise.withResolvers<string>();
  const answer = await longAnswer(making.promise, 1);
  const read = text(answer as Readable);
  making.reject(new Error("the database went away"));
  await expect(read).rejects.toThrow("the database went away");
});
