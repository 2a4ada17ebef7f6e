import { readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { epoch } from "../kernel/brand.ts";
import { silentLog } from "../kernel/log.ts";
import { backupKeys, restoreKeys } from "./backup-keys.ts";
import { connectKeyholder } from "./client.ts";
import type { KeyholderClient } from "./client.ts";
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
