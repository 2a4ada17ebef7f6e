import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and those missing above it, each with `mode`; one that is there stays as it is. Throws what the system says
 * (`ENOTDIR`, `EACCES`, `ENOENT`, …).
 *
 * Node's own recursive `mkdir` never ends below /proc, where a folder cannot be made in one that is there (`ENOENT`).
 *
 * @returns the topmost folder that was made; `undefined` if all were there.
 */
export async function makeFolder(path: string, mode?: number): Promise<string | undefined> {
  const missing: string[] = [];
  let at = resolve(path);
  while (!(await isThere(at))) {
    missing.unshift(at);
    at = dirname(at);
  }
  let topmost: string | undefined;
  for (const folder of missing) {
    try {
      await mkdir(folder, { mode });
      topmost ??= folder;
    } catch (thrown) {
      // Somebody else made it in this moment.
      if (!(await isThere(folder))) throw thrown;
    }
  }
  // What is there may be a file.
  if (missing.length === 0 && !(await stat(at)).isDirectory()) await mkdir(at);
  return topmost;
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT") return false;
      throw thrown;
    },
  );
