import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { backupKeys, restoreKeys } from "./backup-keys.ts";
import { connectKeyholder } from "./client.ts";
import { passphraseSeal, type KeySeal } from "./key-seal.ts";
import { keysPath } from "./keys.ts";
import { sealFolder } from "./seal-folder.ts";
import type { Sealing } from "./sealing.ts";
import { socketPathFor } from "./socket-path.ts";
import { startKeyholder } from "./supervise.ts";
import { endAfterEach } from "./test-endings.ts";

const { temporaryFolder } = endAfterEach();

const passphrase = Secret.fromText("seven lanterns over the harbour");
const byPassphrase: Sealing = { by: "passphrase", passphrase };
const wrong: Sealing = { by: "passphrase", passphrase: Secret.fromText("eleven boats went out at dawn") };
const seal = (sealing: Sealing & { by: "passphrase" }) => passphraseSeal({ random: systemRandom }, sealing.passphrase);

/** Starts the keyholder, asks it for one index, and makes one more key. @returns the index. */
async function askOnce(keysDir: string, sealing?: Sealing): Promise<string> {
  const keyholder = await startKeyholder({
    keysDir,
    socketPath: await socketPathFor(keysDir),
    sealing,
    log: silentLog,
  });
  const { socketPath, credentials } = keyholder;
  const options = {
    socketPath,
    role: "operator",
    credential: credentials.operator,
    log: silentLog,
    waitMs: 10_000,
  } as const;
  const client = await connectKeyholder(options);
  try {
    const index = await client.index("address", "ada@example.org");
    const { states } = await client.keys.states();
    await client.keys.rotate(
      "code.renewal",
      Math.max(...states.find((one) => one.purpose === "code.renewal")!.versions.map((one) => one.version)),
    );
    await client.keys.close("code.renewal", states.find((one) => one.purpose === "code.renewal")!.newest);
    return index.toString("hex");
  } finally {
    await client.close();
    await keyholder.stop();
  }
}

async function refused(keysDir: string, sealing: Sealing | undefined, message: RegExp): Promise<void> {
  const before = await readFile(keysPath(keysDir));
  await expect(askOnce(keysDir, sealing)).rejects.toThrow(message);
  expect(await readFile(keysPath(keysDir))).toEqual(before);
}

test("keys that lie in clear are sealed when a passphrase is given, and open with it alone", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const index = await askOnce(keysDir);
  const clear = JSON.parse(await readFile(keysPath(keysDir), "utf8"));
  // The start alone does it, before anything is asked for.
  const sealing = { keysDir, socketPath: await socketPathFor(keysDir), sealing: byPassphrase, log: silentLog };
  await (await startKeyholder(sealing)).stop();
  const text = await readFile(keysPath(keysDir), "utf8");
  expect(await askOnce(keysDir, byPassphrase)).toBe(index);
  expect(text).toMatch(/^\{"format":"houselights sealed keys 1"/);
  for (const ring of Object.values<{ versions: Record<string, { material: string }> }>(clear.body.purposes)) {
    for (const { material } of Object.values(ring.versions)) expect(text).not.toContain(material.slice(-30));
  }
  await refused(keysDir, undefined, /sealed by a passphrase: set KEYS_PASSPHRASE_FILE/);
  await refused(keysDir, wrong, /do not open: another passphrase/);
  expect(await askOnce(keysDir, byPassphrase)).toBe(index);
});

test("a passphrase is the same however its accents are spelled, and each writing has a nonce of its own", async () => {
  const [composed, decomposed] = ["NFC", "NFD"].map((form) =>
    passphraseSeal({ random: systemRandom }, Secret.fromText("hôtel aux volets fermés".normalize(form))),
  ) as [KeySeal, KeySeal];
  const [one, other] = [await composed.seal("keys"), await composed.seal("keys")];
  expect(await decomposed.open(one)).toBe("keys");
  expect(one.nonce).not.toBe(other.nonce);
});

test("a half-written or changed sealed file is refused, and left as it is", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const index = await askOnce(keysDir, byPassphrase);
  const whole = await readFile(keysPath(keysDir), "utf8");
  await writeFile(keysPath(keysDir), whole.slice(0, 300));
  await refused(keysDir, byPassphrase, /keys\.json is damaged/);
  // The file's own hash is made to fit: costs, a word that the key does not depend on, and costs that nobody can pay.
  const { body, format } = JSON.parse(whole);
  for (const [change, said] of [
    [{ passes: body.key.passes + 1 }, /do not open/],
    [{ kdf: "another" }, /do not open/],
    [{ passes: 17 }, /does not know/],
    [{ memoryKib: 1024 * 1024 + 1 }, /does not know/],
  ] as const) {
    const changed = { ...body, key: { ...body.key, ...change } };
    const sha256 = createHash("sha256").update(JSON.stringify(changed)).digest("hex");
    await writeFile(keysPath(keysDir), JSON.stringify({ format, sha256, body: changed }));
    await refused(keysDir, byPassphrase, said);
  }
  await writeFile(keysPath(keysDir), whole);
  expect(await askOnce(keysDir, byPassphrase)).toBe(index);
});

test("a backup of sealed keys is sealed, and comes back with the passphrase alone", async () => {
  const folder = await temporaryFolder();
  const keysDir = join(folder, "keys");
  const file = join(folder, "keys.backup");
  const index = await askOnce(keysDir, byPassphrase);
  await backupKeys(keysDir, file);
  expect(await readFile(file, "utf8")).not.toContain('"material"');
  const elsewhere = join(folder, "elsewhere");
  await expect(restoreKeys(file, elsewhere)).rejects.toThrow(/sealed by a passphrase/);
  await expect(
    restoreKeys(file, elsewhere, { seal: seal(wrong as typeof byPassphrase & { by: "passphrase" }) }),
  ).rejects.toThrow(/do not open/);
  await restoreKeys(file, elsewhere, { seal: seal(byPassphrase as typeof byPassphrase & { by: "passphrase" }) });
  expect(await readFile(keysPath(elsewhere), "utf8")).not.toContain('"material"');
  expect(await askOnce(elsewhere, byPassphrase)).toBe(index);
});

test("a passphrase is changed, and taken away", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const index = await askOnce(keysDir, byPassphrase);
  const [old, other] = [byPassphrase, wrong] as (Sealing & { by: "passphrase" })[];
  await sealFolder(keysDir, seal(old!), seal(other!));
  await refused(keysDir, byPassphrase, /do not open/);
  expect(await askOnce(keysDir, wrong)).toBe(index);
  await sealFolder(keysDir, seal(other!), undefined);
  expect(await askOnce(keysDir)).toBe(index);
});
