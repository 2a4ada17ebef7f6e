import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { manualClock, sleep, systemClock, toDate } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Progress } from "../kernel/progress.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import type { Db, Parameter, Tx } from "../db/db.ts";
import { readMigrations } from "../db/migrate.ts";
import { testDatabase } from "../db/test-database.ts";
import { connectKeyholder } from "../keyholder/client.ts";
import { startKeyholder } from "../keyholder/supervise.ts";
import { floorsAt } from "../keyholder/test-values.ts";
import { append, appendAll, entryLimitBytes } from "./append.ts";
import type { TimelineEntry } from "./append.ts";
import { originOf, readCheckpoint } from "./checkpoint.ts";
import { currentHead, integrate, startIntegrator } from "./integrate.ts";
import { prove, rootAt } from "./proof.ts";
import { countByKind, readTimeline } from "./read.ts";
import { hashLeaf, verifyInclusion } from "./tree.ts";
import { verifyTimeline } from "./verify.ts";
import type { TimelineVerdict } from "./verify.ts";

const folder = await mkdtemp(join(tmpdir(), "houselights-timeline-"));
const supervised = await startKeyholder({
  keysDir: join(folder, "keys"),
  socketPath: join(folder, "keyholder.sock"),
  log: silentLog,
});
const keyholder = await connectKeyholder({
  socketPath: supervised.socketPath,
  role: "operator",
  credential: supervised.credentials.operator,
  log: silentLog,
});
afterAll(async () => {
  await keyholder.close();
  await supervised.stop();
  await rm(folder, { recursive: true, force: true });
});

const db = await testDatabase();
const clock = manualClock(systemClock.now());
let databaseId: string;

/** Does what an owner of the database can do and the program cannot: writes past the trigger. */
async function tamper(on: Db, sql: string): Promise<number> {
  return on.transaction(async (tx) => {
    await tx.run("set local session_replication_role = replica");
    return tx.run(sql);
  });
}

const floors = floorsAt(1);

beforeEach(async () => {
  await tamper(db, "delete from timeline_entry");
  await tamper(db, "delete from timeline_checkpoint");
  await tamper(db, "delete from timeline_node");
  // A new identity for each test: the witness rightly takes an emptied timeline under the old one for a copy.
  const row = await db.one<{ id: string }>("update instance set id = gen_random_uuid() returning id");
  databaseId = row!.id;
  await keyholder.witness.enrol(databaseId, { floors, head: await currentHead(db) });
});

const needs = () => ({ db, keyholder, clock, databaseId });
/** A thousand times, its file would be flushed. */
const quiet = { advance: async () => undefined };

async function record(count: number, entry: TimelineEntry = { kind: "sign-in", detail: { n: 1 } }): Promise<void> {
  for (let i = 0; i < count; i++) {
    clock.advance(1);
    await append(db, clock.now(), entry, systemRandom);
  }
}

async function verify(progress: Progress = () => undefined): Promise<TimelineVerdict> {
  const keys = await keyholder.publicKeys("checkpoint");
  const { head: witnessed } = await keyholder.witness.read(databaseId, { floors, head: await currentHead(db) });
  return verifyTimeline({ db, databaseId, publicKeys: keys.map(({ publicKey }) => publicKey), witnessed, progress });
}

test("whoever verifies is told how far it is", async () => {
  await record(1_100);
  while ((await integrate(needs())).integrated > 0);
  const told: [number, number | null][] = [];
  expect(await verify((done, total) => void told.push([done, total]))).toMatchObject({ kind: "intact" });
  const all = told.at(-1)?.[1];
  expect(all).toBeGreaterThanOrEqual(1_100);
  expect(told).toEqual([
    ...Array.from({ length: told.length - 1 }, (_, page) => [(page + 1) * 1_000, all]),
    [all, all],
  ]);
});

