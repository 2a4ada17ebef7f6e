import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { forEachRole } from "./keyholder/permissions.ts";
import { readCredentials } from "./main.ts";

const folder = await mkdtemp(join(tmpdir(), "houselights-credentials-"));
afterAll(() => rm(folder, { recursive: true }));
const file = join(folder, "credentials.json");
const written = forEachRole((role) => Buffer.alloc(32, role).toString("base64url"));

test("the credentials of a keyholder elsewhere are read from its file, one for each role", async () => {
  await writeFile(file, JSON.stringify(written));
  const read = await readCredentials(file);
  expect(forEachRole((role) => Buffer.from(read[role].reveal()).toString("base64url"))).toEqual(written);
});

test.each([
  ["is not there", undefined],
  ["is no JSON", "{"],
  ["is of something else", "[]"],
  ["lacks a role", JSON.stringify({ ...written, operator: undefined })],
  ["has a role of another kind", JSON.stringify({ ...written, operator: 7 })],
])("a file that %s is refused by the setting's name, and nothing of it is said", async (_what, text) => {
  await rm(file, { force: true });
  if (text !== undefined) await writeFile(file, text);
  await expect(readCredentials(file)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: "KEYHOLDER_CREDENTIALS: the file cannot be read or is not one of ours",
  });
});
