import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { isAlive, readOwner, recordOwner } from "./embedded-process.ts";

const folder = await mkdtemp(join(tmpdir(), "houselights-owner-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
const file = join(folder, "owner");

test("who is on record is believed while that very process lives, and no other that has its number", async () => {
  await recordOwner(file, "service");
  const own = await readOwner(file);
  expect(own).toMatchObject({ pid: process.pid, role: "service" });

  const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1_000)"], { stdio: "ignore" });
  onTestFinished(() => void other.kill("SIGKILL"));
  await once(other, "spawn");
  // A number that was given out again, after a restart of the machine perhaps: it began at another time.
  await writeFile(file, `${other.pid} ${own?.start} service\n`);
  expect([await isAlive(other.pid!), await readOwner(file)]).toEqual([true, undefined]);
  other.kill("SIGKILL");
  await once(other, "exit");
  expect([await isAlive(other.pid!), await readOwner(file)]).toEqual([false, undefined]);
});

test.each(["", "\n", "nobody", "1", "1 2", "1 2 king", "-1 2 service", "0 2 service", "1.5 2 service"])(
  "a record of %j names nobody",
  async (text) => {
    await writeFile(file, text);
    expect(await readOwner(file)).toBeUndefined();
  },
);

test("a record that cannot be put in its place leaves no draft beside it", async () => {
  const taken = join(folder, "taken");
  await mkdir(join(taken, "by a folder"), { recursive: true });
  await expect(recordOwner(taken, "command")).rejects.toThrow();
  expect((await readdir(folder)).filter((name) => name.startsWith("taken."))).toEqual([]);
  await recordOwner(file, "command");
  expect(await readFile(file, "utf8")).toMatch(new RegExp(`^${process.pid} \\S+ command\\n$`));
});
