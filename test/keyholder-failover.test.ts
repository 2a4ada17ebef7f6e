import { spawn, type ChildProcess } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, expect, test } from "vitest";
import { secondMs, sleep } from "../src/kernel/clock.ts";
import { readBook } from "../src/keyholder/witness.ts";
import { programEnvironment } from "./program-environment.ts";
import { newAuthority } from "./authority.ts";
import { eventually, runningService } from "./running-service.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";

/** The whole service over two keyholders on hosts of their own, played by two folders: the first is killed, the second takes over. */
const folder = await mkdtemp(join(tmpdir(), "houselights-failover-"));
const cli = join(import.meta.dirname, "..", "src", "cli.ts");
const children: ChildProcess[] = [];
afterAll(async () => {
  await Promise.all(children.map((child) => end(child, "SIGKILL")));
  await rm(folder, { recursive: true, force: true });
});

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

const authority = newAuthority(folder, "ours");
const settingsOf = (name: string) => {
  const { ca, cert, key } = authority.issue(name);
  return { KEYHOLDER_CA: ca, KEYHOLDER_CERT: cert, KEYHOLDER_KEY: key };
};
const credentials = join(folder, "credentials.json");

interface Host {
  readonly dataDir: string;
  run(...words: string[]): ChildProcess;
  command(...words: string[]): Promise<{ readonly code: number | null; readonly said: string }>;
}

