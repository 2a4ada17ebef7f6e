import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { sleep, systemClock } from "../src/kernel/clock.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { endNodeProcess, startNodeProcess, type NodeProcess } from "./node-processes.ts";
import { populate, populationPassword } from "./population.ts";
import { prepareRenewals } from "./prepared-renewals.ts";

/**
 * The web process is killed, without warning, while people renew at once: whoever was told that the new password is set
 * signs in with it and no longer with the old one; whoever was told nothing tries again and gets there. The instants
 * come from a seed, which is printed.
 */
const seed = process.env["KILL_SEED"] ?? String(systemRandom.below(1_000_000));
const kills = 3;
const crowd = 16;

const db = await testDatabase({ maxConnections: 4 });
const keys = await testKeyholder();
const folder = await mkdtemp(join(tmpdir(), "houselights-storm-"));
const running = new Set<ChildProcess>();
let web: NodeProcess | undefined;

async function start(): Promise<void> {
  const connection = testConnection(String(db.pool.options.database));
  const settings = { TRUST_PROXY: "1" };
  web = await startNodeProcess({ role: "web", connection, keyholder: keys, folder, settings }, running);
}

async function kill(): Promise<void> {
  if (web !== undefined) await endNodeProcess(web, "SIGKILL");
}

afterAll(async () => {
  await kill();
  for (const each of running) each.kill("SIGKILL");
  await keys.stop();
  await rm(folder, { recursive: true, force: true });
}, 30_000);

/** @returns the status, or `undefined` when there was no answer. */
async function post(path: string, body: object, number: number): Promise<{ status: number; text: string } | undefined> {
  try {
    const answer = await fetch(`${web?.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": `198.51.100.${1 + number}` },
      body: JSON.stringify(body),
    });
    return { status: answer.status, text: await answer.text() };
  } catch {
    return undefined;
  }
}

test(`no acknowledged renewal is lost when web is killed in a crowd (KILL_SEED=${seed})`, async () => {
  const keyholder = await keys.connect("web");
  const people = await populate(db, keyholder, { accounts: kills * crowd });
  const renewals = await prepareRenewals({ db, keyholder, random: systemRandom, now: systemClock.now() }, people);
  const told = new Set<number>();
  let unanswered = 0;
  await start();
  for (let round = 0; round < kills; round++) {
    const numbers = Array.from({ length: crowd }, (_none, index) => round * crowd + index);
    const asking = numbers.map(async (number) => {
      const answer = await post("/api/renewals/complete", renewals[number]?.body ?? {}, number);
      if (answer?.status === 200) told.add(number);
      if (answer === undefined) unanswered++;
    });
    // A renewal of two hashes takes some 20 ms on one thread: the kill falls among them.
    const share = createHash("sha256").update(`${seed} ${round}`).digest().readUInt32BE(0) / 2 ** 32;
    const before = told.size;
    while (told.size - before < Math.floor(share * (crowd - 8)) + 1) await sleep(5);
    await kill();
    await Promise.all(asking);
    await start();
  }
  // The kills fell into the middle of something, and after something.
  expect(unanswered).toBeGreaterThan(0);
  expect(told.size).toBeGreaterThan(0);

  const signIn = async (number: number, password: string): Promise<number> =>
    (await post("/api/sessions", { address: renewals[number]?.address, password, token: true }, number))?.status ?? 0;
  const lost: number[] = [];
  for (const [number, { password, body }] of renewals.entries()) {
    if (told.has(number)) {
      if ((await signIn(number, password)) !== 201) lost.push(number);
      if (number % 5 === 0) expect(await signIn(number, populationPassword)).toBe(401);
      continue;
    }
    // Told nothing: the code is still good, or the password is set already.
    const again = await post("/api/renewals/complete", body, number);
    expect([200, 400]).toContain(again?.status);
    if ((await signIn(number, password)) !== 201) lost.push(number);
  }
  expect(lost).toEqual([]);
}, 120_000);
