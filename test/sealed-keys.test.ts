import { execFile, execFileSync, spawn } from "node:child_process";
import { copyFile, readFile, readdir, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { connectKeyholder } from "../src/keyholder/client.ts";
import { exactKeyPath } from "../src/keyholder/exact-key.ts";
import type { KeyPurpose } from "../src/keyholder/keyholder.ts";
import { keyPurposes } from "../src/keyholder/keys.ts";
import { moduleSeal } from "../src/keyholder/module-seal.ts";
import { socketPathFor } from "../src/keyholder/socket-path.ts";
import { startKeyholder } from "../src/keyholder/supervise.ts";
import { newAccountId } from "../src/keyholder/test-values.ts";
import { newLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import { programEnvironment } from "./program-environment.ts";
import { softHsm, takeKeyFrom, type SoftHsm } from "./soft-hsm.ts";

/** The file of keys as an operator seals it: every command as it is typed on the host. */
let folder = "";
let database = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-sealed-"));
  const db = await testDatabase();
  const { database: name, host } = testConnection(String(db.pool.options.database));
  database = `postgres://houselights@localhost:5432/${name}?host=${encodeURIComponent(String(host))}`;
  await writeFile(join(folder, "passphrase"), "seven lanterns over the harbour\n", { mode: 0o600 });
  await writeFile(join(folder, "other"), "eleven boats went out at dawn\n", { mode: 0o600 });
  await writeFile(join(folder, "short"), "too short\n", { mode: 0o600 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
type Settings = Readonly<Record<string, string>>;

const cli = join(import.meta.dirname, "../src/cli.ts");
const settingsOf = (data: string, more: Settings): Settings => ({
  ...programEnvironment,
  HOME: folder,
  DATA_DIR: join(folder, data),
  LIBRARY_DIR: join(folder, "library"),
  LOG_LEVEL: "silent",
  ...more,
});

const command = (data: string, more: Settings, ...words: string[]): Promise<Said> =>
  new Promise((resolve) => {
    execFile(process.execPath, [cli, ...words], { env: settingsOf(data, more) }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

const keysFile = (data: string): string => join(folder, data, "keys", "keys.json");

/** Runs the keyholder alone until it says where it listens, or ends. @returns whether it started. */
async function starts(data: string, more: Settings = {}): Promise<boolean> {
  await mkdir(join(folder, data), { recursive: true, mode: 0o700 });
  const child = spawn(process.execPath, [cli, "keyholder"], {
    env: settingsOf(data, more),
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let said = "";
  const listens = new Promise<boolean>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
      if (said.includes("KEYHOLDER_CREDENTIALS=")) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  const started = await listens;
  child.kill("SIGTERM");
  await ended;
  return started;
}

/** A refusal leaves the file as it was, and quotes neither passphrase nor PIN. */
async function refuses(data: string, more: Settings, words: readonly string[], said: RegExp): Promise<void> {
  const before = await readFile(keysFile(data), "utf8").catch(() => "none");
  const { code, err } = await command(data, more, ...words);
  expect([words, code === 1 || code === 2 || code === 3]).toEqual([words, true]);
  expect(err).toMatch(said);
  for (const secret of ["lanterns", "boats", "too short", "2468", "0000"]) expect(err).not.toContain(secret);
  expect(await readFile(keysFile(data), "utf8").catch(() => "none")).toBe(before);
}

test("keys seal and unseal by passphrase, with every wrong argument refused and nothing changed", async () => {
  const right = { KEYS_PASSPHRASE_FILE: join(folder, "passphrase") };
  const other = { KEYS_PASSPHRASE_FILE: join(folder, "other") };
  await refuses("one", right, ["keys", "seal"], /^error: .*holds no keys/);
  expect(await starts("one")).toBe(true);
  const clear = await readFile(keysFile("one"), "utf8");
  expect(clear).toContain('"material"');

  await refuses("one", {}, ["keys", "seal"], /nothing to seal with\nhint: set KEYS_PASSPHRASE_FILE or KEYS_MODULE/);
  await refuses("one", { KEYS_PASSPHRASE_FILE: join(folder, "none") }, ["keys", "seal"], /file cannot be read/);
  await refuses("one", { KEYS_PASSPHRASE_FILE: join(folder, "short") }, ["keys", "seal"], /15 to 1024 characters/);
  await refuses("one", right, ["keys", "seal", "--passphrase", "x"], /passphrase/);
  await refuses("one", right, ["keys", "seal", "more"], /./);
  await refuses("one", right, ["keys", "unseal"], /nothing was changed\nhint: --yes/);

  expect(await command("one", right, "keys", "seal")).toMatchObject({ code: 0, err: "" });
  expect(await readFile(keysFile("one"), "utf8")).not.toContain('"material"');
  expect([await starts("one"), await starts("one", other), await starts("one", right)]).toEqual([false, false, true]);
  await refuses("one", other, ["keys", "unseal", "--yes"], /do not open: another passphrase/);
  await refuses("one", {}, ["keys", "unseal", "--yes"], /sealed by a passphrase: set KEYS_PASSPHRASE_FILE/);

  const anew = ["keys", "seal", "--new-passphrase-file"];
  await refuses("one", right, [...anew, join(folder, "short")], /--new-passphrase-file: .* 15 to 1024 characters/);
  expect(await command("one", right, ...anew, join(folder, "other"))).toMatchObject({ code: 0 });
  expect([await starts("one", right), await starts("one", other)]).toEqual([false, true]);
  expect(await command("one", other, "keys", "unseal", "--yes")).toMatchObject({ code: 0 });
  expect(await starts("one")).toBe(true);
}, 120_000);

test("systemd's credential is the passphrase; a running keyholder keeps its file to itself", async () => {
  const credentials = join(folder, "credentials");
  await mkdir(credentials);
  await writeFile(join(credentials, "keys-passphrase"), "seven lanterns over the harbour", { mode: 0o400 });
  const bySystemd = { CREDENTIALS_DIRECTORY: credentials };
  expect(await starts("two", bySystemd)).toBe(true);
  expect(await readFile(keysFile("two"), "utf8")).toContain('"by":"passphrase"');
  expect([await starts("two"), await starts("two", bySystemd)]).toEqual([false, true]);
  // A folder of credentials without ours says nothing.
  await rename(join(credentials, "keys-passphrase"), join(credentials, "another"));
  expect(await starts("two", bySystemd)).toBe(false);

  const running = spawn(process.execPath, [cli, "keyholder"], {
    env: settingsOf("two", { KEYS_PASSPHRASE_FILE: join(folder, "passphrase") }),
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise((resolve) => running.once("exit", resolve));
  await new Promise((resolve) => running.stdout.once("data", resolve));
  const right = { KEYS_PASSPHRASE_FILE: join(folder, "passphrase") };
  await refuses("two", right, ["keys", "unseal", "--yes"], /another process holds the keys/);
  running.kill("SIGTERM");
  await ended;
}, 120_000);

test("a backup of sealed keys is sealed, and is restored with its passphrase alone", async () => {
  const right = { DATABASE_URL: database, KEYS_PASSPHRASE_FILE: join(folder, "passphrase") };
  const other = { ...right, KEYS_PASSPHRASE_FILE: join(folder, "other") };
  expect(await starts("three", right)).toBe(true);
  const [rows, keys] = [join(folder, "database.backup"), join(folder, "keys.backup")];
  expect(await command("three", right, "backup", rows, "--keys", keys)).toMatchObject({ code: 0, err: "" });
  expect(await readFile(keys, "utf8")).not.toContain('"material"');
  await refuses("four", other, ["restore", "--keys", keys, "--yes"], /do not open: another passphrase/);
  const { KEYS_PASSPHRASE_FILE: _, ...without } = right;
  await refuses("four", without, ["restore", "--keys", keys, "--yes"], /sealed by a passphrase/);
  expect(await command("four", right, "restore", "--keys", keys, "--yes")).toMatchObject({ code: 0 });
  expect([await starts("four", other), await starts("four", right)]).toEqual([false, true]);
}, 120_000);

test("a file of keys that is not the one it must be stops the start, which says so, ends, and writes nothing", async () => {
  const right = { KEYS_PASSPHRASE_FILE: join(folder, "passphrase") };
  const other = { KEYS_PASSPHRASE_FILE: join(folder, "other") };
  const keysDir = join(folder, "eight", "keys");
  const kept = async (): Promise<string[]> => {
    const names = (await readdir(keysDir)).filter((name) => /\.(json|key)$/.test(name)).toSorted();
    return Promise.all(names.map(async (name) => `${name} ${await readFile(join(keysDir, name), "utf8")}`));
  };
  expect(await starts("eight", right)).toBe(true);
  const older = await readFile(keysFile("eight"), "utf8");
  expect(await command("eight", right, "keys", "seal")).toMatchObject({ code: 0 });
  const newest = await readFile(keysFile("eight"), "utf8");
  const bad: readonly (readonly [string, Settings, RegExp])[] = [
    [newest, other, /^error: .*the keys do not open: another passphrase/m],
    [newest, {}, /^error: .*sealed by a passphrase: set KEYS_PASSPHRASE_FILE/m],
    [newest.slice(0, newest.length / 2), right, /^error: .*keys\.json is damaged/m],
    [older, right, /^error: .*has keys of generation \d+ where \d+ was the last: an older file was put back/m],
  ];
  for (const [text, settings, said] of bad) {
    await writeFile(keysFile("eight"), text);
    const before = await kept();
    expect(before.length).toBeGreaterThan(2);
    await refuses("eight", settings, ["keyholder"], said);
    expect(await kept()).toEqual(before);
  }
  await writeFile(keysFile("eight"), newest);
  expect(await starts("eight", right)).toBe(true);
}, 120_000);

test("settings that contradict each other are refused together, by name and rule", async () => {
  const both = {
    KEYS_MODULE: "softhsm.so",
    KEYS_MODULE_ENVIRONMENT: "A=b",
    KEYS_PASSPHRASE_FILE: join(folder, "passphrase"),
  };
  const { code, err } = await command("five", both, "keys", "seal");
  expect(code).not.toBe(0);
  for (const said of [
    /KEYS_PASSPHRASE_FILE.*must not be set together with KEYS_MODULE/,
    /KEYS_MODULE.*must be the absolute path of a PKCS #11 library/,
    /KEYS_MODULE_TOKEN.*must be a token's label/,
    /KEYS_MODULE_PIN_FILE.*must name a file/,
    /KEYS_MODULE_ENVIRONMENT.*must be names of variables/,
  ]) {
    expect(err).toMatch(said);
  }
}, 60_000);

test("a hardware module seals the keys; without it nothing starts or changes, and all goes on when it is back", async (context) => {
  const module = await softHsm(folder);
  if (typeof module === "string") {
    console.warn(`not tested: ${module}`);
    return context.skip(module);
  }
  const [pin, wrongPin] = [join(folder, "pin"), join(folder, "wrong-pin")];
  await writeFile(pin, `${module.pin}\n`, { mode: 0o600 });
  await writeFile(wrongPin, "0000\n", { mode: 0o600 });
  const settings = {
    ...module.env,
    KEYS_MODULE: module.library,
    KEYS_MODULE_TOKEN: module.token,
    KEYS_MODULE_PIN_FILE: pin,
    KEYS_MODULE_ENVIRONMENT: "SOFTHSM2_CONF",
  };
  expect(await starts("six")).toBe(true);
  // No master key yet: only the command makes one.
  expect(await starts("six", settings)).toBe(false);
  expect(await readFile(keysFile("six"), "utf8")).toContain('"material"');
  await refuses("six", { ...settings, KEYS_MODULE_PIN_FILE: wrongPin }, ["keys", "seal"], /refuses the PIN/);
  expect(await command("six", settings, "keys", "seal")).toMatchObject({ code: 0, err: "" });
  expect(await readFile(keysFile("six"), "utf8")).toContain('"by":"module"');
  expect(takeKeyFrom(module)).toBe("CKR_ATTRIBUTE_SENSITIVE");
  expect([await starts("six"), await starts("six", settings)]).toEqual([false, true]);

  await refuses("six", {}, ["keys", "unseal", "--yes"], /sealed by a hardware module: set KEYS_MODULE/);
  const unseal = ["keys", "unseal", "--yes"];
  await refuses("six", { ...settings, KEYS_MODULE_TOKEN: "another" }, unseal, /has not the token/);
  await refuses("six", { ...settings, KEYS_MODULE: join(folder, "gone.so") }, unseal, /does not answer/);
  await refuses("six", { ...settings, KEYS_MODULE_KEY: "another" }, unseal, /has not the master key/);
  await rename(module.tokens, `${module.tokens}.away`);
  await refuses("six", settings, unseal, /has not the token|does not answer/);
  expect(await starts("six", settings)).toBe(false);
  await rename(`${module.tokens}.away`, module.tokens);
  expect(await starts("six", settings)).toBe(true);
  expect(await command("six", settings, ...unseal)).toMatchObject({ code: 0, err: "" });
  expect(await starts("six")).toBe(true);
}, 300_000);

/** A module whose every part can be taken away, in a folder of its own. */
async function ownModule(name: string): Promise<SoftHsm | string> {
  const place = join(folder, name);
  await mkdir(place);
  const module = await softHsm(place);
  if (typeof module === "string") return module;
  const library = join(place, "module.so");
  await copyFile(module.library, library);
  return { ...module, library };
}

/** Puts something else where a file or folder is. @returns what puts the first back. */
async function inPlaceOf(path: string, put?: () => Promise<void>): Promise<() => Promise<void>> {
  await rename(path, `${path}.away`);
  await put?.();
  return async () => {
    await rm(path, { recursive: true, force: true });
    await rename(`${path}.away`, path);
  };
}

test("a hardware module that goes away under a running keyholder stops changes of keys and nothing else", async (context) => {
  const module = await ownModule("away");
  if (typeof module === "string") {
    console.warn(`not tested: ${module}`);
    return context.skip(module);
  }
  const pinFile = join(folder, "away", "pin");
  await writeFile(pinFile, `${module.pin}\n`, { mode: 0o600 });
  const { library, token } = module;
  const settings = {
    ...module.env,
    DATABASE_URL: database,
    KEYS_MODULE: library,
    KEYS_MODULE_TOKEN: token,
    KEYS_MODULE_PIN_FILE: pinFile,
    KEYS_MODULE_ENVIRONMENT: "SOFTHSM2_CONF",
  };
  expect(await starts("seven")).toBe(true);
  expect(await command("seven", settings, "keys", "seal")).toMatchObject({ code: 0, err: "" });

  const keysDir = join(folder, "seven", "keys");
  const socketPath = await socketPathFor(keysDir);
  const lines: string[] = [];
  const log = newLog("test", "error", { write: (line: string) => void lines.push(line) });
  const sealed = {
    by: "module",
    module: { ...module, keyLabel: "houselights", pin: Secret.fromText(module.pin) },
  } as const;
  const keyholder = await startKeyholder({ keysDir, socketPath, sealing: { ...sealed, environment: module.env }, log });
  const credential = keyholder.credentials.operator;
  const client = await connectKeyholder({ socketPath, role: "operator", credential, log, waitMs: 5_000 });
  try {
    const accountId = newAccountId();
    const place = { table: "account", column: "sealed_name", accountId };
    const tag = new Secret(Buffer.alloc(32, 7));
    const dataKey = await client.newDataKey(accountId);
    const value = { dataKey, place, sealed: await client.seal(dataKey, place, "Ada") };
    const record = await client.sealPassword(accountId, tag);
    const index = await client.index("address", "ada@example.org");
    const works = async (): Promise<void> => {
      expect(await client.open([value])).toEqual(["Ada"]);
      expect(await client.verifyPassword(accountId, record, tag)).toBe(true);
      expect((await client.index("address", "ada@example.org")).includes(index)).toBe(true);
      const again = { dataKey, place, sealed: await client.seal(dataKey, place, "Bob") };
      expect(await client.open([again])).toEqual(["Bob"]);
    };
    const written = async (): Promise<string[]> =>
      Promise.all(
        [keysFile("seven"), exactKeyPath(keysDir), join(keysDir, "generation.json")].map((path) =>
          readFile(path, "utf8"),
        ),
      );

    await client.keys.rotate("password", 1);
    const before = [await written(), await client.keys.states()];
    const tokens = (pin: string, label: string) => async (): Promise<void> => {
      await mkdir(module.tokens);
      const words = ["--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "135790"];
      execFileSync("softhsm2-util", words, { env: { ...process.env, ...module.env }, stdio: "ignore" });
    };
    const ways: Readonly<Record<string, [string, RegExp, () => Promise<() => Promise<void>>]>> = {
      "its library is gone": ["KEYHOLDER_UNAVAILABLE", /does not answer/, () => inPlaceOf(library)],
      "its library is damaged": [
        "KEYHOLDER_UNAVAILABLE",
        /does not answer/,
        () => inPlaceOf(library, () => writeFile(library, "none")),
      ],
      "its token is taken out": [
        "KEYHOLDER_UNAVAILABLE",
        /has not the token|does not answer/,
        () => inPlaceOf(module.tokens),
      ],
      "it takes another PIN": [
        "CONFIG_INVALID",
        /refuses the PIN \(CKR_PIN/,
        () => inPlaceOf(module.tokens, tokens("9753", token)),
      ],
      "it is another": [
        "CONFIG_INVALID",
        /has not the master key/,
        () => inPlaceOf(module.tokens, tokens(module.pin, token)),
      ],
    };
    for (const [way, [code, said, takeAway]] of Object.entries(ways)) {
      const bringBack = await takeAway();
      const refusal = await client.keys.rotate("password", 2).catch((thrown: unknown) => thrown);
      expect(refusal, way).toMatchObject({ code, message: expect.stringMatching(said) });
      expect([await written(), await client.keys.states()], way).toEqual(before);
      await works();
      await bringBack();
    }

    // In the middle of changing every key.
    const credentials = Object.fromEntries(
      Object.entries(keyholder.credentials).map(([role, secret]) => [
        role,
        Buffer.from(secret.reveal()).toString("base64url"),
      ]),
    );
    const file = join(folder, "away", "credentials.json");
    await writeFile(file, JSON.stringify(credentials), { mode: 0o600 });
    const served = { ...settings, KEYHOLDER_URL: `unix:${socketPath}`, KEYHOLDER_CREDENTIALS: file };
    const [whole] = await written();
    const rotating = command("seven", served, "keys", "rotate", "--yes");
    await expect.poll(async () => (await written())[0] !== whole, { timeout: 60_000, interval: 5 }).toBe(true);
    const bringBack = await inPlaceOf(module.tokens);
    const { code, out, err } = await rotating;
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(
      /^error: the hardware module (has not the token|does not answer)[^\n]*; nothing was changed\nhint: wrap 2\n/,
    );
    const left = [...err.matchAll(/houselights keys rotate --purpose (\S+)/g)].map(
      ([, purpose]) => purpose as KeyPurpose,
    );
    expect(left.length).toBeGreaterThan(0);
    const madeBefore = (await client.keys.states()).states.filter(({ versions }) =>
      versions.some(({ version }) => version >= 2),
    );
    const made = new Set(madeBefore.map(({ purpose }) => purpose));
    expect(keyPurposes.filter((purpose) => !made.has(purpose) && !left.includes(purpose))).toEqual([]);
    expect(left.filter((purpose) => made.has(purpose))).toEqual(["password"]);
    await works();

    // Killed while the module is away it stays away, says why, and comes back with the module.
    const half = await written();
    process.kill(keyholder.pid(), "SIGKILL");
    await expect
      .poll(() => lines.join(""), { timeout: 60_000 })
      .toMatch(/did not start: the hardware module (has not the token|does not answer)/);
    await expect(client.open([value])).rejects.toMatchObject({ code: "KEYHOLDER_UNAVAILABLE" });
    expect(await written()).toEqual(half);
    await bringBack();
    await expect
      .poll(
        () =>
          works().then(
            () => true,
            () => false,
          ),
        { timeout: 60_000 },
      )
      .toBe(true);
    for (const purpose of left.filter((each) => each !== "dkim" && each !== "signal")) {
      await client.keys.rotate(purpose, purpose === "password" ? 2 : 1);
    }
    await works();
    const [again] = await client.keys.rewrap("data-key", [accountId], [dataKey]);
    expect(await client.open([{ ...value, dataKey: again! }])).toEqual(["Ada"]);
    for (const secret of [module.pin, "9753"]) expect(lines.join("")).not.toContain(`"${secret}"`);
  } finally {
    await client.close();
    await keyholder.stop();
  }
}, 300_000);

test("a hardware module that never answers is given up, and keeps nobody else waiting", async (context) => {
  const module = await ownModule("silent");
  if (typeof module === "string") {
    console.warn(`not tested: ${module}`);
    return context.skip(module);
  }
  // Its library reads this file of a token, and what is there now never ends.
  const [slot = ""] = await readdir(module.tokens);
  const bringBack = await inPlaceOf(join(module.tokens, slot, "token.object"), () =>
    Promise.resolve(void execFileSync("mkfifo", [join(module.tokens, slot, "token.object")])),
  );
  const [name, conf] = Object.entries(module.env)[0]!;
  const own = process.env[name];
  process.env[name] = conf;
  try {
    const settings = { ...module, keyLabel: "houselights", pin: Secret.fromText(module.pin) };
    let turns = 0;
    const turning = setInterval(() => turns++, 10);
    const waiting = moduleSeal({ random: systemRandom, waitMs: 1_500 }, settings).seal("keys");
    await expect(waiting).rejects.toThrow(/does not answer \(not within 1.5 seconds\); nothing was changed/);
    clearInterval(turning);
    expect(turns).toBeGreaterThan(10);
    await bringBack();
    await expect(moduleSeal({ random: systemRandom }, settings).seal("keys")).rejects.toThrow("has not the master key");
  } finally {
    if (own === undefined) delete process.env[name];
    else process.env[name] = own;
  }
}, 60_000);
