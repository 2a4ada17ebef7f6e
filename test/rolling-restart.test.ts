import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sleep } from "../src/kernel/clock.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { sessionCookie } from "../src/http/cookies.ts";
import { addsUp, letterSum } from "../src/incidents/letter-sum.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { startCountingRelay } from "./counting-relay.ts";
import { endNodeProcess, startNodeProcess, type NodeProcess } from "./node-processes.ts";
import { populationPassword } from "./population.ts";
import { startedCampaign } from "./started-campaign.ts";

/** Three nodes over one PostgreSQL, a web and a worker process each, updated one after another while the service is used. */
const accounts = 1_000;
const db = await testDatabase();
const connection = testConnection(String(db.pool.options.database));
const keyholder = await testKeyholder();
const relay = await startCountingRelay();
const folder = await mkdtemp(join(tmpdir(), "houselights-rolling-"));
const running = new Set<ChildProcess>();

interface Node {
  web: NodeProcess;
  worker: NodeProcess;
  readonly port: number;
  /** From SIGTERM until it serves again. */
  isAway: boolean;
}
const start = async (port?: number): Promise<Pick<Node, "web" | "worker">> => {
  const order = { connection, keyholder, folder, settings: { SMTP_URL: relay.url, CAMPAIGN_RETRY_SECONDS: "1" } };
  const [web, worker] = await Promise.all([
    startNodeProcess({ ...order, role: "web", ...(port === undefined ? {} : { port }) }, running),
    startNodeProcess({ ...order, role: "worker" }, running),
  ]);
  return { web, worker };
};

const nodes: Node[] = [];
beforeAll(async () => {
  for (const { web, worker } of await Promise.all([start(), start(), start()])) {
    nodes.push({ web, worker, port: web.port, isAway: false });
  }
}, 120_000);
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await relay.stop();
  await keyholder.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Answered {
  readonly status: number;
  readonly cookie: string | undefined;
}

/** One request. Rejects when no answer began. */
function ask(
  node: Node,
  agent: Agent,
  { method, path, cookie, body }: { method: "GET" | "POST"; path: string; cookie?: string; body?: object },
): Promise<Answered> {
  const headers = {
    ...(cookie === undefined ? {} : { cookie }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port: node.port, method, path, headers, agent }, (reply) => {
      const line = reply.headers["set-cookie"]?.find((each) => each.startsWith(`${sessionCookie}=`));
      reply.resume();
      reply.once("error", reject);
      reply.once("end", () => resolve({ status: reply.statusCode ?? 0, cookie: line?.split(";")[0] }));
    });
    call.once("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

test("nodes restarted in turn during a campaign and sign-ins answer no error, lose no letter and send none twice", async () => {
  // Slow enough that letters are on their way whenever a node is told to stop.
  relay.pace.answersAfterMs = 1_000;
  const { incidentId, people } = await startedCampaign({ db, keyholder }, accounts);

  let isOver = false;
  const done = { "signed in": 0, checked: 0, "refused a connection": 0 };
  const wrong: string[] = [];
  /** A person who signs in at one node and is checked at the others; the next node where one is down, as a balancer does it. */
  async function visit(number: number): Promise<void> {
    const agent = new Agent({ keepAlive: number % 2 === 0 });
    let place = number;
    let person = number;
    async function atSomeNode(order: Parameters<typeof ask>[2]): Promise<Answered> {
      for (;;) {
        const node = nodes[place++ % nodes.length]!;
        const wasAway = node.isAway;
        try {
          return await ask(node, agent, order);
        } catch (thrown) {
          if (!wasAway && !node.isAway) wrong.push(`${order.path}: ${String(thrown)}`);
          done["refused a connection"]++;
        }
        await sleep(5);
      }
    }
    while (!isOver) {
      // Somebody else each time: how often one address is tried is limited.
      const { address } = people[(person += 4) % people.length] ?? { address: "" };
      const body = { address, password: populationPassword };
      const signedIn = await atSomeNode({ method: "POST", path: "/api/sessions", body });
      if (signedIn.status !== 201 || signedIn.cookie === undefined) {
        wrong.push(`signing in: ${signedIn.status}`);
        continue;
      }
      done["signed in"]++;
      for (let checks = 0; checks < 15 && !isOver; checks++) {
        const { status } = await atSomeNode({ method: "GET", path: "/api/session", cookie: signedIn.cookie });
        if (status !== 200) wrong.push(`checking: ${status}`);
        done.checked++;
        await sleep(100);
      }
    }
    agent.destroy();
  }
  const visits = Array.from({ length: 4 }, (_, number) => visit(number));
  const looking = (async () => {
    for (; !isOver; await sleep(200)) {
      const sum = await letterSum(db, incidentId);
      if (sum === undefined || !addsUp(sum) || sum.scope !== accounts) wrong.push(`the sum: ${JSON.stringify(sum)}`);
    }
  })();

  let restartedMidway = 0;
  for (const node of nodes) {
    const before = relay.letters.length;
    while (relay.letters.length < before + 30) await sleep(10);
    node.isAway = true;
    const codes = await Promise.all([endNodeProcess(node.web, "SIGTERM"), endNodeProcess(node.worker, "SIGTERM")]);
    expect(codes).toEqual([0, 0]);
    if ((await letterSum(db, incidentId))!.waiting > 0) restartedMidway++;
    Object.assign(node, await start(node.port));
    node.isAway = false;
  }
  relay.pace.answersAfterMs = 0;
  await expect
    .poll(async () => (await letterSum(db, incidentId))?.waiting, { timeout: 120_000, interval: 100 })
    .toBe(0);
  isOver = true;
  await Promise.all([...visits, looking]);

  expect(wrong).toEqual([]);
  expect(restartedMidway).toBe(nodes.length);
  expect(done["signed in"]).toBeGreaterThan(20);
  expect(done.checked).toBeGreaterThan(200);
  // So that it is known that somebody came while a node was down.
  expect(done["refused a connection"]).toBeGreaterThan(0);
  expect(await letterSum(db, incidentId)).toMatchObject({ scope: accounts, handedOver: accounts, possiblyTwice: 0 });
  expect(relay.letters).toHaveLength(accounts);
  expect(new Set(relay.letters.map(({ to }) => to)).size).toBe(accounts);
}, 240_000);

test("Ctrl-C and the end of a terminal, which reach every process of it, end none by themselves", async () => {
  const { web, worker } = nodes[1]!;
  for (const signal of ["SIGINT", "SIGHUP"] as const) for (const { child } of [web, worker]) child.kill(signal);
  expect((await fetch(web.url)).status).toBeLessThan(500);
  expect(await Promise.all([web, worker].map((each) => endNodeProcess(each, "SIGTERM")))).toEqual([0, 0]);
});

test("a process whose parent is gone without a word finishes and ends: nothing is left at work that nobody would stop", async () => {
  const { web, worker } = nodes[0]!;
  const codes = [web, worker].map(async ({ child }) => {
    const ended = once(child, "exit") as Promise<[number | null]>;
    child.disconnect();
    return (await ended)[0];
  });
  expect(await Promise.all(codes)).toEqual([0, 0]);
});
