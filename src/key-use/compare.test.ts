import { afterAll, expect, test } from "vitest";
import { dayMs, hourMs, manualClock, minuteMs, plus, systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { testDatabase } from "../db/test-database.ts";
import { connectKeyholder } from "../keyholder/client.ts";
import type { Announcing } from "../keyholder/connection.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { append } from "../timeline/append.ts";
import { announceUse } from "./announce.ts";
import { compareKeyUse, watchKeyUse, type SurplusFound } from "./compare.ts";
import { forgetKeyUse, readKeyUse } from "./read.ts";

/** Uses of keys, announced and not, over a real key process and a real database. */
const db = await testDatabase();
const keyholder = await testKeyholder();
afterAll(() => keyholder.stop());
const clock = manualClock(systemClock.now());
const databaseId = "ours";
const keeper = await keyholder.connect("keeper");
const needs = { db, clock, random: systemRandom, log: silentLog };

const connect = (announcing?: Announcing) =>
  connectKeyholder({
    socketPath: keyholder.socketPath,
    role: "web",
    credential: keyholder.credentials.web,
    announcing,
    log: silentLog,
    waitMs: 10_000,
  });

let rung: SurplusFound[] = [];
const ring = async (_tx: unknown, _now: unknown, found: SurplusFound): Promise<void> => {
  rung.push(found);
};
const compareNeeds = { db, uses: keeper.uses, databaseId, clock, ring };
async function compare(): Promise<SurplusFound[]> {
  rung = [];
  await compareKeyUse(compareNeeds);
  return rung;
}
const rows = async (): Promise<number> =>
  (await db.one<{ count: number }>(`select count(*) as count from key_caller`))?.count ?? -1;
const surplus = async (): Promise<number> =>
  (await readKeyUse(db, 0 as never, plus(systemClock.now(), hourMs)))?.purposes.reduce(
    (sum, one) => sum + one.surplus,
    0,
  ) ?? -1;

test("what a caller announced is no surplus, through repeated calls, a hundred ranges and a killed keyholder", async () => {
  const announcer = announceUse(needs, "web", databaseId);
  const web = await connect(announcer);
  expect(await rows()).toBe(0);
  const before = db.statements();
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 500 }, (_, n) => web.index("address", `${round} ${n}`)));
    if (round === 10) process.kill(keyholder.pid(), "SIGKILL");
  }
  // A thousandth of the calls, and not one for each.
  expect(db.statements() - before).toBeLessThan(40);
  expect(await compare()).toEqual([]);
  const use = await readKeyUse(db, clock.now(), clock.now());
  const served = use?.purposes.find(({ purpose }) => purpose === "index");
  expect(served?.surplus).toBe(0);
  // A killed process forgets what it served in its last second, and counts what is asked again.
  expect(served?.served).toBeGreaterThan(0);
  expect(served?.served).toBeLessThanOrEqual(10_000);
  await web.close();
  await announcer.close();
  expect(await compare()).toEqual([]);
}, 120_000);

test("an announcement whose caller was killed before its first call is no surplus", async () => {
  const announcer = announceUse(needs, "web", databaseId);
  await announcer.cover(1);
  expect(await compare()).toEqual([]);
});

test("a credential without a name, with a name of its own, and with a name read from the table: each call is a surplus", async () => {
  const announcer = announceUse(needs, "web", databaseId);
  const web = await connect(announcer);
  await web.index("address", "ada@example.org");
  expect(await compare()).toEqual([]);

  const nameless = await connect();
  await Promise.all([1, 2, 3].map((n) => nameless.index("address", `nameless ${n}`)));
  expect(await compare()).toMatchObject([{ roles: ["web"], byPurpose: { index: 3 }, added: 3, callers: 1 }]);
  // Known by now, and told once.
  expect(await compare()).toEqual([]);

  const named = (secret: Secret): Announcing => ({ secret, database: databaseId, cover: () => undefined });
  const own = await connect(named(new Secret(systemRandom.bytes(32))));
  await own.codeMac("sign-up", Buffer.alloc(32), Secret.fromText("BCDF"));
  expect(await compare()).toMatchObject([{ byPurpose: { index: 3, code: 1 }, added: 1, callers: 2 }]);

  // The table holds digests: what is read there passes for nobody.
  const row = await db.one<{ caller: Buffer }>(`select caller from key_caller order by opened_at desc limit 1`);
  const forged = await connect(named(new Secret(Buffer.concat([row?.caller ?? Buffer.alloc(0), Buffer.alloc(16)]))));
  await forged.index("address", "forged");
  await forged.index("address", "forged");
  expect(await compare()).toMatchObject([{ added: 2, callers: 3 }]);

  // The caller's own secret within what it announced: a number that it had used for something else gives it away.
  const within = await connect({ ...named(announcer.secret), cover: () => undefined });
  await within.codeMac("sign-up", Buffer.alloc(32), Secret.fromText("BCDF"));
  expect(await compare()).toMatchObject([{ byPurpose: { code: 2 }, added: 1, callers: 4 }]);

  // The same, beyond what it announced: only a process that was captured has it, and that announces.
  const beyond = await connect({ ...named(announcer.secret), cover: () => undefined });
  for (let n = 0; n < 260; n++) await beyond.index("address", "beyond");
  expect(await compare()).toMatchObject([{ added: 3, callers: 4 }]);
  expect(await surplus()).toBe(10);
  for (const client of [web, nameless, own, forged, within, beyond]) await client.close();
  await announcer.close();
}, 60_000);

