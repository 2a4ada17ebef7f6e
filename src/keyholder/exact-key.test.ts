import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemRandom } from "../kernel/random.ts";
import { encodeChecked, writeDurably } from "./durable-file.ts";
import { exactKeyPath, openExactKeys, restoreExactKeys } from "./exact-key.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-exact-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const most = 1_000;
const write = (path: string, count: number): Promise<void> => {
  const keys = Array.from({ length: count }, () => randomBytes(32).toString("base64"));
  return writeDurably(path, encodeChecked("houselights exact keys 2", { keys }));
};
const open = () => openExactKeys({ random: systemRandom }, folder);

test("a file takes a thousand exact keys and no more, and stays one that can be read", async () => {
  await write(exactKeyPath(folder), most - 1);
  const keys = await open();
  await keys.rotate();
  expect(keys.all()).toHaveLength(most);
  const full = await readFile(exactKeyPath(folder));
  await expect(keys.rotate()).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  expect(keys.all()).toHaveLength(most);
  expect((await open()).all()).toEqual(keys.all());

  const backup = join(folder, "backup");
  await write(backup, 1);
  await expect(restoreExactKeys(backup, folder)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  expect(await readFile(exactKeyPath(folder))).toEqual(full);
});
