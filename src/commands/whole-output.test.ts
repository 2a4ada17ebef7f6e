import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("what a command says reaches a slow reader whole: a pipe holds 64 KiB", async () => {
  const cli = join(import.meta.dirname, "..", "cli.ts");
  const word = `--${"a".repeat(120_000)}`;
  const { stdout } = await promisify(execFile)("sh", [
    "-c",
    `"$0" "$1" operator link "$2" 2>&1 | (sleep 1; wc -c)`,
    process.execPath,
    cli,
    word,
  ]);
  expect(Number(stdout)).toBeGreaterThan(word.length);
});
