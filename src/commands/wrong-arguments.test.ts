import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { signatureTypes, verifierKey, verifierKeyText } from "../timeline/note.ts";

const cli = join(import.meta.dirname, "..", "cli.ts");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-arguments-"));
  const { publicKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const log = verifierKeyText(verifierKey("log.example", raw, signatureTypes.ed25519));
  await writeFile(join(folder, "logs"), `log ${log}\nquorum none\n`);
});
afterAll(() => rm(folder, { recursive: true }));

/** What a command says on standard error, and its exit code. */
const said = (...words: string[]): Promise<{ code: unknown; error: string }> => saidWith({}, ...words);
function saidWith(
  settings: Readonly<Record<string, string>>,
  ...words: string[]
): Promise<{ code: unknown; error: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, DATA_DIR: join(folder, "data"), ...settings };
    execFile(process.execPath, [cli, ...words], { env, cwd: folder }, (error, _stdout, stderr) =>
      resolve({ code: error?.code ?? 0, error: stderr }),
    );
  });
}

test("what would steer a terminal is refused wherever it stands, and is not said again", async () => {
  for (const words of [
    ["incident", "contain", "--yes", "--reason", "stolen\u001b[2J"],
    ["account", "export", "ada\u202e@example.org"],
  ]) {
    const refused = await said(...words);
    expect(refused).toMatchObject({ code: 2, error: expect.stringMatching(/^error: a control character does not/) });
    // oxlint-disable-next-line no-control-regex -- these are what must not be there
    expect(refused.error).not.toMatch(/[\u001b\u202e]/);
  }
  expect(await readdir(folder)).toEqual(["logs"]);
});

test("a database that does not answer has an exit code of its own, and is said with what to do", async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), "houselights-away-"));
  const settings = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none", DATA_DIR: elsewhere };
  const away = await saidWith(settings, "incident", "status").finally(() => rm(elsewhere, { recursive: true }));
  expect(away.code).toBe(3);
  expect(away.error).toMatch(
    /^error: the database does not answer \(ECONNREFUSED\)\nhint: start PostgreSQL, or look at/,
  );
});

test("an option that is given twice is refused by name, unless it may be; nobody would know which was taken", async () => {
  const twice = await said("incident", "contain", "--yes", "--reason", "stolen", "--reason", "a slip");
  expect(twice).toMatchObject({ code: 2, error: expect.stringMatching(/^error: --reason is given twice\n/) });
  expect(await readdir(folder)).toEqual(["logs"]);
  const proofs = await said("timeline", "verify", "--policy", "logs", "--proof", "one", "--proof", "two");
  expect(proofs).toMatchObject({ code: 2, error: expect.stringMatching(/^error: one: it cannot be read/) });
});

const closed = ["--closed-at", "2026-11-22T22:00:00Z"];

test.each([
  [
    ["contain", "--account", "00000000-0000-7000-8000-000000000000", "--keep-tools", "--yes"],
    "--keep-tools and --account",
  ],
  [["contain", "--account", "00000000-0000-7000-8000-000000000000", "--with-renewal"], "--with-renewal and --account"],
  [["contain", "--account", "00000000-0000-7000-8000-000000000000", "--keys"], "--keys and --account"],
  [["contain", "--account", "ada@example.org", "--yes"], "--account must be an account id"],
  [["contain", "--reason", "x".repeat(501), "--yes"], "--reason is at most 500 characters"],
  [["contain", "now"], "there are too many words"],
  [["open", "--alarm", "00000000-0000-7000-8000-000000000000", "--reason", "stolen"], "--alarm and --reason"],
  [["open", "--reason", "stolen", "--copied-at", "yesterday"], "an instant is not ISO 8601"],
  [["open", "--reason", "stolen", "--copied-at", "2026-02-30T00:00:00Z"], "an instant is not ISO 8601"],
  [["open", "--reason", "stolen", "--data", "addresses, cards"], "--data names something that is not kept"],
  [["open", "--reason", "stolen", "--data", ""], "--data names something that is not kept"],
  [["open", "--reason", "stolen", "--keys", "maybe"], "--keys is no, unknown or yes"],
  [["open", "--reason", "stolen", "--found-by", " "], "--found-by is a text of at most 200 characters"],
  [["open", "--alarm", "00000000-0000-7000-8000-000000000000", "--keys", "no"], "--alarm and --keys"],
  [["amend"], "nothing was said that is known by now"],
  [["amend", "--reason", "another"], "unknown option '--reason'"],
  [["amend", "--copied-at", "yesterday"], "an instant is not ISO 8601"],
  [["notify", "--to", "00000000-0000-7000-8000-000000000000", "--yes"], "--to goes with --test"],
  [["way-in", "--what", "x".repeat(1_001), ...closed, "--evidence", "a ticket"], "--what is at most 1000 characters"],
  [["way-in", "--what", "a key", ...closed, "--evidence", "x".repeat(2_001)], "--evidence is at most 2000 characters"],
  [["review", "keys", "--state", "done", "--note", "x".repeat(1_001)], "--note is at most 1000 characters"],
])("incident %j is refused before anything is touched", async (words, why) => {
  expect(await said("incident", ...words)).toMatchObject({
    code: 2,
    error: expect.stringMatching(new RegExp(`^error: ${why}`)),
  });
  expect(await readdir(folder)).toEqual(["logs"]);
});

