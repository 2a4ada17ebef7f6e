import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { breachedFileIn } from "../src/credentials/breached/breached.ts";
import { loadBreached } from "../src/credentials/breached/load.ts";
import { goodPassword, testService } from "./service.ts";

/** The list of breached passwords as an operator and a viewer meet it. */
const service = await testService();
const sha1 = (password: string): string => createHash("sha1").update(password).digest("hex").toUpperCase();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "passwords-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
const command = (...words: string[]): Promise<Said> =>
  new Promise((resolve) => {
    const env = { ...process.env, DATA_DIR: join(folder, "data"), LIBRARY_DIR: join(folder, "library"), PORT: "0" };
    execFile(process.execPath, [join(import.meta.dirname, "../src/cli.ts"), ...words], { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

test("passwords load and status say what the list holds; a wrong file is named by line and rule, and never quoted", async () => {
  expect((await command("passwords", "status")).out).toContain("no list is loaded");
  const passwords = Array.from({ length: 5_000 }, (_, i) => `breached ${i}`);
  const list = join(folder, "pwned.txt");
  await writeFile(
    list,
    `${passwords
      .map((password) => `${sha1(password)}:2`)
      .toSorted()
      .join("\n")}\n`,
  );
  const loaded = await command("passwords", "load", list);
  expect(loaded).toMatchObject({ code: 0, err: "" });
  expect(loaded.out).toContain("5,000 breached passwords loaded");
  expect(loaded.out).toContain("1 in 512 others");
  const status = await command("passwords", "status", "--json");
  expect(JSON.parse(status.out)).toMatchObject({ passwords: 5_000, bytes: expect.any(Number) });

  await writeFile(list, "hunter2 in clear\n");
  const refused = await command("passwords", "load", list);
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toMatch(/^error: .*line 1: is not 40 hexadecimal digits, a colon and a count\n/);
  expect(refused.err).not.toContain("hunter2");
  expect((await command("passwords", "load")).code).toBe(2);
  expect(JSON.parse((await command("passwords", "status", "--json")).out)).toMatchObject({ passwords: 5_000 });
}, 60_000);

test("a service does not start over a list that is not whole, and says which file and what to do", async () => {
  await writeFile(breachedFileIn(join(folder, "data")), "half of a list");
  const refused = await command("serve");
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toMatch(
    /^error: .*breached-passwords is not a list of breached passwords\nhint: load the list again/m,
  );
  // Before the database and the keys are touched.
  expect(existsSync(join(folder, "data", "postgres"))).toBe(false);
}, 60_000);

test("a breached password is refused at sign-up over HTTP, where it was taken a moment before the list was loaded", async () => {
  const { ground } = service;
  const signUp = (password: string) =>
    service.call("POST", "/api/accounts", { body: { address: "ada@example.org", password } });
  expect((await signUp(goodPassword)).status).toBe(202);
  const list = join(folder, "one.txt");
  await writeFile(list, `${sha1(goodPassword)}:2\n`);
  const { dataDir } = ground.config;
  await loadBreached({ lists: [list], path: breachedFileIn(dataDir), now: ground.clock.now() });
  const refused = await signUp(goodPassword);
  expect(refused.status).toBe(400);
  expect(refused.text).toMatch(/1 good password in 512/);
  expect((await signUp(`${goodPassword} and more`)).status).toBe(202);
});
