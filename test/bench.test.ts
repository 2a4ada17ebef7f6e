import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { benchNames, goals } from "../bench/goals.ts";
import { readAnswer, requestBytes } from "../bench/load.ts";
import { interleaved, judge, median, quantile, table } from "../bench/report.ts";

test("the middle of an even number of values lies between the two middle ones", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([8, 2, 4, 6])).toBe(5);
  expect(quantile([1, 2, 3, 4, 5], 0.95)).toBeCloseTo(4.8);
  expect(() => median([])).toThrow("nothing was measured");
});

test("contestants take turns, and each one's values come back under its name", async () => {
  const order: string[] = [];
  const run = (name: string) => async () => order.push(name);
  const measured = await interleaved(3, { a: run("a"), b: run("b") });
  expect(order).toEqual(["a", "b", "a", "b", "a", "b"]);
  expect(measured).toEqual({ a: [1, 3, 5], b: [2, 4, 6] });
});

test("a figure is judged by its goal before it is rounded; one without a figure is left out", () => {
  const all = { fast: { under: 10 }, near: { atMost: 1.5 }, many: { atLeast: 25 }, absent: { under: 1 } } as const;
  const report = judge("contain", { fast: 10, near: 1.50001, many: 25, alone: 1_234.56 }, all);
  expect(Object.keys(report)).toEqual(["name", "machine", "figures", "reach"]);
  expect(report.machine).toEqual({
    cpu: expect.any(String),
    cores: expect.any(Number),
    node: process.versions.node,
  });
  expect(report.figures).toEqual({ fast: 10, near: 1.5, many: 25, alone: 1_235 });
  expect(report.reach).toEqual({
    fast: { value: 10, goal: 10, met: false },
    near: { value: 1.5, goal: 1.5, met: false },
    many: { value: 25, goal: 25, met: true },
  });
  const printed = table(report, all, { many: "a count" });
  expect(printed).toMatch(/^many +25 +at least 25 +reached +a count$/m);
  expect(printed).toMatch(/^fast +10 +under 10 +MISSED$/m);
  expect(printed).toMatch(/^alone +1,235$/m);
});

test("an answer is whole when its length is there, or the last of its chunks", () => {
  const fixed = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd");
  expect(readAnswer(fixed.subarray(0, 20))).toBeUndefined();
  expect(readAnswer(fixed.subarray(0, -1))).toBeUndefined();
  expect(readAnswer(fixed)).toEqual({ status: 200, headBytes: 38, bodyBytes: 4 });
  const chunked = Buffer.from("HTTP/1.1 401 No\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n");
  expect(readAnswer(chunked.subarray(0, -5))).toBeUndefined();
  expect(readAnswer(chunked)).toMatchObject({ status: 401, bodyBytes: 14 });
  expect(requestBytes("POST", "/x", { a: "b" }, "é").toString()).toBe(
    "POST /x HTTP/1.1\r\nhost: 127.0.0.1\r\na: b\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\né",
  );
});

test("every goal is that of a figure: one under a name that no benchmark gives would be left out without a word", () => {
  const files = globSync("bench/*.ts").filter((file) => !file.endsWith("goals.ts"));
  const code = files.map((file) => readFileSync(file, "utf8")).join("\n");
  const keys = benchNames.flatMap((name) => Object.keys(goals[name]));
  expect(keys.length).toBeGreaterThan(25);
  expect(keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(code))).toEqual([]);
});

test("the page names every benchmark, where it says how they are called and what each measures", () => {
  const page = readFileSync("bench/README.md", "utf8");
  const called = /npm run bench -- ([\w| ]+?) +\[/.exec(page)?.[1]?.split(" | ");
  const rows: readonly string[] = [...page.matchAll(/^\| `(\w+)`/gm)].map(([, name = ""]) => name);
  expect(called?.toSorted()).toEqual(benchNames.toSorted());
  expect(rows.toSorted()).toEqual(benchNames.toSorted());
});

test("every benchmark has a goal, and an unknown one is refused with the names there are", async () => {
  for (const name of benchNames) expect(Object.keys(goals[name]).length).toBeGreaterThan(0);
  const refused = promisify(execFile)(process.execPath, ["bench/run.ts", "everything"]);
  await expect(refused).rejects.toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringContaining(benchNames.join("|")),
  });
});
