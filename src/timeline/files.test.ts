import { execFileSync, spawn } from "node:child_process";
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PublisherOrder } from "../../test/timeline-publisher.ts";
import { hourMs, manualClock, sleep, systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { testConnection, testDatabase } from "../db/test-database.ts";
import type { Db } from "../db/db.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { appendAll, type TimelineEntry } from "./append.ts";
import { checkpointBody, originOf, readUnsignedCheckpoint, signedNote } from "./checkpoint.ts";
import { integrate } from "./integrate.ts";
import { readNote, verifierKey } from "./note.ts";
import { policyText } from "./policy.ts";
import { prove } from "./proof.ts";
import { publishTiles } from "./publish.ts";
import { writeTlogProof } from "./tlog-proof.ts";
import { verifyAlone, type AloneQuestion } from "./verify-alone.ts";

const db = await testDatabase();
const rewritten = await testDatabase();
/** With an entry or a few. */
const small = await testDatabase();
const clock = manualClock(systemClock.now());
let keyholder: TestKeyholder;
let operator: KeyholderClient;
let folder: string;
let databaseId: string;

beforeAll(async () => {
  keyholder = await testKeyholder();
  operator = await keyholder.connect("operator");
  folder = await mkdtemp(join(tmpdir(), "houselights-tiles-"));
  databaseId = (await db.one<{ id: string }>("select id from instance"))!.id;
  // As a copy of the database would have it.
  await rewritten.run("update instance set id = $1", [databaseId]);
  await writeFile(join(folder, "policy"), await policy());
  await grow(1, small);
});
afterAll(async () => {
  await keyholder.stop();
  await rm(folder, { recursive: true, force: true });
});

async function policy(): Promise<string> {
  const keys = await operator.publicKeys("checkpoint");
  return policyText(
    keys.map(({ publicKey }) => verifierKey(originOf(databaseId), publicKey)),
    [],
  );
}

/** Signs without the keyholder's witness, which rightly objects to a second timeline under one id. */
const signing = () => ({
  sign: operator.sign.bind(operator),
  publicKeys: operator.publicKeys.bind(operator),
  witness: { advance: async () => undefined },
});

async function grow(count: number, on: Db = db, entry: TimelineEntry = { kind: "sign-in", detail: { n: 1 } }) {
  clock.advance(1);
  for (let left = count; left > 0; left -= 1_000) {
    await appendAll(
      on,
      clock.now(),
      Array.from({ length: Math.min(left, 1_000) }, () => entry),
      systemRandom,
    );
  }
  // A turn takes 32,000 entries at most.
  while ((await integrate({ db: on, keyholder: signing(), clock, databaseId })).integrated > 0);
}

const publish = (to = folder, from: Db = db) => publishTiles({ db: from, folder: to, log: silentLog });
const path = (name: string) => join(folder, name);
const ask = (question: Partial<AloneQuestion> = {}) =>
  verifyAlone({ folder, policy: path("policy"), checkpoints: [], proofs: [], ...question });

async function filesOf(at: string): Promise<string[]> {
  const found = await readdir(at, { recursive: true, withFileTypes: true });
  return found
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(at.length + 1))
    .toSorted();
}

/** A private copy of the published folder. */
async function copied(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "houselights-tiles-copy-"));
  await cp(folder, copy, { recursive: true });
  return copy;
}

test("the files are those of the format, and are recomputed from themselves alone", async () => {
  expect(await publish(path("empty"))).toEqual({ size: 0, written: 0 });
  await grow(3);
  expect(await publish()).toEqual({ size: 3, written: 3 });
  await cp(path("checkpoint"), path("of-3"));
  expect(await filesOf(folder)).toEqual(["checkpoint", "of-3", "policy", "tile/0/000.p/3", "tile/entries/000.p/3"]);
  expect(await publish()).toEqual({ size: 3, written: 0 });
  await grow(700);
  await publish();
  // A partial tile goes when the full one is there; the full one never changes.
  expect(await filesOf(path("tile"))).toEqual([
    "0/000",
    "0/001",
    "0/002.p/191",
    "1/000.p/2",
    "entries/000",
    "entries/001",
    "entries/002.p/191",
  ]);
  const answer = await ask({ checkpoints: [path("of-3")] });
  expect(answer).toMatchObject({ code: 0, json: { size: 703 } });
  expect(answer.lines.join("\n")).toContain("it begins with what of-3 covers (3 entries)");
});

