import { execFile } from "node:child_process";
import { join } from "node:path";
import { readdir } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where the system has a program, root's included. */
export const pathOf = (name: string): Promise<string | undefined> => {
  const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  return run("/bin/sh", ["-c", 'command -v -- "$1"', "sh", name], { env: { PATH: path } }).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
};

/** Fetches a package of Debian's and takes it apart in `folder`, without installing it. @returns the folder of its files. */
export async function takeApart(name: string, folder: string): Promise<string> {
  await run("apt-get", ["download", name], { cwd: folder, timeout: 60_000 });
  const file = (await readdir(folder)).find((one) => one.startsWith(`${name}_`) && one.endsWith(".deb"));
  if (file === undefined) throw new Error(`apt-get has fetched no ${name}`);
  await run("dpkg-deb", ["-x", file, "out"], { cwd: folder });
  return join(folder, "out");
}

/**
 * A program that tests want and the product does not: the system's own, or out of the package of its name, taken apart in `folder`.
 * @returns its path, or undefined where there is neither.
 */
export async function debianProgram(name: string, folder: string): Promise<string | undefined> {
  const found = await pathOf(name);
  if (found !== undefined) return found;
  try {
    const program = join(await takeApart(name, folder), "usr", "sbin", name);
    await run(program, ["-v"]);
    return program;
  } catch {
    return undefined;
  }
}