function host(name: string): Host {
  const dataDir = join(folder, name);
  const env = { ...programEnvironment, HOME: folder, DATA_DIR: dataDir, ...settingsOf(name) };
  const run = (...words: string[]): ChildProcess => {
    const child = spawn(process.execPath, [cli, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    return child;
  };
  return {
    dataDir,
    run,
    command: async (...words) => {
      const child = run(...words);
      let said = "";
      for (const stream of [child.stdout, child.stderr])
        stream?.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
      return { code, said };
    },
  };
}

/** The process that holds the keys, which the command watches over. */
async function keyProcessOf({ pid = 0 }: ChildProcess): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return Number(children.trim().split(" ")[0]);
}

/** Starts a keyholder and waits until it says where it listens. */
async function keyholder(at: Host, port: number, ...words: string[]) {
  const child = at.run("keyholder", "--listen", `127.0.0.1:${port}`, "--credentials", credentials, ...words);
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await eventually("the keyholder to listen", async () => {
    if (child.exitCode !== null) throw new Error(`the keyholder ended: ${said}`);
    return said.includes("KEYHOLDER_CREDENTIALS=") ? true : undefined;
  });
  return { child, said: () => said };
}

test("the first is killed, the second takes over, and an old database put under it revives nothing", async () => {
  const [one, two] = [host("one"), host("two")];
  const [port1, port2] = [await freePort(), await freePort()];
  const first = await keyholder(one, port1);
  const backups = ["--keys", join(folder, "keys.backup"), "--exact-keys", join(folder, "exact.backup")];
  expect((await one.command("backup", ...backups)).code).toBe(0);
  expect(await two.command("restore", ...backups, "--yes")).toMatchObject({ code: 0 });
  const second = await keyholder(two, port2, "--follow", `tls://127.0.0.1:${port1}`);

  const settings = {
    KEYHOLDER_URL: `tls://127.0.0.1:${port1},tls://127.0.0.1:${port2}`,
    KEYHOLDER_CREDENTIALS: credentials,
    ...settingsOf("service"),
  };
  const service = await runningService(settings, async (libraryDir) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  });
  const session = async (cookie: string): Promise<number> =>
    (await service.api("GET", "/api/session", { cookie })).status;
  // Device names are opened with keys.
  const devices = async (cookie: string): Promise<number> =>
    (await service.api("GET", "/api/sessions", { cookie })).status;
  const enter = async (link: string | undefined) => {
    const secret = /operate#([A-Za-z0-9_-]{43})/.exec(link ?? "")?.[1] ?? link;
    const { status, cookie = "" } = await service.api("POST", "/api/operator-sessions", { body: { secret } });
    expect(status).toBe(201);
    return cookie;
  };
  try {
    const old = await enter(service.operatorLink());
    expect([await session(old), await devices(old)]).toEqual([200, 200]);
    await service.stop();
    await cp(join(service.dataDir, "postgres"), join(folder, "copy"), { recursive: true });
    await service.start();
    expect(await session(old)).toBe(200);

    expect((await service.command("incident", "contain", "--yes", "--reason", "test")).out).not.toContain("owed");
    expect(await session(old)).toBe(401);
    const back = await enter((await service.command("operator", "link")).out);
    expect(await devices(back)).toBe(200);
    expect((await two.command("keyholder", "promote", "--yes")).said).toContain("still answers");

    // Killed between its own disk and the standby's, the first would know of a head that nobody was answered.
    await eventually("the timeline to be signed, and known to both", async () => {
      const before = await readBook(join(one.dataDir, "keys"));
      await sleep(2 * secondMs);
      const books = [await readBook(join(one.dataDir, "keys")), await readBook(join(two.dataDir, "keys"))];
      return books.every((book) => isDeepStrictEqual(book, before)) ? true : undefined;
    });
    await end(first.child, "SIGKILL");
    const refused = await service.api("GET", "/api/sessions", { cookie: back });
    expect([refused.status, refused.headers.get("retry-after") !== null]).toEqual([503, true]);
    const looked = await service.command("incident", "status");
    expect([looked.code, looked.out]).toEqual([
      0,
      expect.stringMatching(/contained[^]*keyholder +away: .*it is a standby/),
    ]);
    const listed = await service.command("operator", "list");
    expect([listed.code, listed.err]).toEqual([3, expect.stringContaining("keyholder promote, on the standby's host")]);
    const remembered = await readBook(join(one.dataDir, "keys"));
    expect(await readBook(join(two.dataDir, "keys"))).toEqual(remembered);
    await eventually("the standby to be promoted", async () =>
      (await two.command("keyholder", "promote", "--yes")).code === 0 ? true : undefined,
    );
    await eventually("the service to go on", async () => ((await devices(back)) === 200 ? true : undefined));
    // Its log is read while it runs, and by those who were not there.
    expect(second.said()).toContain("this standby is in step");
    expect(second.said()).toContain("is promoted and serves from now on");
    expect((await two.command("keyholder", "promote", "--yes")).said).toContain("serves already; nothing was changed");
    expect(await session(old)).toBe(401);
    expect(await devices(await enter((await service.command("operator", "link")).out))).toBe(200);

    // The copy from before the containment: what was good in it is refused, because the second remembers what the first was told.
    await service.stop();
    await rm(join(service.dataDir, "postgres"), { recursive: true });
    await cp(join(folder, "copy"), join(service.dataDir, "postgres"), { recursive: true });
    await service.start();
    expect(await session(old)).toBe(401);
    expect((await service.command("alarm", "list")).out).toContain("older copy");

    // The first, started as it was, is older than what this database has met: what runs and what starts passes it over.
    const stale = await keyholder(one, port1);
    const epochOf = async (at: Host): Promise<number> => {
      const book = await readBook(join(at.dataDir, "keys"));
      return Math.max(...[...(book?.values() ?? [])].map(({ floors }) => floors.browser));
    };
    const before = await epochOf(one);
    const again = await enter((await service.command("operator", "link")).out);
    process.kill(await keyProcessOf(second.child), "SIGKILL");
    await eventually("the service to go on", async () => ((await devices(again)) === 200 ? true : undefined));
    expect((await service.command("incident", "contain", "--yes")).out).not.toContain("owed");
    expect([await epochOf(one), await epochOf(two)]).toEqual([before, before + 1]);
    await service.stop();
    await service.start();
    await service.stop();
    // Alone it is refused.
    await end(second.child, "SIGKILL");
    await expect(service.start()).rejects.toThrow(/generation/);
    await end(stale.child, "SIGKILL");
    expect(await readFile(credentials, "utf8")).not.toBe("");
  } finally {
    await service.remove();
  }
}, 240_000);
