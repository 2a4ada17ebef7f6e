import { execFile } from "node:child_process";
import { userInfo } from "node:os";
import { promisify } from "node:util";
import { pathOf } from "../test/debian-program.ts";

const run = promisify(execFile);

/**
 * Makes sure that a program of the distribution is there, installing it where this process may.
 *
 * @throws with what to install when it is not there and cannot be fetched.
 */
export async function needProgram(name: string, debianPackage: string, say: (line: string) => void): Promise<string> {
  const found = await pathOf(name);
  if (found !== undefined) return found;
  const hint = `${name} is missing: install it (Debian, Ubuntu: apt-get install ${debianPackage})`;
  if (userInfo().uid !== 0 || (await pathOf("apt-get")) === undefined) throw new Error(hint);
  say(`installing ${debianPackage}`);
  // Without its own service: what is measured is started by the measurement.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  await run("apt-get", ["install", "-y", "--no-install-recommends", debianPackage], { env, timeout: 300_000 }).catch(
    (thrown: unknown) => {
      throw new Error(hint, { cause: thrown });
    },
  );
  const installed = await pathOf(name);
  if (installed === undefined) throw new Error(hint);
  return installed;
}