test("an entry is recorded if its transaction commits, by one insert, and not if it rolls back", async () => {
  await expect(
    db.transaction(async (tx) => {
      await append(tx, clock.now(), { kind: "sign-in", detail: {} }, systemRandom);
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect(await readTimeline(db, { limit: 10 })).toEqual([]);
  const before = db.statements();
  await append(db, clock.now(), { kind: "renewed", detail: { z: 1, a: [true, null, "ä"] } }, systemRandom);
  expect(db.statements() - before).toBe(1);
  expect(await readTimeline(db, { limit: 10 })).toMatchObject([
    { kind: "renewed", at: clock.now(), leafIndex: null, incidentId: null, detail: { z: 1, a: [true, null, "ä"] } },
  ]);
});

test("an entry larger than a reader of tiles takes is refused", async () => {
  const entry = (length: number): TimelineEntry => ({ kind: "alarm", detail: { text: "x".repeat(length) } });
  await append(db, clock.now(), entry(entryLimitBytes - 200), systemRandom);
  await expect(append(db, clock.now(), entry(entryLimitBytes), systemRandom)).rejects.toThrow(/larger than/);
});

test("integration gives places in order, a signed checkpoint, and tells the witness; the whole verifies", async () => {
  await record(5);
  expect((await integrate(needs())).integrated).toBe(5);
  await record(300);
  expect((await integrate(needs())).integrated).toBe(300);
  expect((await integrate(needs())).integrated).toBe(0);

  const head = await currentHead(db);
  expect(head.size).toBe(305);
  expect((await keyholder.witness.read(databaseId, { floors, head })).head).toEqual(head);
  expect(await verify()).toEqual({ kind: "intact", size: 305, rootHex: head.rootHex, checkpoints: 2, unsigned: 0 });

  const keys = (await keyholder.publicKeys("checkpoint")).map(({ publicKey }) => publicKey);
  const row = await db.one<{ note: string }>("select note from timeline_checkpoint where size = 305");
  expect(readCheckpoint(row!.note, originOf(databaseId), keys)).toEqual({
    size: 305,
    root: Buffer.from(head.rootHex, "hex"),
  });
});

test("a batch keeps the order given", async () => {
  const entries = Array.from({ length: 40 }, (_, n): TimelineEntry => ({ kind: "letter", detail: { n } }));
  await appendAll(db, clock.now(), entries, systemRandom);
  await appendAll(db, clock.now(), [], systemRandom);
  await integrate(needs());
  const rows = await db.many<{ n: number }>(
    `select (convert_from(body, 'UTF8')::jsonb #>> '{detail,n}')::int as n from timeline_entry order by leaf_index`,
  );
  expect(rows.map(({ n }) => n)).toEqual(entries.map((_, n) => n));
});

test("an entry whose transaction commits after younger ones is not skipped", async () => {
  await record(2);
  await db.transaction(async (slow) => {
    await append(slow, clock.now(), { kind: "account created", detail: {} }, systemRandom);
    await record(3);
    expect((await integrate(needs())).integrated).toBe(5);
  });
  expect((await integrate(needs())).integrated).toBe(1);
  expect(await verify()).toMatchObject({ kind: "intact", size: 6 });
});

test("integrators that run at once leave one whole timeline", async () => {
  for (let round = 0; round < 5; round++) {
    await record(7);
    await Promise.all([integrate(needs()), integrate(needs()), integrate(needs())]);
  }
  await integrate(needs());
  expect(await verify()).toMatchObject({ kind: "intact", size: 35 });
});

test("killed between the commit and the signature, or before the witness is told, the next run goes on", async () => {
  await record(3);
  const silent = { ...keyholder, sign: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "it was killed")) };
  await expect(integrate({ ...needs(), keyholder: silent })).rejects.toThrow("it was killed");
  expect(await verify()).toMatchObject({ kind: "intact", size: 0, unsigned: 3 });
  // Nothing is proved by a root that nobody has signed.
  expect(await prove(db, 0)).toBeUndefined();
  await record(2);
  const deaf = { advance: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "killed again")) };
  await expect(
    integrate({ ...needs(), keyholder: { ...keyholder, witness: { ...keyholder.witness, ...deaf } } }),
  ).rejects.toThrow("killed again");
  expect(await verify()).toMatchObject({ kind: "intact", size: 5, checkpoints: 2, unsigned: 0 });
  await integrate(needs());
  const head = await currentHead(db);
  expect((await keyholder.witness.read(databaseId, { floors, head })).head).toEqual(head);
});