async function findsEveryChange(copy: string, names: readonly string[], places = [0, 0.5, 1]): Promise<void> {
  for (const name of names) {
    const whole = await readFile(join(copy, name));
    for (const at of places.map((share) => Math.floor(share * (whole.length - 1)))) {
      const changed = Buffer.from(whole);
      changed[at] = changed[at]! ^ 1;
      await writeFile(join(copy, name), changed);
      const { code, error } = await ask({ folder: copy });
      expect({ name, at, code }).toEqual({ name, at, code: 1 });
      expect(error).toMatch(/^(tile\/|checkpoint)/);
    }
    await rm(join(copy, name));
    expect(await ask({ folder: copy })).toMatchObject({ code: 1, error: `${name}: it is missing` });
    await writeFile(join(copy, name), whole);
  }
  expect(await ask({ folder: copy })).toMatchObject({ code: 0 });
  await rm(copy, { recursive: true });
}

test("one changed byte in any file, or a missing one, is found and named", async () => {
  const copy = await copied();
  const files = (await filesOf(copy)).filter((name) => /^(tile|checkpoint)/.test(name));
  expect(files).toHaveLength(8);
  await findsEveryChange(copy, files);
});

test("an entry too many, which nobody signed, is found", async () => {
  const copy = await copied();
  const name = "tile/entries/002.p/191";
  expect(await ask({ folder: copy })).toMatchObject({ code: 0 });
  await appendFile(join(copy, name), Buffer.from([0, 2, 0x7b, 0x7d]));
  expect(await ask({ folder: copy })).toMatchObject({ code: 1, error: `${name}: it is cut short, torn or too long` });
  await rm(copy, { recursive: true });
});

test("level 1 fills and level 2 begins", async () => {
  await grow(65_000);
  const before = await readFile(path("tile/0/001"));
  await publish();
  expect(await readFile(path("tile/0/001"))).toEqual(before);
  expect(await filesOf(path("tile/2"))).toEqual(["000.p/1"]);
  expect((await filesOf(path("tile/1"))).includes("000")).toBe(true);
  expect(await ask({ checkpoints: [path("of-3")] })).toMatchObject({ code: 0, json: { size: 65_703 } });
  const copy = await copied();
  await findsEveryChange(copy, ["tile/2/000.p/1"], [0.5]);
});

test("files older than a checkpoint, another timeline, another key and another log are each told apart", async () => {
  const old = await copied();
  await grow(300);
  await publish();
  expect(await ask()).toMatchObject({ code: 0 });
  expect(await ask({ folder: old, checkpoints: [path("checkpoint")] })).toMatchObject({
    code: 4,
    error: `these files are older: they have 65703 entries, and ${path("checkpoint")} covers 66003`,
  });

  // The same key signs another history of the same length, and of a greater one.
  await grow(66_003, rewritten, { kind: "sign-out", detail: {} });
  const other = path("other");
  await publish(other, rewritten);
  expect(await ask({ folder: other })).toMatchObject({ code: 0, json: { size: 66_003 } });
  expect(await ask({ folder: other, checkpoints: [path("checkpoint")] })).toMatchObject({ code: 5 });
  expect(await ask({ folder: other, checkpoints: [path("of-3")] })).toMatchObject({ code: 5 });

  await writeFile(path("foreign"), policyText([verifierKey(originOf(databaseId), Buffer.alloc(32, 1))], []));
  expect(await ask({ policy: path("foreign") })).toMatchObject({ code: 1, error: expect.stringContaining("no key") });
  await writeFile(path("foreign"), policyText([verifierKey("another/log", Buffer.alloc(32, 1))], []));
  expect(await ask({ policy: path("foreign") })).toMatchObject({
    code: 1,
    error: expect.stringContaining("does not name"),
  });
  await rm(old, { recursive: true });
});

