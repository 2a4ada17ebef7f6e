import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { readGeneration, writeGeneration } from "./generation.ts";
import { encodeKeys, keysPath, parseKeys, rawPublicKey, ed25519KeyOf, withMissing } from "./keys.ts";
import { openFolder } from "./open-folder.ts";
import { closed, retired, rotated } from "./rotation.ts";

/** A file of keys that this version would not use as it was meant is refused, whatever its hash says. */
const needs = { random: systemRandom, clock: systemClock, log: silentLog };
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "houselights-keys-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Body {
  purposes: Record<
    string,
    {
      newest: number;
      retiredUpTo: number;
      published: Record<string, string>;
      versions: Record<string, { material: string; madeAt: number; closingSince: number | null }>;
    }
  >;
}

async function twice() {
  const keys = await rotated(needs, withMissing(needs), "sign.checkpoint", 1);
  return retired(needs, closed(needs, keys, "sign.checkpoint", 1), "sign.checkpoint", 1, 0);
}
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "der" });
const point = rawPublicKey(ed25519KeyOf(Buffer.alloc(32, 7))).toString("base64");

test.each<readonly [string, (body: Body) => unknown, RegExp]>([
  ["a purpose of a later version", ({ purposes }) => (purposes["sign.ticket"] = purposes["wrap"]!), /does not know/],
  ["no version that is in use", ({ purposes }) => (purposes["wrap"]!.newest = 2), /wrap is not usable/],
  ["a version that was retired", ({ purposes }) => (purposes["wrap"]!.retiredUpTo = 1), /wrap is not usable/],
  [
    "a published half of a version that was not retired",
    ({ purposes }) => (purposes["sign.checkpoint"]!.published["2"] = point),
    /sign.checkpoint is not usable/,
  ],
  [
    "half of a published half",
    ({ purposes }) => (purposes["sign.checkpoint"]!.published["1"] = point.slice(0, 20)),
    /sign.checkpoint is not usable/,
  ],
  [
    "a key of another kind",
    ({ purposes }) => (purposes["sign.grant"]!.versions["1"]!.material = rsa.toString("base64")),
    /sign.grant is not usable/,
  ],
  [
    "half a key",
    ({ purposes }) => (purposes["wrap"]!.versions["1"]!.material = Buffer.alloc(16, 7).toString("base64")),
    /wrap is not usable/,
  ],
  [
    "a version with no number",
    ({ purposes }) => (purposes["wrap"]!.versions["01"] = purposes["wrap"]!.versions["1"]!),
    /wrap is not usable/,
  ],
])("keys with %s are refused, and without it taken", async (_what, change, says) => {
  const body = JSON.parse(JSON.stringify(encodeKeys(await twice()))) as Body;
  expect(encodeKeys(parseKeys(body, "keys"))).toEqual(body);
  change(body);
  expect(() => parseKeys(body, "keys")).toThrow(says);
});

test("what a kill left between the keys and their generation is made good, and an older file is then refused", async () => {
  const first = await openFolder(needs, dir);
  const older = await readFile(keysPath(dir));
  await first.change((keys) => rotated(needs, keys, "wrap", 1));
  const { generation } = first.keys();
  expect(await readGeneration(dir)).toBe(generation);
  first.lock.release();
  await writeGeneration(dir, generation - 1);
  const second = await openFolder(needs, dir);
  expect(await readGeneration(dir)).toBe(generation);
  second.lock.release();
  await writeFile(keysPath(dir), older);
  await expect(openFolder(needs, dir)).rejects.toThrow(/an older file was put back/);
});
