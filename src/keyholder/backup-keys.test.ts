import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { epoch } from "../kernel/brand.ts";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { backupKeys, restoreKeys } from "./backup-keys.ts";
import { connectKeyholder } from "./client.ts";
import type { KeyholderClient } from "./client.ts";
import { writeDurably } from "./durable-file.ts";
import { backupExactKeys, exactKeyPath, restoreExactKeys } from "./exact-key.ts";
import { keysPath } from "./keys.ts";
import { startKeyholder } from "./supervise.ts";
import { endAfterEach } from "./test-endings.ts";
import { floorsAt, head, newAccountId } from "./test-values.ts";
import { readBook, witnessPath } from "./witness.ts";

const { temporaryFolder } = endAfterEach();

/** Runs the keyholder on the folder while `work` uses it as operator. */
async function whileRunning<Result>(
  keysDir: string,
  work: (operator: KeyholderClient) => Promise<Result>,
): Promise<Result> {
  const socketPath = join(keysDir, "keyholder.sock");
  const keyholder = await startKeyholder({ keysDir, socketPath, log: silentLog });
  const credential = keyholder.credentials.operator;
  const client = await connectKeyholder({ socketPath, role: "operator", credential, log: silentLog, waitMs: 10_000 });
  try {
    return await work(client);
  } finally {
    await client.close();
    await keyholder.stop();
  }
}

const accountId = newAccountId();
const place = { table: "account", column: "sealed_name", accountId };
const first = { floors: floorsAt(1), head: head(1) };

test("a backup made while it runs brings keys and witness back into an empty folder", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "keys.backup");
  const sealed = await whileRunning(join(folder, "keys"), async (operator) => {
    const dataKey = await operator.newDataKey(accountId);
    await operator.witness.enrol("db", first);
    await operator.witness.confirm("db", floorsAt(4));
    const value = { dataKey, place, sealed: await operator.seal(dataKey, place, "Ada") };
    await backupKeys(join(folder, "keys"), file);
    return value;
  });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await rm(join(folder, "keys"), { recursive: true });

  await restoreKeys(file, join(folder, "keys"));
  await whileRunning(join(folder, "keys"), async (operator) => {
    expect(await operator.open([sealed])).toEqual(["Ada"]);
    expect((await operator.witness.read("db", first)).floors).toEqual(floorsAt(4));
  });
});

test("restoring never takes the witness back, and keeps the keys it replaces", async () => {
  const folder = await temporaryFolder();
  const keysDir = join(folder, "keys");
  const file = join(folder, "keys.backup");
  await whileRunning(keysDir, async (operator) => {
    await operator.witness.enrol("db", first);
    await operator.witness.confirm("db", floorsAt(2, { tv: 3 }));
    await operator.witness.advance("db", head(5));
  });
  await backupKeys(keysDir, file);
  await whileRunning(keysDir, async (operator) => {
    await operator.witness.confirm("db", floorsAt(6));
    await operator.witness.advance("db", head(9));
    await operator.witness.enrol("later", first);
    await operator.witness.intend("later", { epoch: epoch(2), kinds: ["tv"], head: head(1) });
    await operator.dkimPublicKeys();
  });
  const before = await readBook(keysDir);
  const present = await readFile(keysPath(keysDir), "utf8");

  await expect(restoreKeys(file, keysDir)).rejects.toThrow("holds keys already");
  expect(await readFile(keysPath(keysDir), "utf8")).toBe(present);

  await restoreKeys(file, keysDir, { replace: true });
  expect(await readBook(keysDir)).toEqual(before);
  const [aside] = (await readdir(keysDir)).filter((name) => name.startsWith("keys.replaced-"));
  expect(await readFile(join(keysDir, aside ?? ""), "utf8")).toBe(present);
  await whileRunning(keysDir, (operator) => operator.counters());
});

test("lost keys come back beside a witness that is still there, which stays ahead", async () => {
  const folder = await temporaryFolder();
  const keysDir = join(folder, "keys");
  const file = join(folder, "keys.backup");
  const index = await whileRunning(keysDir, (operator) => operator.index("address", "ada@example.org"));
  await backupKeys(keysDir, file);
  await whileRunning(keysDir, (operator) => operator.witness.enrol("db", first));
  await rm(keysPath(keysDir));
  await restoreKeys(file, keysDir);
  expect((await readBook(keysDir))?.get("db")).toEqual({ ...first, intent: null });
  expect(await whileRunning(keysDir, (operator) => operator.index("address", "ada@example.org"))).toEqual(index);
});

test("keys that are being replaced stay in their place until the restored ones are, also where those cannot be written", async () => {
  const folder = await temporaryFolder();
  const [one, other, file] = [join(folder, "one"), join(folder, "other"), join(folder, "keys.backup")];
  for (const keysDir of [one, other]) await whileRunning(keysDir, (operator) => operator.newDataKey(accountId));
  await backupKeys(one, file);
  const before = await readFile(keysPath(other), "utf8");
  // In the way of the unfinished file, as a disk that takes nothing more.
  const inTheWay = join(other, ".keys.json.new");
  await mkdir(inTheWay);
  await expect(restoreKeys(file, other, { replace: true })).rejects.toMatchObject({ name: "Fault" });
  expect(await readFile(keysPath(other), "utf8")).toBe(before);
  await rmdir(inTheWay);
  await restoreKeys(file, other, { replace: true });
  expect(await readFile(keysPath(other), "utf8")).not.toBe(before);
  const [replaced] = (await readdir(other)).filter((name) => name.startsWith("keys.replaced-"));
  expect(await readFile(join(other, replaced ?? ""), "utf8")).toBe(before);
});