test("a folder that holds another timeline is put aside, and nothing of it is lost", async () => {
  const copy = await copied();
  const { setAside } = await publish(copy, rewritten);
  expect(setAside).toBeDefined();
  expect(await ask({ folder: copy, policy: path("policy") })).toMatchObject({ code: 0 });
  expect(await ask({ folder: setAside! })).toMatchObject({ code: 0, json: { size: 66_003 } });
  expect(await ask({ folder: copy, checkpoints: [join(setAside!, "checkpoint")] })).toMatchObject({ code: 5 });
  await rm(copy, { recursive: true });
  await rm(setAside!, { recursive: true });
});

const shm = await stat("/dev/shm").catch(() => undefined);
const isElsewhere = shm !== undefined && shm.dev !== (await stat(tmpdir())).dev;

// A file is not renamed into another file system: it fails a line after a disk that is full does, and needs no such disk.
test.skipIf(!isElsewhere)(
  "a file that cannot be put in its place leaves nothing beside it, try after try",
  async () => {
    const copy = await mkdtemp(join(tmpdir(), "houselights-tiles-copy-"));
    const elsewhere = await mkdtemp("/dev/shm/houselights-tiles-");
    await symlink(elsewhere, join(copy, "tile"));
    for (let tries = 0; tries < 3; tries++) await expect(publish(copy, small)).rejects.toThrow(/EXDEV/);
    expect(await readdir(copy)).toEqual(["tile"]);
    await rm(join(copy, "tile"));
    await publish(copy, small);
    await writeFile(join(copy, "policy"), await policy());
    expect(await ask({ folder: copy })).toMatchObject({ code: 0 });
    await rm(elsewhere, { recursive: true });
    await rm(copy, { recursive: true });
  },
);

test("a folder without a checkpoint whose files are another timeline's is put aside too", async () => {
  const copy = await copied();
  await rm(join(copy, "checkpoint"));
  await writeFile(join(copy, "tile/0/000"), Buffer.alloc((await readFile(join(copy, "tile/0/000"))).length, 7));
  const { setAside } = await publish(copy);
  expect(setAside).toBeDefined();
  expect(await ask({ folder: copy })).toMatchObject({ code: 0 });
  await rm(copy, { recursive: true });
  await rm(setAside!, { recursive: true });
});

test("a root that was signed over other entries is not that of the files, nor is a tile with more in it", async () => {
  const copy = await copied();
  const origin = originOf(databaseId);
  const { publicKey } = (await operator.publicKeys("checkpoint"))[0]!;
  const { size } = readUnsignedCheckpoint(await readFile(join(copy, "checkpoint"), "utf8"))!;
  const body = checkpointBody(origin, size, Buffer.alloc(32, 7));
  const signature = await operator.sign("checkpoint", Buffer.from(body));
  const whole = await readFile(join(copy, "checkpoint"));
  await writeFile(join(copy, "checkpoint"), signedNote(body, origin, publicKey, signature));
  expect(await ask({ folder: copy })).toMatchObject({ code: 1, error: expect.stringContaining("its root is not") });
  await writeFile(join(copy, "checkpoint"), whole);
  expect(await ask({ folder: copy })).toMatchObject({ code: 0 });
  await appendFile(join(copy, "tile/0/000"), Buffer.alloc(32, 7));
  expect(await ask({ folder: copy })).toMatchObject({ code: 1, error: expect.stringContaining("tile/0/000") });
  await rm(copy, { recursive: true });
});

test("what nobody of the policy signed proves nothing, true as it may be, and a proof is of the folder's own timeline", async () => {
  const proof = (await prove(db, 256))!;
  const proofOf = (checkpoint: string) => writeTlogProof({ ...proof, checkpoint, entry: proof.body });
  const { body } = readNote(proof.note)!;
  const { publicKey } = (await operator.publicKeys("checkpoint"))[0]!;
  const unsigned = signedNote(body, originOf(databaseId), publicKey, Buffer.alloc(64));
  for (const [checkpoint, code] of [
    [proof.note, 0],
    [unsigned, 1],
  ] as const) {
    await writeFile(path("given"), checkpoint);
    await writeFile(path("one.tlog-proof"), proofOf(checkpoint));
    expect(await ask({ checkpoints: [path("given")] })).toMatchObject({ code });
    expect(await ask({ proofs: [path("one.tlog-proof")] })).toMatchObject({ code });
    expect(await ask({ folder: undefined, proofs: [path("one.tlog-proof")] })).toMatchObject({ code });
  }
  // Signed by the same key over another history, it stands alone, and not beside this one.
  const other = (await prove(rewritten, 256))!;
  const text = writeTlogProof({ ...other, checkpoint: other.note, entry: other.body });
  await writeFile(path("one.tlog-proof"), text);
  expect(await ask({ folder: undefined, proofs: [path("one.tlog-proof")] })).toMatchObject({ code: 0 });
  expect(await ask({ proofs: [path("one.tlog-proof")] })).toMatchObject({ code: 5 });
  await Promise.all([rm(path("given")), rm(path("one.tlog-proof"))]);
});

