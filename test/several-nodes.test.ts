import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { sessionCookie } from "../src/http/cookies.ts";
import { contain } from "../src/incidents/contain.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { endNodeProcess, startNodeProcess, type NodeProcess } from "./node-processes.ts";
import { stallablePostgres, type StallablePostgres } from "./stallable-postgres.ts";

/** Three web processes over one PostgreSQL, each by a way of its own that can go silent, be cut, or end with its process. */
const db = await testDatabase();
const { host, ...connection } = testConnection(String(db.pool.options.database));
const keyholder = await testKeyholder();
const folder = await mkdtemp(join(tmpdir(), "houselights-nodes-"));

interface Node extends NodeProcess {
  readonly way: StallablePostgres;
}
const processes = new Set<ChildProcess>();
const startNode = async (way: StallablePostgres): Promise<Node> => ({
  way,
  ...(await startNodeProcess(
    { role: "web", connection: { ...connection, host: way.folder }, keyholder, folder },
    processes,
  )),
});

const nodes: Node[] = [];
beforeAll(async () => {
  for (let n = 0; n < 3; n++) nodes.push(await startNode(await stallablePostgres(String(host))));
}, 120_000);
afterAll(async () => {
  for (const each of processes) each.kill("SIGKILL");
  for (const { way } of nodes) await way.close();
  await keyholder.stop();
  await rm(folder, { recursive: true, force: true });
});

async function enter(node: Node, secret: string): Promise<string> {
  const answer = await fetch(`${node.url}/api/operator-sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ secret }),
  });
  expect(answer.status).toBe(201);
  const cookie = answer.headers.getSetCookie().find((each) => each.startsWith(`${sessionCookie}=`)) ?? "";
  return cookie.split(";")[0] ?? "";
}
const session = async ({ url }: Node, cookie: string, path = "/api/session"): Promise<number> =>
  (await fetch(`${url}${path}`, { headers: { cookie } })).status;
const everywhere = (cookie: string): Promise<number[]> => Promise.all(nodes.map((node) => session(node, cookie)));

test("a node whose connections are stalled during containment serves nothing old; nor one that is cut off, or starts again", async () => {
  const [one, two, three] = nodes as [Node, Node, Node];
  const cookie = await enter(one, one.link ?? "");
  // Warm: every node has connections that have served this session a moment before.
  expect(await everywhere(cookie)).toEqual([200, 200, 200]);
  expect(await everywhere(cookie)).toEqual([200, 200, 200]);

  three.way.stall();
  const asked = [session(three, cookie), session(three, cookie)];
  const operator = await keyholder.connect("operator");
  const needs = {
    db,
    witness: operator.witness,
    clock: systemClock,
    monotonicMs: () => performance.now(),
    random: systemRandom,
    log: silentLog,
  };
  const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
  expect((await contain(needs, order)).witness).toBe("told");
  expect(await session(one, cookie)).toBe(401);
  expect(await session(two, cookie)).toBe(401);
  // Asked before and after: silence becomes "not now", and never yes.
  asked.push(session(three, cookie), session(three, cookie, "/readyz"));
  expect(await Promise.all(asked)).toEqual([503, 503, 503, 503]);
  three.way.restore();
  // What was held up may still arrive; it is not believed.
  for (let n = 0; n < 5; n++) expect([401, 503]).toContain(await session(three, cookie));
  await expect.poll(() => session(three, cookie), { timeout: 30_000 }).toBe(401);

  const { makeOperatorLink } = await import("../src/sessions/operator-link.ts");
  const { secret } = await makeOperatorLink({ db, clock: systemClock, random: systemRandom });
  const fresh = await enter(three, Buffer.from(secret.reveal()).toString("base64url"));
  expect(await everywhere(fresh)).toEqual([200, 200, 200]);

  two.way.cut();
  expect(await session(two, fresh)).toBe(503);
  expect(await session(two, cookie)).toBe(503);
  expect([await session(one, fresh), await session(three, fresh)]).toEqual([200, 200]);
  two.way.restore();
  await expect.poll(() => session(two, fresh), { timeout: 30_000 }).toBe(200);
  expect(await session(two, cookie)).toBe(401);

  // One after another is killed and started anew, while the others serve.
  for (const [place, node] of [one, two, three].entries()) {
    await endNodeProcess(node, "SIGKILL");
    const others = nodes.filter((each) => each !== node);
    expect(await Promise.all(others.map((each) => session(each, fresh)))).toEqual([200, 200]);
    nodes[place] = await startNode(node.way);
    expect([await session(nodes[place], fresh), await session(nodes[place], cookie)]).toEqual([200, 401]);
  }
}, 180_000);