test("what cannot be put in its place leaves no part of itself beside it", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "keys.backup"));
  await expect(writeDurably(join(folder, "keys.backup"), "keys")).rejects.toMatchObject({ name: "Fault" });
  expect(await readdir(folder)).toEqual(["keys.backup"]);
});

test("a damaged backup, an unreadable witness in the way and a running keyholder are refused, and nothing changes", async () => {
  const folder = await temporaryFolder();
  const keysDir = join(folder, "keys");
  const file = join(folder, "keys.backup");
  await whileRunning(keysDir, (operator) => operator.counters());
  await backupKeys(keysDir, file);
  await expect(backupKeys(keysDir, file)).rejects.toThrow("exists already");
  await expect(backupKeys(join(folder, "none"), join(folder, "other"))).rejects.toThrow("holds no keys");
  const whole = await readFile(file, "utf8");
  const keys = await readFile(keysPath(keysDir), "utf8");

  for (const damaged of [whole.slice(0, -20), whole.replace(/(wrap.{30})./, "$1-"), keys, ""]) {
    await writeFile(file, damaged);
    await expect(restoreKeys(file, keysDir, { replace: true })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  }
  await writeFile(file, whole);
  await whileRunning(keysDir, async () => {
    await expect(restoreKeys(file, keysDir, { replace: true })).rejects.toThrow("another process holds the keys");
  });
  const witness = await readFile(witnessPath(keysDir), "utf8");
  await writeFile(witnessPath(keysDir), witness.slice(0, 10));
  await expect(restoreKeys(file, keysDir, { replace: true })).rejects.toThrow("witness.json is damaged");
  expect(await readFile(keysPath(keysDir), "utf8")).toBe(keys);
  await writeFile(witnessPath(keysDir), witness);
  await restoreKeys(file, keysDir, { replace: true });
});

/** The exact keys of a folder, oldest first, as they stand in the file. */
const exactKeysIn = async (path: string): Promise<string[]> =>
  (JSON.parse(await readFile(path, "utf8")) as { body: { keys: string[] } }).body.keys;

test("exact keys are rotated with that of password records, are in a backup of their own alone, and come back beside newer ones", async () => {
  const folder = await temporaryFolder();
  const keysDir = join(folder, "keys");
  const [keysFile, exactFile] = [join(folder, "keys.backup"), join(folder, "exact.backup")];
  const tag = Secret.fromText("0123456789abcdef");
  const record = await whileRunning(keysDir, async (operator) => {
    const old = await operator.sealPassword(accountId, tag);
    await operator.keys.rotate("wrap", 1);
    expect(await exactKeysIn(exactKeyPath(keysDir))).toHaveLength(1);
    await operator.keys.rotate("password", 1);
    expect(await exactKeysIn(exactKeyPath(keysDir))).toHaveLength(2);
    // A repeated call makes no second one.
    await operator.keys.rotate("password", 1);
    expect(await exactKeysIn(exactKeyPath(keysDir))).toHaveLength(2);
    const [again] = await operator.keys.rewrap("password", [accountId], [old]);
    expect(again?.length).toBe(old.length);
    expect(await operator.verifyPassword(accountId, again ?? Buffer.alloc(0), tag)).toBe(true);
    return again ?? Buffer.alloc(0);
  });
  await backupKeys(keysDir, keysFile);
  await backupExactKeys(keysDir, exactFile);
  await expect(backupExactKeys(keysDir, exactFile)).rejects.toThrow("exists already");
  expect((await stat(exactFile)).mode & 0o777).toBe(0o600);
  const before = await exactKeysIn(exactFile);
  const text = await readFile(keysFile, "utf8");
  for (const key of before) expect(text).not.toContain(key);

  await rm(keysDir, { recursive: true });
  await restoreKeys(keysFile, keysDir);
  await whileRunning(keysDir, async (operator) => {
    // By its filter alone.
    expect(await operator.verifyPassword(accountId, record, tag)).toBe(true);
    await expect(restoreExactKeys(exactFile, keysDir)).rejects.toThrow("another process holds the keys");
  });
  const [made] = await exactKeysIn(exactKeyPath(keysDir));
  for (const damaged of [text, "{}", (await readFile(exactFile, "utf8")).slice(0, -9)]) {
    const file = join(folder, "damaged.backup");
    await rm(file, { force: true });
    await writeFile(file, damaged, { mode: 0o600 });
    await expect(restoreExactKeys(file, keysDir)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  }
  await restoreExactKeys(exactFile, keysDir);
  await restoreExactKeys(exactFile, keysDir);
  expect(await exactKeysIn(exactKeyPath(keysDir))).toEqual([...before, made]);
  await whileRunning(keysDir, async (operator) => {
    expect(await operator.verifyPassword(accountId, record, tag)).toBe(true);
    expect(await operator.verifyPassword(accountId, record, Secret.fromText("fedcba9876543210"))).toBe(false);
  });
});

test("an exact key from before they were rotated is read, and stays when another is made", async () => {
  const folder = await temporaryFolder();
  const keysDir = join(folder, "keys");
  await whileRunning(keysDir, (operator) => operator.counters());
  const body = { key: Buffer.alloc(32, 7).toString("base64") };
  const sha256 = createHash("sha256").update(JSON.stringify(body)).digest("hex");
  await writeFile(exactKeyPath(keysDir), JSON.stringify({ format: "houselights exact key 1", sha256, body }));
  await whileRunning(keysDir, (operator) => operator.keys.rotate("password", 1));
  const keys = await exactKeysIn(exactKeyPath(keysDir));
  expect([keys.length, keys[0]]).toEqual([2, body.key]);
});
