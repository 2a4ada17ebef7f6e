import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { programEnvironment } from "./program-environment.ts";
import { eventually, runningService } from "./running-service.ts";

/** `houselights keyholder` on its own, and a service that is told of it by KEYHOLDER_URL and KEYHOLDER_CREDENTIALS. */
const folder = await mkdtemp(join(tmpdir(), "houselights-apart-"));
let keyholder: ChildProcess | undefined;
afterAll(async () => {
  await stopKeyholder("SIGTERM");
  await rm(folder, { recursive: true, force: true });
});

async function startKeyholder(): Promise<{ readonly KEYHOLDER_URL: string; readonly KEYHOLDER_CREDENTIALS: string }> {
  const cli = join(import.meta.dirname, "..", "src", "cli.ts");
  const started = spawn(process.execPath, [cli, "keyholder"], {
    env: { ...programEnvironment, HOME: folder, DATA_DIR: join(folder, "data") },
    stdio: ["ignore", "pipe", "ignore"],
  });
  keyholder = started;
  let said = "";
  started.stdout.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const told = (name: string): string | undefined => new RegExp(`^${name}=(.+)\\n`, "m").exec(said)?.[1];
  return eventually("the keyholder", async () => {
    const [url, credentials] = [told("KEYHOLDER_URL"), told("KEYHOLDER_CREDENTIALS")];
    return url === undefined || credentials === undefined
      ? undefined
      : { KEYHOLDER_URL: url, KEYHOLDER_CREDENTIALS: credentials };
  });
}

async function stopKeyholder(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  const ending = keyholder;
  if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
  const ended = new Promise((resolve) => ending.once("exit", resolve));
  ending.kill(signal);
  await ended;
}

test("web, worker and commands use it; it outlives the service, and the service goes on after it", async () => {
  const told = await startKeyholder();
  expect(told.KEYHOLDER_URL).toMatch(/^unix:\//);
  expect((await stat(told.KEYHOLDER_CREDENTIALS)).mode & 0o777).toBe(0o600);
  const service = await runningService(told, async (libraryDir) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  });
  const session = async (cookie: string): Promise<number> =>
    (await service.api("GET", "/api/session", { cookie })).status;
  const enter = async (link: string | undefined) => {
    const secret = /operate#([A-Za-z0-9_-]{43})/.exec(link ?? "")?.[1] ?? link;
    return service.api("POST", "/api/operator-sessions", { body: { secret } });
  };
  try {
    // No keys of its own: whatever is sealed here is sealed by the other.
    expect(existsSync(join(service.dataDir, "keys"))).toBe(false);
    const { cookie = "", status } = await enter(service.operatorLink());
    expect([status, await session(cookie)]).toEqual([201, 200]);
    // The worker: what happened is signed and told to the witness. The command asks as the operator.
    await eventually("the record to be signed", async () => {
      const { code, out } = await service.command("timeline", "verify", "--json");
      return code === 0 && (JSON.parse(out) as { size: number }).size > 0 ? true : undefined;
    });
    expect((await service.command("incident", "contain", "--yes", "--reason", "test")).out).not.toContain("owed");
    expect(await session(cookie)).toBe(401);

    const again = await enter((await service.command("operator", "link")).out);
    expect(again.status).toBe(201);
    await service.kill();
    await service.start();
    expect(await session(again.cookie ?? "")).toBe(200);

    // It dies, and is started again with new credentials: what was given the old ones is told so, and not let in.
    await stopKeyholder("SIGKILL");
    const renewed = await eventually("the keyholder's folder to be free", () =>
      startKeyholder().catch(() => undefined),
    );
    expect(renewed.KEYHOLDER_URL).toBe(told.KEYHOLDER_URL);
    const devices = async (): Promise<number> =>
      (await service.api("GET", "/api/sessions", { cookie: again.cookie ?? "" })).status;
    expect(await devices()).toBeGreaterThanOrEqual(500);
    await service.stop();
    await service.start();
    expect([await session(again.cookie ?? ""), await devices()]).toEqual([200, 200]);
  } finally {
    await service.remove();
  }
}, 240_000);

test("a file that is none of ours is refused before anything starts", async () => {
  const file = join(folder, "credentials.json");
  await writeFile(file, JSON.stringify({ web: "x" }), { mode: 0o600 });
  const settings = { KEYHOLDER_URL: `unix:${join(folder, "nobody.sock")}`, KEYHOLDER_CREDENTIALS: file };
  const prepare = async (libraryDir: string): Promise<void> => mkdir(libraryDir).then(() => undefined);
  await expect(runningService(settings, prepare)).rejects.toThrow(/KEYHOLDER_CREDENTIALS: the file cannot be read/i);
}, 60_000);
