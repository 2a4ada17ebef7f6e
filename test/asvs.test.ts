import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** `docs/asvs.md` against the list of the standard's requirements: none is missing, and what it names is there. */
const root = join(import.meta.dirname, "..");

/** How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has, as the numbers that they have in it. */
const requirements = readFileSync(join(root, "test/vectors/asvs-5.0.0-level-2.txt"), "utf8").trim().split(/\s+/);

interface Line {
  readonly id: string;
  readonly level: string;
  readonly state: string;
  readonly how: string;
  readonly files: readonly string[];
}
const lines: Line[] = readFileSync(join(root, "docs/asvs.md"), "utf8")
  .split("\n")
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .filter(([, id = ""]) => /^\d+\.\d+\.\d+$/.test(id))
  .map(([, id = "", level = "", , state = "", how = "", files = ""]) => ({
    id,
    level,
    state,
    how,
    files: [...files.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file),
  }));

test("every requirement of levels 1 and 2 has its line, once", () => {
  expect(requirements).toHaveLength(253);
  const listed = lines.filter(({ level }) => level !== "3").map(({ id }) => id);
  expect(listed.toSorted()).toEqual([...requirements].toSorted());
  expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length);
});

test("what is met names a file that is there, and what is not says why", () => {
  for (const { id, state, how, files } of lines) {
    expect([id, ["met", "not met", "no such thing"]]).toEqual([id, expect.arrayContaining([state])]);
    if (state === "met") expect([id, files.length > 0]).toEqual([id, true]);
    else expect([id, how.length > 3]).toEqual([id, true]);
    for (const file of files) expect([id, file, existsSync(join(root, file))]).toEqual([id, file, true]);
  }
});

test("the sums at its head are those of its lines", () => {
  const of = (level: (one: string) => boolean, state: string): number =>
    lines.filter((line) => level(line.level) && line.state === state).length;
  const isTwo = (level: string): boolean => level !== "3";
  const head = readFileSync(join(root, "docs/asvs.md"), "utf8").replaceAll(/\s+/g, " ");
  expect(head).toContain(
    `Of ${requirements.length} requirements of levels 1 and 2, ${of(isTwo, "met")} are met, ${of(isTwo, "not met")} are not and ${of(isTwo, "no such thing")} speak of something that is not here.`,
  );
});

test("every table of the database is said to hold what it holds, once (14.1.1)", () => {
  const tables = [
    ...readFileSync(join(root, "migrations/schema.sql"), "utf8").matchAll(/^create table (?:public\.)?(\w+)/gim),
  ];
  expect(tables.length).toBeGreaterThan(50);
  const page = readFileSync(join(root, "SECURITY.md"), "utf8").split("\n## What a stolen copy contains\n")[1] ?? "";
  const named = page
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
  expect(named.toSorted()).toEqual(tables.map(([, name = ""]) => name).toSorted());
});

test("each limit of tries stands in the list of limits, with its number", () => {
  const list = readFileSync(join(root, "docs/decisions/2026-11-26-ways-in.md"), "utf8")
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter(([, , uses = ""]) => /^[\d,]+$/.test(uses))
    .map(([, what = "", uses = "", minutes = ""]) => `${what}: ${uses.replace(",", "")} in ${minutes}`);
  const limit = /purpose: "([^"]+)",\s*limit: ([\d_]+),\s*windowMs: (?:(\d+) \* (?:60_000|minuteMs)|hourMs)/g;
  const limits = globSync("src/**/*.ts", { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(limit)].map(
      ([, what = "", uses = "", minutes = "60"]) => `${what}: ${uses.replaceAll("_", "")} in ${minutes}`,
    ),
  );
  expect(limits.length).toBeGreaterThan(15);
  expect(list.toSorted()).toEqual([...new Set(limits)].toSorted());
});