test("the running integrator integrates what is appended, and at once when kicked", async () => {
  const integrator = startIntegrator({ ...needs(), log: silentLog }, 3_600_000);
  await record(4);
  integrator.kick();
  while ((await currentHead(db)).size < 4) await sleep(10);
  await integrator.stop();
  while ((await verify()).kind !== "intact") await sleep(10);
  await record(1);
  await sleep(50);
  expect((await currentHead(db)).size).toBe(4);
});

test("every entry is proved against the newest checkpoint, and no other bytes are", async () => {
  await record(600);
  await integrate(needs());
  await record(7);
  await integrate(needs());
  const head = await currentHead(db);
  const root = Buffer.from(head.rootHex, "hex");
  for (const index of [0, 1, 255, 256, 511, 512, 599, 600, 606]) {
    const proof = await prove(db, index);
    expect(proof).toBeDefined();
    expect(verifyInclusion(hashLeaf(proof!.body), proof!, root), `entry ${index}`).toBe(true);
    expect(verifyInclusion(hashLeaf(Buffer.from("other")), proof!, root)).toBe(false);
  }
  expect(await prove(db, 607)).toBeUndefined();
  expect(await prove(db, -1)).toBeUndefined();
  const [newest] = await readTimeline(db, { limit: 1 });
  expect(newest!.leafIndex).toBe(606);
});

/** Many entries, by few statements. */
async function recordMany(count: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, n): TimelineEntry => ({ kind: "letter", detail: { n } }));
  await appendAll(db, clock.now(), entries, systemRandom);
  while ((await integrate({ ...needs(), keyholder: { ...keyholder, witness: quiet } })).integrated > 0);
}

test("a proof reads fifteen hashes at most beside its way for each four levels, and as many at the tree's edge", async () => {
  let read = 0;
  const counting: Tx = {
    ...db,
    one: async <Row extends object>(sql: string, parameters?: readonly Parameter[]) => {
      const row = await db.one<Row & { hashes?: Buffer | null }>(sql, parameters);
      read += (row?.hashes?.length ?? 0) / 32;
      return row;
    },
  };
  for (const [more, size] of [
    [700, 700],
    [8_400, 9_100],
  ] as const) {
    await recordMany(more);
    const root = Buffer.from((await currentHead(db)).rootHex, "hex");
    const most = 2 * 15 * Math.ceil(Math.log2(size) / 4);
    for (const index of [0, 100, 255, 256, 600, size - 1]) {
      read = 0;
      const proof = await prove(counting, index);
      expect(verifyInclusion(hashLeaf(proof!.body), proof!, root), `entry ${index} of ${size}`).toBe(true);
      expect(read, `entry ${index} of ${size}`).toBeGreaterThan(0);
      expect(read, `entry ${index} of ${size}`).toBeLessThanOrEqual(most);
    }
  }
});

test("hashes of every fourth level are made for a record that has those of every eighth", async () => {
  await recordMany(9_100);
  const nodes = () => db.many("select level, place, hash from timeline_node order by level, place");
  const all = await nodes();
  expect(all.filter((node) => "level" in node && node.level === 12)).toHaveLength(2);
  expect(await tamper(db, "delete from timeline_node where level % 8 = 4")).toBe(568 + 2);
  expect(await verify()).toMatchObject({ kind: "broken", reason: "a stored subtree is not that of the entries" });
  const made = (await readMigrations()).find(({ name }) => name === "0049_every_fourth_level.sql");
  await db.pool.query(made!.sql);
  expect(await nodes()).toEqual(all);
  await db.pool.query(made!.sql);
  expect(await nodes()).toEqual(all);
});