test("what a caller that has closed left of its range is nobody's: its secret passes for no more than it used", async () => {
  const announcer = announceUse(needs, "web", databaseId);
  const web = await connect(announcer);
  await web.index("address", "ada@example.org");
  await compare();
  await web.close();
  await announcer.close();
  const thief = await connect({ secret: announcer.secret, database: databaseId, cover: () => undefined });
  // The first number is the one that was used.
  for (let n = 0; n < 3; n++) await thief.index("address", "after the end");
  expect(await compare()).toMatchObject([{ added: 2 }]);
  await thief.close();
});

test("a database under which an older one was put explains what was announced to the other, and nothing that comes later", async () => {
  const announcer = announceUse(needs, "web", databaseId);
  const web = await connect(announcer);
  await web.index("address", "ada@example.org");
  await db.run(`delete from key_caller`);
  clock.set(systemClock.now());
  await db.transaction((tx) =>
    append(tx, clock.now(), { kind: "copy detected", detail: { epoch: 2, kinds: [] } }, systemRandom),
  );
  expect(await compare()).toEqual([]);
  // The process announces itself to the database that it has now.
  clock.advance(61 * minuteMs);
  await web.index("address", "bob@example.org");
  clock.advance(hourMs);
  expect(await compare()).toEqual([]);
  const thief = await connect();
  await thief.index("address", "after the restore");
  expect(await compare()).toMatchObject([{ added: 1 }]);
  await thief.close();
  await web.close();
  await announcer.close();
});

test("a caller of before that older one goes on unannounced for an hour and no longer", async () => {
  const announcer = announceUse(needs, "web", databaseId);
  const web = await connect(announcer);
  await web.index("address", "ada@example.org");
  await db.run(`delete from key_caller`);
  const now = systemClock.now();
  clock.set(now);
  await db.transaction((tx) =>
    append(tx, now, { kind: "copy detected", detail: { epoch: 2, kinds: [] } }, systemRandom),
  );
  // The keyholder's own clock cannot be set: what it says is moved.
  const usedFor = async (durationMs: number): Promise<readonly SurplusFound[]> => {
    const callers = async (id: string) => {
      const snapshot = await keeper.uses.callers(id);
      const moved = snapshot.callers.map((of) => ({
        ...of,
        firstAt: plus(of.firstAt, -dayMs),
        lastAt: plus(of.lastAt, durationMs),
      }));
      return { ...snapshot, callers: moved };
    };
    rung = [];
    await compareKeyUse({ ...compareNeeds, uses: { ...keeper.uses, callers } });
    return rung;
  };
  expect(await usedFor(hourMs)).toEqual([]);
  expect(await usedFor(2 * hourMs)).toMatchObject([{ byPurpose: { index: expect.any(Number) } }]);
  await web.close();
  await announcer.close();
});

test("callers that are over are cleared away, and one that slept for a week announces itself before its next use", async () => {
  const announcer = announceUse(needs, "web", databaseId);
  const web = await connect(announcer);
  await web.index("address", "ada@example.org");
  expect(await compare()).toEqual([]);
  clock.advance(8 * dayMs);
  expect(await compare()).toEqual([]);
  expect(await rows()).toBe(0);
  const suspects = (await keeper.uses.callers(databaseId)).callers.length;
  await web.index("address", "ada@example.org");
  expect(await rows()).toBe(1);
  expect((await keeper.uses.callers(databaseId)).callers).toHaveLength(suspects + 1);
  expect(await compare()).toEqual([]);
  await web.close();
  await announcer.close();
  clock.advance(6 * minuteMs);
  expect(await compare()).toEqual([]);
  expect(await rows()).toBe(0);
  clock.advance(91 * dayMs);
  await compare();
  while ((await forgetKeyUse(db, clock.now())) > 0);
  expect(await surplus()).toBe(0);
  expect(await compare()).toEqual([]);
});