test("a letter's proof stands alone; with any other entry, place or checkpoint it falls", async () => {
  for (const index of [0, 255, 256, 65_535, 65_536, 66_002]) {
    const proof = (await prove(db, index))!;
    const text = writeTlogProof({ ...proof, checkpoint: proof.note, entry: proof.body });
    await writeFile(path("one.tlog-proof"), text);
    if (index === 65_536) expect(await ask({ proofs: [path("one.tlog-proof")] })).toMatchObject({ code: 0 });
    expect(await ask({ folder: undefined, proofs: [path("one.tlog-proof")] })).toMatchObject({ code: 0 });
    const bent = {
      entry: writeTlogProof({ ...proof, checkpoint: proof.note, entry: Buffer.from("{}") }),
      index: writeTlogProof({ ...proof, index: index ^ 1, checkpoint: proof.note, entry: proof.body }),
      hash: writeTlogProof({ ...proof, hashes: proof.hashes.toReversed(), checkpoint: proof.note, entry: proof.body }),
      checkpoint: writeTlogProof({
        ...proof,
        checkpoint: await readFile(path("of-3"), "utf8"),
        entry: proof.body,
      }),
    };
    for (const [what, text] of Object.entries(bent)) {
      await writeFile(path("one.tlog-proof"), text);
      expect({ what, ...(await ask({ folder: undefined, proofs: [path("one.tlog-proof")] })) }).toMatchObject({
        code: 7,
      });
    }
  }
  await rm(path("one.tlog-proof"));
});

test("what a file says, or is called, steers no terminal of whoever verifies it", async () => {
  const escapes = "\u001b[1A\u001b[2Kwhole: \u009b2J\u202eeverything\u2069";
  const given = await mkdtemp(join(tmpdir(), "houselights-steering-"));
  await writeFile(join(given, `${escapes}.tlog-proof`), "nonsense");
  const checkpoint = await readFile(path("checkpoint"), "utf8");
  const { size } = readUnsignedCheckpoint(checkpoint)!;
  const entries = [{ at: "", kind: escapes, detail: {}, leafIndex: 0, leafHashHex: "" }];
  const timeline = { size, checkpoint, unsigned: 0, entries, entriesLeftOut: 0 };
  const report = { format: "houselights report 1", incident: { id: "x", reference: escapes }, timeline };
  await writeFile(join(given, "report.json"), JSON.stringify(report));
  for (const question of [{ proofs: [given] }, { report: join(given, "report.json") }]) {
    const { code, error, lines } = await ask(question);
    expect(code).toBeGreaterThan(0);
    expect(error).toContain("everything");
    for (const said of [error, ...lines]) expect(said).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
  }
  await rm(given, { recursive: true });
});

test("wrong arguments and unreadable files are said, with code 2", async () => {
  await writeFile(path("nonsense"), "nonsense");
  await writeFile(path("no-quorum"), "# nothing\n");
  for (const question of [
    { folder: path("nowhere") },
    { folder: path("tile"), policy: undefined },
    { policy: path("nowhere") },
    { policy: path("no-quorum") },
    { checkpoints: [path("nonsense")] },
    { checkpoints: [path("nowhere")] },
    { report: path("nonsense") },
    { proofs: [path("nowhere")] },
    { folder: undefined },
    { folder: undefined, policy: undefined },
    { folder: undefined, checkpoints: [path("of-3")] },
  ]) {
    const { code, error } = await ask(question);
    expect({ question, code }).toEqual({ question, code: 2 });
    expect(error).not.toBe("");
  }
});

