import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A disk of its own for the data, of so many MiB; `undefined` where this user may not have one. */
export async function smallDisk(
  mebibytes: number,
): Promise<{ folder: string; remove: () => Promise<void> } | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-disk-"));
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=0755`, "houselights-test", folder]);
  } catch {
    await rm(folder, { recursive: true });
    return undefined;
  }
  return {
    folder,
    remove: async () => {
      await run("umount", ["-l", folder]);
      await rm(folder, { recursive: true });
    },
  };
}
