import { getCiphers, getHashes } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { keyPurposes } from "./keys.ts";

/** `docs/design/keys.md` against the sources: no key and no algorithm that it does not name (ASVS 5.0 11.1.2). */
const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/design/keys.md"), "utf8");

/** What stands in code style in the first column of a section's table. */
const namesIn = (section: string): string[] =>
  (page.split(`\n## ${section}\n`)[1]?.split("\n## ")[0] ?? "")
    .split("\n")
    .flatMap((line) =>
      [...(/^\| ([^|]*)\|/.exec(line)?.[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
    );

test("every key of the keyholder has its line, and no line is of one that is gone", () => {
  expect(namesIn("Keys of the keyholder")).toEqual(keyPurposes);
});

test("every algorithm that a source names has its line, and no line is of one that is gone", () => {
  // Whatever this Node knows by a name of its own, wherever the name stands.
  const known = new Set([
    ...getCiphers(),
    ...getHashes(),
    "rsa",
    "rsa-pss",
    "ec",
    "ed25519",
    "ed448",
    "x25519",
    "x448",
    "dh",
  ]);
  const isTest = (file: string): boolean => /\.test\.ts$|(^|\/)test-[a-z-]+\.ts$/.test(file);
  const used = globSync("src/**/*.ts", { cwd: root })
    .filter((file) => !isTest(file))
    .flatMap((file) => [...readFileSync(join(root, file), "utf8").matchAll(/"([\w-]+)"/g)])
    .map(([, name = ""]) => name)
    .filter((name) => known.has(name));
  expect([...new Set(used)].toSorted()).toEqual(namesIn("Algorithms").toSorted());
});
