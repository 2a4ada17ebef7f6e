import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { lockFile } from "./file-lock.ts";

const folder = mkdtempSync(join(tmpdir(), "houselights-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "lock");
beforeEach(() => rmSync(path, { force: true }));

/** What a process of its own says of the lock, which it lets go by ending. */
const elsewhere = (as: readonly string[] = []): string => {
  const script = `
    import { lockFile } from ${JSON.stringify(new URL("./file-lock.ts", import.meta.url).href)};
    let said; try { said = lockFile(${JSON.stringify(path)}) === undefined ? "held" : "taken"; } catch { said = "cannot"; }
    process.stdout.write(said);`;
  const [program, ...words] = [...as, process.execPath, "--input-type=module", "-e", script];
  const { stdout, stderr } = spawnSync(program ?? "", words, { encoding: "utf8" });
  return stdout === "" ? stderr : stdout;
};

test("one process holds a lock, until it lets go or ends", () => {
  expect(elsewhere()).toBe("taken");
  const lock = lockFile(path);
  expect([lockFile(path), elsewhere()]).toEqual([undefined, "held"]);
  lock?.release();
  expect(elsewhere()).toBe("taken");
});

const hasSetpriv = process.getuid?.() === 0 && spawnSync("setpriv", ["--version"]).status === 0;

test.runIf(hasSetpriv)("a file that may only be read is no lock, and nobody is told that they hold it", () => {
  chmodSync(folder, 0o755);
  const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
  writeFileSync(path, "", { mode: 0o644 });
  expect(elsewhere(nobody)).toBe("cannot");
  chownSync(path, 65_534, 65_534);
  expect(elsewhere(nobody)).toBe("taken");
});