test.each([
  ["contain", "--reason", "stolen", "--yes"],
  ["contain", "--dry-run"],
  ["open", "--reason", "stolen"],
  ["status"],
])(
  "incident %s with settings that are not the service's makes no database of its own, which it would then contain",
  async (...words) => {
    const elsewhere = await said("incident", ...words);
    expect(elsewhere).toMatchObject({
      code: 1,
      error: expect.stringMatching(/^error: there is no service in .*\nhint: give the settings/),
    });
    expect(await readdir(folder)).toEqual(["logs"]);
  },
);

test("a backup with settings that are not the service's makes no database of its own, which it would then back up", async () => {
  expect(await said("backup", "db.backup")).toMatchObject({
    code: 1,
    error: expect.stringMatching(/^error: there is no service in .*\nhint: give the settings/),
  });
  expect(await readdir(folder)).toEqual(["logs"]);
});

test.each([
  [["account", "export"], "an address and --output are needed"],
  [["account", "delete"], "an address is needed"],
  [["account", "recover", "ada@example.org"], "an address and either --to or --cancel are needed"],
  [["operator", "add"], "an address is needed"],
  [["operator", "remove", "ada"], "an account id is needed"],
  [["operator", "link", "--account", "ada"], "--account must be an account id"],
  [["alarm", "acknowledge"], "an alarm's id is needed"],
  [["signals", "token", "--yes"], "--name is needed"],
  [["signals", "remove", "--yes"], "--name is needed"],
  [["keys", "rotate", "--rest", "--purpose", "wrap"], "--purpose and --rest exclude each other"],
  [["drill", "--rate", ""], "--rate must be a whole number"],
  [["keyholder", "--listen", "here"], "--listen takes a host and a port"],
  [["keyholder", "--follow", "unix:/run/keyholder.sock"], "--follow takes tls://HOST:PORT"],
  [["backup"], "a file is needed"],
  [["restore", "--yes"], "a file is needed"],
  [["destroy"], "there is no such command"],
  [["keys"], "keys needs one of: "],
  [["keys", "destroy"], "keys needs one of: "],
])("%j lacks something, and says so before it looks for a service", async (words, why) => {
  expect(await said(...words)).toMatchObject({ code: 2, error: expect.stringMatching(new RegExp(`^error: ${why}`)) });
  expect(await readdir(folder)).toEqual(["logs"]);
});

test.each([
  [["keyholder", "--listen", "127.0.0.1:8430"], "other hosts are spoken to by mutual TLS alone"],
  [["keyholder", "--follow", "tls://127.0.0.1:8430"], "other hosts are spoken to by mutual TLS alone"],
  // A backup of keys is never written over.
  [["backup", "db.backup", "--keys", "logs"], "--keys: the file exists already"],
  [["backup", "db.backup", "--exact-keys", "logs"], "--exact-keys: the file exists already"],
  [["restore", "nowhere", "--yes"], "there is no such file"],
])("%j is refused before it looks for a service", async (words, why) => {
  const before = await readFile(join(folder, "logs"));
  expect(await said(...words)).toMatchObject({ code: 1, error: expect.stringMatching(new RegExp(`^error: ${why}`)) });
  expect([await readdir(folder), await readFile(join(folder, "logs"))]).toEqual([["logs"], before]);
});

test("an export to no folder, or to one with a checkpoint that is no timeline's, touches nothing", async () => {
  await mkdir(join(folder, "models"));
  await writeFile(join(folder, "models", "checkpoint"), "weights");
  expect(await said("timeline", "export", "")).toMatchObject({ code: 2 });
  const foreign = await said("timeline", "export", "models");
  expect(foreign).toMatchObject({ code: 1, error: expect.stringContaining("no timeline's") });
  expect((await readdir(folder)).toSorted()).toEqual(["logs", "models"]);
  expect(await readdir(join(folder, "models"))).toEqual(["checkpoint"]);
});

test("a witness says in words what cannot be opened, read or made", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const witness = (at: string, ...more: string[]) =>
    said("timeline", "witness", "--folder", at, "--name", "w.example", "--logs", "logs", ...more);
  try {
    const listening = await witness("witness", "--listen", `127.0.0.1:${port}`);
    expect(listening.error).toMatch(/^error: --listen: nothing can be opened there \(EADDRINUSE\)/);
    const placed = await witness("logs/witness");
    expect(placed.error).toMatch(/^error: --folder cannot be written: a part of its path is no folder/);
    const unread = await said("timeline", "witness", "--folder", "witness", "--name", "w.example", "--logs", "nowhere");
    expect(unread.error).toMatch(/^error: --logs: the file cannot be read\n/);
    const free = ["--listen", "127.0.0.1:0"];
    const tls = await witness("witness", ...free, "--tls-cert", "logs", "--tls-key", "logs");
    expect(tls.error).toMatch(/^error: --tls-cert and --tls-key are no certificate/);
    await writeFile(join(folder, "witness", "witness.key"), "damaged");
    const damaged = await witness("witness", ...free);
    expect(damaged.error).toMatch(/^error: the witness's key cannot be read in /);
  } finally {
    taken.close();
  }
});