test("the root at an earlier size is the one that was signed then", async () => {
  const heads = [await currentHead(db)];
  for (const count of [1, 300, 1, 700]) {
    await record(count);
    await integrate(needs());
    heads.push(await currentHead(db));
  }
  for (const head of heads) expect(await rootAt(db, head.size)).toEqual(head);
  expect(await rootAt(db, 1_003)).toBeUndefined();
});

test("an entry can be read by incident, kind and page, and counted", async () => {
  const incidentId = "0198a9a0-0000-7000-8000-000000000009" as never;
  await record(3);
  await record(2, { kind: "contained", incidentId, detail: {} });
  expect(await readTimeline(db, { incidentId, limit: 10 })).toHaveLength(2);
  expect(await readTimeline(db, { kinds: ["sign-in"], limit: 10 })).toHaveLength(3);
  const [first] = await readTimeline(db, { limit: 1 });
  expect(await readTimeline(db, { before: first!.id, limit: 10 })).toHaveLength(4);
  expect(await countByKind(db)).toEqual(
    new Map([
      ["contained", 2],
      ["sign-in", 3],
    ]),
  );
  expect(await countByKind(db, incidentId)).toEqual(new Map([["contained", 2]]));
});

test("the program itself cannot change or delete what is integrated", async () => {
  await record(2);
  await integrate(needs());
  for (const sql of [
    "update timeline_entry set body = 'x'",
    "update timeline_entry set leaf_index = null, leaf_hash = null",
    "delete from timeline_entry",
    "update timeline_checkpoint set note = 'x'",
    "update timeline_checkpoint set root = 'x'",
    "delete from timeline_checkpoint",
  ]) {
    await expect(db.run(sql), sql).rejects.toThrow("the timeline only grows");
  }
  expect(await verify()).toMatchObject({ kind: "intact", size: 2 });
});

const cases: readonly [what: string, sql: string, reason: string, firstBadIndex: number][] = [
  [
    "one byte of an entry",
    "update timeline_entry set body = set_byte(body, 20, get_byte(body, 20) # 1) where leaf_index = 3",
    "an entry's bytes do not give its hash",
    3,
  ],
  [
    "one byte of a leaf hash",
    "update timeline_entry set leaf_hash = set_byte(leaf_hash, 0, get_byte(leaf_hash, 0) # 1) where leaf_index = 3",
    "an entry's bytes do not give its hash",
    3,
  ],
  [
    "an entry and its leaf hash together",
    `update timeline_entry set body = changed.body, leaf_hash = sha256('\\x00'::bytea || changed.body)
       from (select id, convert_to(replace(convert_from(body, 'UTF8'), '"n":1', '"n":2'), 'UTF8') as body
               from timeline_entry where leaf_index = 3) changed where changed.id = timeline_entry.id`,
    "a checkpoint's root is not that of the entries",
    4,
  ],
  [
    "a column that repeats the body",
    "update timeline_entry set kind = 'sign-out' where leaf_index = 3",
    "an entry's row does not agree with its bytes",
    3,
  ],
  [
    "the column of its case",
    "update timeline_entry set incident_id = id where leaf_index = 3",
    "an entry's row does not agree with its bytes",
    3,
  ],
  [
    "the column of its instant",
    "update timeline_entry set at = at + interval '1 second' where leaf_index = 3",
    "an entry's row does not agree with its bytes",
    3,
  ],
  [
    "one byte of a root",
    "update timeline_checkpoint set root = set_byte(root, 0, get_byte(root, 0) # 1) where size = 5",
    "a checkpoint's root is not that of the entries",
    4,
  ],
  [
    "one character of a note",
    "update timeline_checkpoint set note = overlay(note placing 'x' from length(note) - 20) where size = 5",
    "a checkpoint's signature is missing or wrong",
    4,
  ],
  [
    "another checkpoint's note",
    `update timeline_checkpoint set note = (select note from timeline_checkpoint where size <> 5 order by size limit 1)
      where size = 5`,
    "a checkpoint's signature is missing or wrong",
    4,
  ],
  [
    "a note taken away",
    "update timeline_checkpoint set note = null where size = 5",
    "a checkpoint's signature is missing or wrong",
    299,
  ],
  ["the newest row", "delete from timeline_entry where leaf_index = 299", "an entry is missing or out of place", 299],
  [
    "a row in the middle",
    "delete from timeline_entry where leaf_index = 100",
    "an entry is missing or out of place",
    100,
  ],
  [
    "the newest rows and their checkpoint",
    "with gone as (delete from timeline_checkpoint where size = 300) delete from timeline_entry where leaf_index >= 5",
    "it is behind what the witness has seen",
    5,
  ],
  [
    "a swapped pair",
    "update timeline_entry set leaf_index = -1 - leaf_index where leaf_index in (6, 7)",
    "an entry is missing or out of place",
    6,
  ],
  [
    "an entry into what is no JSON, and its leaf hash with it",
    "update timeline_entry set body = 'torn', leaf_hash = sha256('\\x00'::bytea || 'torn') where leaf_index = 3",
    "an entry's row does not agree with its bytes",
    3,
  ],
  [
    "the column of its instant into one that no calendar has",
    "update timeline_entry set at = 'infinity' where leaf_index = 3",
    "an entry's row does not agree with its bytes",
    3,
  ],
  [
    "one byte of what the next entries are joined to",
    `update timeline_checkpoint set frontier[1] = set_byte(frontier[1], 0, get_byte(frontier[1], 0) # 1) where size = 300`,
    "a stored subtree is not that of the entries",
    299,
  ],
  [
    "a stored subtree",
    "update timeline_node set hash = set_byte(hash, 0, get_byte(hash, 0) # 1)",
    "a stored subtree is not that of the entries",
    0,
  ],
];