test("a pipe, an endless device or a folder in a file's place is named and not waited for", async () => {
  const copy = await copied();
  const tile = (await filesOf(copy)).find((name) => name.startsWith("tile/0/"))!;
  const places = ["checkpoint", "cosigned", "policy", tile, "one.tlog-proof"];
  for (const name of places) {
    const at = join(copy, name);
    const before = await readFile(at).catch(() => undefined);
    for (const put of [
      () => execFileSync("mkfifo", [at]),
      () => symlink("/dev/zero", at),
      () => symlink("/proc/self/mem", at),
      () => mkdir(at),
    ]) {
      await rm(at, { force: true });
      await put();
      const question = {
        folder: copy,
        ...(name === "policy" ? { policy: undefined } : {}),
        ...(name === "one.tlog-proof" ? { proofs: [copy] } : {}),
      };
      const { code } = await ask(question);
      const expected = { policy: 2, "one.tlog-proof": 2, cosigned: 0 }[name] ?? 1;
      expect([name, code]).toEqual([name, expected]);
      await rm(at, { recursive: true });
    }
    if (before !== undefined) await writeFile(at, before);
  }
  expect(await ask({ folder: copy })).toMatchObject({ code: 0 });
  for (const question of [{ policy: "/dev/zero" }, { checkpoints: ["/dev/zero"] }, { report: "/dev/zero" }]) {
    expect(await ask(question)).toMatchObject({ code: 2 });
  }
  await rm(copy, { recursive: true });
});

test("what is named may be a pipe, as a shell makes of <(…)", async () => {
  const pipe = path("policy-pipe");
  execFileSync("mkfifo", [pipe]);
  const [answer] = await Promise.all([ask({ policy: pipe }), writeFile(pipe, await policy())]);
  expect(answer).toMatchObject({ code: 0 });
  await rm(pipe);
});

test("it runs where nothing is installed: no package, no database, this source and Node", async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), "houselights-elsewhere-"));
  const source = fileURLToPath(new URL("../", import.meta.url));
  for (const name of ["timeline", "kernel"])
    await cp(join(source, name), join(elsewhere, "src", name), { recursive: true });
  await cp(join(source, "verify-timeline.ts"), join(elsewhere, "src/verify-timeline.ts"));
  await writeFile(join(elsewhere, "package.json"), `{"type":"module"}`);
  const run = async (...args: string[]) => {
    const child = spawn(process.execPath, ["src/verify-timeline.ts", ...args], { cwd: elsewhere, env: {} });
    let out = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, out };
  };
  const whole = await run(folder, "--policy", path("policy"), "--checkpoint", path("of-3"));
  expect(whole).toMatchObject({ code: 0, out: expect.stringMatching(/^whole: 66,003 entries, root [0-9a-f]{64}$/m) });
  const unnamed = await run(folder);
  expect(unnamed).toMatchObject({ code: 0, out: expect.stringContaining("not whose it is") });
  expect(await run(folder, "--nonsense")).toMatchObject({ code: 2 });
  expect(await run(path("other"), "--policy", path("policy"), "--checkpoint", path("of-3"))).toMatchObject({ code: 5 });
  await rm(elsewhere, { recursive: true });
});

test("told to end, it leaves nothing unfinished in a folder that is for others", async () => {
  const to = await mkdtemp(join(tmpdir(), "houselights-ended-"));
  const ending = new AbortController();
  const unfinished = (): string[] => readdirSync(to).filter((name) => name.startsWith(".writing-"));
  const publishing = publishTiles({ db, folder: to, log: silentLog, signal: ending.signal }).catch(() => undefined);
  while (unfinished().length === 0) await new Promise(setImmediate);
  ending.abort();
  expect(unfinished()).toEqual([]);
  await publishing;
  await rm(to, { recursive: true });
});

test("what a killed writer left goes with a later publishing, and what another is writing does not", async () => {
  const to = await mkdtemp(join(tmpdir(), "houselights-left-"));
  const [left, writing] = [".writing-1-left", ".writing-1-writing"];
  for (const name of [left, writing]) await writeFile(join(to, name), "some of a tile");
  const hourAgo = new Date(systemClock.now() - hourMs);
  await utimes(join(to, left), hourAgo, hourAgo);
  await publish(to, small);
  expect(readdirSync(to).filter((name) => name.startsWith("."))).toEqual([writing]);
  await rm(to, { recursive: true });
});

