import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const cli = join(import.meta.dirname, "..", "cli.ts");

/** The command's exit code, with an output that nobody reads any more, or that somebody does. */
async function codeOf(words: readonly string[], output: "closed" | "read"): Promise<number | null> {
  const command = spawn(process.execPath, [cli, ...words], { stdio: ["ignore", "pipe", "ignore"] });
  if (output === "closed") command.stdout.destroy();
  else command.stdout.resume();
  const [code] = (await once(command, "exit")) as [number | null];
  return code;
}

test("what a command came to does not become a yes because nobody reads it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "houselights-closed-"));
  try {
    await writeFile(join(folder, "checkpoint"), "damaged");
    await writeFile(join(folder, "policy"), "quorum none\n");
    const damaged = ["timeline", "verify", folder, "--json"];
    expect([await codeOf(damaged, "read"), await codeOf(damaged, "closed")]).toEqual([1, 1]);
    expect([await codeOf(["help"], "read"), await codeOf(["help"], "closed")]).toEqual([0, 0]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