test.each(cases)("verification fails after a change of %s", async (what, sql, reason, firstBadIndex) => {
  await record(5);
  await integrate(needs());
  await record(295);
  await integrate(needs());
  expect(await verify()).toMatchObject({ kind: "intact", size: 300 });
  expect(await tamper(db, sql)).toBeGreaterThan(0);
  if (what === "a swapped pair") {
    // Swapped whole, hashes and all: each row alone is sound.
    await tamper(
      db,
      "update timeline_entry set leaf_index = case leaf_index when -7 then 7 else 6 end where leaf_index < 0",
    );
    expect(await verify()).toEqual({
      kind: "broken",
      firstBadIndex: 299,
      reason: "a checkpoint's root is not that of the entries",
    });
    return;
  }
  expect(await verify()).toEqual({ kind: "broken", firstBadIndex, reason });
});

test.each([
  ["one changed byte", "frontier[1] = set_byte(frontier[1], 0, get_byte(frontier[1], 0) # 1)"],
  ["their root in their place", "frontier = array[root]"],
])("nothing is signed that grew from damaged subtrees: %s", async (_what, damage) => {
  await record(5);
  const { head } = await integrate(needs());
  expect(await tamper(db, `update timeline_checkpoint set ${damage}`)).toBe(1);
  await record(1);
  await expect(integrate(needs())).rejects.toMatchObject({ code: "SEALED_UNREADABLE" });
  expect(await currentHead(db)).toEqual(head);
});

test("a checkpoint that somebody wrote into the database is not signed, whatever its size, and nothing is added to it", async () => {
  await record(300);
  const { head } = await integrate(needs());
  const forged = hashLeaf(Buffer.from("forged"));
  // Sound in itself: its root is that of its subtrees.
  const forge = (size: number): Promise<number> =>
    db.run(`insert into timeline_checkpoint (size, root, frontier, at) values ($1, $2, $3::bytea[], $4)`, [
      size,
      forged,
      [forged],
      toDate(clock.now()),
    ]);
  const entries = async () =>
    (await db.one<{ waiting: number }>(`select count(*) as waiting from timeline_entry where leaf_index is null`))!;
  for (const size of [128, 299, 1_024, Number.MAX_SAFE_INTEGER]) {
    await forge(size);
    await record(1);
    await expect(integrate(needs()), `of ${size}`).rejects.toMatchObject({ code: "SEALED_UNREADABLE" });
    expect(await db.many(`select note from timeline_checkpoint where size = $1`, [size])).toEqual([{ note: null }]);
    expect((await keyholder.witness.read(databaseId, { floors, head })).head).toEqual(head);
    await tamper(db, `delete from timeline_checkpoint where size = ${size}`);
    if (size > head.size) expect(await entries()).toEqual({ waiting: 1 });
    await tamper(db, `delete from timeline_entry where leaf_index is null`);
    await tamper(db, `delete from timeline_checkpoint where size > 300`);
    await tamper(db, `delete from timeline_entry where leaf_index >= 300`);
  }
  // Without it, the next is signed as ever.
  await record(1);
  expect((await integrate(needs())).head.size).toBe(301);
  expect(await verify()).toMatchObject({ kind: "intact", size: 301, unsigned: 0 });
});