test("a checkpoint does not go back when another process publishes further meanwhile", async () => {
  const third = await mkdtemp(join(tmpdir(), "houselights-overtaken-"));
  const sizeOf = async (): Promise<number | undefined> =>
    readUnsignedCheckpoint(await readFile(join(third, "checkpoint"), "utf8"))?.size;
  let isOvertaken = false;
  // Between the head that it has read and the tiles that it reads, another writes more.
  const slow: Db = {
    ...small,
    many: async (...asked) => {
      if (!isOvertaken) {
        isOvertaken = true;
        await grow(2, small);
        await publish(third, small);
      }
      return small.many(...asked);
    },
  };
  expect(await publish(third, slow)).toMatchObject({ size: 3 });
  expect([isOvertaken, await sizeOf()]).toEqual([true, 3]);
  await rm(third, { recursive: true });
});

test("how far it is is told while the files are written", async () => {
  const to = await mkdtemp(join(tmpdir(), "houselights-told-"));
  const told: (readonly [number, number | null])[] = [];
  const progress = (done: number, total: number | null) => void told.push([done, total]);
  await publishTiles({ db, folder: to, log: silentLog, progress });
  expect(told.length).toBeGreaterThan(10);
  expect(told.at(-1)).toEqual([66_003, 66_003]);
  await rm(to, { recursive: true });
});

test("how far it is is told while the files are read, up to the last entry", async () => {
  const told: (readonly [number, number | null])[] = [];
  expect(await ask({ progress: (done, total) => void told.push([done, total]) })).toMatchObject({ code: 0 });
  expect(told.length).toBeGreaterThan(200);
  expect(told).toEqual(told.toSorted(([one], [other]) => one - other));
  expect(told.at(-1)).toEqual([66_003, 66_003]);
});

test("killed at any instant, the folder is whole as far as its checkpoint goes, and the next run ends the work", async () => {
  const publisher = fileURLToPath(new URL("../../test/timeline-publisher.ts", import.meta.url));
  const target = await mkdtemp(join(tmpdir(), "houselights-killed-"));
  const { host, port, user } = testConnection("");
  const order: PublisherOrder = {
    database: { host: host!, port: port!, user: user as string, database: db.pool.options.database! },
    folder: target,
  };
  const filesNow = async (): Promise<number> => (await filesOf(target).catch(() => [])).length;
  /** Kills a publisher once it has made the folder so many files larger, unless it ends by itself before. */
  async function killedAfter(more: number): Promise<void> {
    const upTo = (await filesNow()) + more;
    const child = spawn(process.execPath, [publisher], { stdio: ["pipe", "pipe", "ignore"] });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.stdin.end(JSON.stringify(order));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    while (child.exitCode === null && (await filesNow()) < upTo) await sleep(1);
    child.kill("SIGKILL");
    await ended;
  }

  let unfinished = 0;
  // The same base each time: 66,003 entries in 516 files, of which some are there and the checkpoint is not.
  for (let kill = 0; kill < 6; kill++) {
    await killedAfter(1 + kill * 20);
    const answer = await ask({ folder: target });
    const files = (await filesOf(target)).length;
    if (answer.code === 0) continue;
    // Without a checkpoint it claims nothing.
    expect(answer.error).toBe("checkpoint: it is missing");
    if (files > 0) unfinished++;
  }
  expect(unfinished).toBeGreaterThan(0);
  await publish(target);
  expect(await ask({ folder: target, checkpoints: [path("checkpoint")] })).toMatchObject({
    code: 0,
    json: { size: 66_003 },
  });

  // And from a checkpoint that is there: what it covers stays whole through every kill of the growth.
  await grow(10_000);
  for (let kill = 0; kill < 3; kill++) {
    await killedAfter(1 + kill * 10);
    expect(await ask({ folder: target, checkpoints: [path("checkpoint")] })).toMatchObject({ code: 0 });
  }
  await publish(target);
  expect(await ask({ folder: target })).toMatchObject({ code: 0, json: { size: 76_003 } });
  await rm(target, { recursive: true });
}, 120_000);
