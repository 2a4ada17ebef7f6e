import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * A program that tests want and the product does not: the system's own, or out of Debian's package, which is taken apart in
 * `folder` and not installed. @returns its path, or undefined where there is neither.
 */
export async function debianProgram(name: string, folder: string): Promise<string | undefined> {
  const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  const found = await run("/bin/sh", ["-c", 'command -v -- "$1"', "sh", name], { env: { PATH: path } }).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
  if (found !== undefined) return found;
  try {
    await run("apt-get", ["download", name], { cwd: folder, timeout: 60_000 });
    const [file] = (await readdir(folder)).filter((one) => one.endsWith(".deb"));
    if (file === undefined) return undefined;
    await run("dpkg-deb", ["-x", file, "out"], { cwd: folder });
    const program = join(folder, "out", "usr", "sbin", name);
    await run(program, ["-v"]);
    return program;
  } catch {
    return undefined;
  }
}