test("what is signed while it is verified is not taken for what was left out", async () => {
  const unsigning = { ...keyholder, sign: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "away")) };
  const pageSize = 1_000;
  for (let count = 1; count <= pageSize + 1; count++) {
    await record(1);
    if (count < pageSize) await integrate({ ...needs(), keyholder: { ...keyholder, witness: quiet } });
    else await expect(integrate({ ...needs(), keyholder: unsigning })).rejects.toThrow("away");
  }
  const publicKeys = (await keyholder.publicKeys("checkpoint")).map(({ publicKey }) => publicKey);
  /** Between the first page of checkpoints and the second, what waited is signed. */
  const between: Db = {
    ...db,
    many: async (...asked) => {
      if (asked[0].includes("timeline_checkpoint where size > $1") && asked[1]?.[0] === pageSize)
        await integrate(needs());
      return db.many(...asked);
    },
  };
  expect(await verifyTimeline({ db: between, databaseId, publicKeys })).toMatchObject({ kind: "intact", unsigned: 2 });
  expect(await verify()).toMatchObject({ kind: "intact", size: pageSize + 1, unsigned: 0 });
}, 60_000);

async function rewrite(count: number): Promise<void> {
  await tamper(db, "delete from timeline_entry");
  await tamper(db, "delete from timeline_checkpoint");
  await record(count, { kind: "sign-out", detail: {} });
}

test("entries whose checkpoint was taken away show without a witness too", async () => {
  for (const count of [3, 2]) {
    await record(count);
    await integrate(needs());
  }
  const publicKeys = (await keyholder.publicKeys("checkpoint")).map(({ publicKey }) => publicKey);
  const alone = () => verifyTimeline({ db, databaseId, publicKeys });
  expect(await alone()).toMatchObject({ kind: "intact", size: 5 });
  expect(await tamper(db, "delete from timeline_checkpoint where size = 5")).toBe(1);
  expect(await alone()).toEqual({
    kind: "broken",
    firstBadIndex: 3,
    reason: "entries stand behind the last checkpoint",
  });
});

test("a timeline rewritten and signed anew is not the one the witness has seen", async () => {
  await record(4);
  await integrate(needs());
  expect(await verify()).toMatchObject({ kind: "intact" });
  await rewrite(4);
  await expect(integrate(needs())).rejects.toThrow();
  expect(await verify()).toMatchObject({ kind: "broken", reason: "it is another timeline than the witness has seen" });
});

test("an integrator does not sign for what replaced the timeline that it knows", async () => {
  await record(4);
  const { head } = await integrate(needs());
  expect((await integrate(needs(), head)).head).toEqual(head);
  await rewrite(9);
  await expect(integrate(needs(), head)).rejects.toThrow(/not the one that had 4 entries/);
  expect((await keyholder.witness.read(databaseId, { floors, head })).head).toEqual(head);
});

test("a timeline signed by another keyholder's key is refused", async () => {
  await record(2);
  await integrate(needs());
  const verdict = await verifyTimeline({ db, databaseId, publicKeys: [Buffer.alloc(32, 1)] });
  expect(verdict).toMatchObject({ kind: "broken", reason: "a checkpoint's signature is missing or wrong" });
});