test("without the database a call waits for nothing: it is refused, and was not made", async () => {
  const broken = { run: () => Promise.reject(new Error("away")) } as never;
  const announcer = announceUse({ ...needs, db: broken }, "web", databaseId);
  const web = await connect(announcer);
  const served = async () => (await keeper.uses.callers(databaseId)).totals.index ?? 0;
  const before = await served();
  await expect(web.index("address", "x")).rejects.toThrow("away");
  expect(await served()).toBe(before);
  await web.close();
});

test("the watch compares by itself, two at once included", async () => {
  rung = [];
  clock.set(systemClock.now());
  const watches = [1, 2].map(() => watchKeyUse({ ...compareNeeds, log: silentLog }, 20));
  const thief = await connect();
  for (let n = 0; n < 25; n++) await thief.index("address", `watched ${n}`);
  await expect.poll(() => rung.reduce((sum, { added }) => sum + added, 0), { timeout: 20_000 }).toBe(25);
  for (const watch of watches) await watch.stop();
  await thief.close();
}, 40_000);

test("a watch that is stopped compares once more", async () => {
  rung = [];
  const watch = watchKeyUse({ ...compareNeeds, log: silentLog }, hourMs);
  const thief = await connect();
  await thief.index("address", "in the last minute");
  await watch.stop();
  expect(rung).toMatchObject([{ added: 1 }]);
  await thief.close();
});

test("a caller that has closed is kept for what it may still have had on its way", async () => {
  clock.set(systemClock.now());
  const announcer = announceUse(needs, "web", databaseId);
  const web = await connect(announcer);
  await web.index("address", "ada@example.org");
  await compare();
  const before = await rows();
  await web.close();
  await announcer.close();
  clock.advance(4 * minuteMs);
  await compare();
  expect(await rows()).toBe(before);
  clock.advance(2 * minuteMs);
  await compare();
  expect(await rows()).toBeLessThan(before);
});

test("a caller that announces itself anew while it is cleared away stays announced", async () => {
  clock.set(systemClock.now());
  const announcer = announceUse(needs, "web", databaseId);
  const web = await connect(announcer);
  await web.index("address", "ada@example.org");
  await compare();
  const before = await rows();
  clock.advance(8 * dayMs);
  const settle: typeof keeper.uses.settle = async (callers) => {
    await web.index("address", "back after a week");
    await keeper.uses.settle(callers);
  };
  await compareKeyUse({ ...compareNeeds, uses: { ...keeper.uses, settle } });
  expect(before).toBeGreaterThan(0);
  const ours = await db.many(`select 1 as ours from key_caller where renewed_at >= $1`, [new Date(clock.now())]);
  expect(ours).toHaveLength(1);
  await web.close();
  await announcer.close();
});

test("a keyholder that counts anew is counted from its beginning", async () => {
  clock.set(systemClock.now());
  await compare();
  const served = async (): Promise<number> =>
    (await readKeyUse(db, clock.now(), clock.now()))?.purposes.find(({ purpose }) => purpose === "index")?.served ?? 0;
  const before = await served();
  expect(before).toBeGreaterThan(5);
  const callers: typeof keeper.uses.callers = async (id) => ({
    ...(await keeper.uses.callers(id)),
    ledger: "begun anew",
    totals: { index: 5 },
  });
  for (let twice = 0; twice < 2; twice++) await compareKeyUse({ ...compareNeeds, uses: { ...keeper.uses, callers } });
  expect(await served()).toBe(before + 5);
});

test("who used keys unannounced stays known for eighty days, and is forgotten then", async () => {
  clock.set(systemClock.now());
  const thief = await connect();
  await thief.index("address", "unannounced");
  await thief.close();
  expect(await compare()).toMatchObject([{ added: 1 }]);
  const isKnown = async (): Promise<boolean> =>
    (await keeper.uses.callers(databaseId)).callers.some(({ id }) => id === "0".repeat(32));
  clock.advance(79 * dayMs);
  await compare();
  expect(await isKnown()).toBe(true);
  clock.advance(2 * dayMs);
  await compare();
  expect(await isKnown()).toBe(false);

  // Counted from the first call again, as little as it is beside what is known: it is news.
  const before = await surplus();
  const again = await connect();
  await again.index("address", "unannounced again");
  await again.close();
  expect(await compare()).toMatchObject([{ added: 1 }]);
  expect(await compare()).toEqual([]);
  expect(await surplus()).toBe(before + 1);
});

test("what a role may not ask for uses no key, and is counted as no use", async () => {
  const totals = async () => (await keeper.uses.callers(databaseId)).totals;
  const thief = await connect();
  await thief.index("address", "before");
  const before = await totals();
  await expect(thief.openForMailer("x", Buffer.alloc(64))).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  expect(await totals()).toEqual(before);
  await thief.index("address", "after");
  expect(await totals()).toEqual({ ...before, index: (before.index ?? 0) + 1 });
  await thief.close();
});
