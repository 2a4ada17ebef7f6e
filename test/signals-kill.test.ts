import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { decodeJwt } from "jose";
import { afterAll, expect, test } from "vitest";
import { sleep, systemClock } from "../src/kernel/clock.ts";
import type { AccountId, IncidentId } from "../src/kernel/brand.ts";
import { newId, systemRandom } from "../src/kernel/random.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { sessionRevoked } from "../src/signals/events.ts";
import { signalSums } from "../src/signals/fan-out.ts";
import { queueFanOut, queueSignal } from "../src/signals/queue-signal.ts";
import { addReceiver, type Receiver } from "../src/signals/receivers.ts";
import { createStream } from "../src/signals/streams.ts";
import { populateSynthetic } from "./population.ts";
import { pushEndpoint } from "./signal-receiver.ts";
import type { ChildOrder } from "./child-ground.ts";

/** Two transmitters, killed again and again while everybody is told of a containment: nobody is left out. */
const accounts = 1_200;
const kills = 8;
/** What one transmitter may have handed over and not recorded when it dies. */
const mostInFlight = 32;

const db = await testDatabase();
const keyholder = await testKeyholder();
const endpoint = await pushEndpoint();
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await endpoint.close();
  await keyholder.stop();
});

const order: ChildOrder = {
  database: { ...testConnection(String(db.pool.options.database)) } as ChildOrder["database"],
  socketPath: keyholder.socketPath,
  credential: Buffer.from(keyholder.credentials.transmitter.reveal()).toString("base64"),
};

async function startTransmitter(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./signal-transmitter.ts", import.meta.url))], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.add(child);
  child.stdin.end(JSON.stringify(order));
  await once(child.stdout, "data");
  return child;
}

test("killed at any instant: every account once in the queue, at least once at the receiver, the sum holds at every look", async () => {
  await populateSynthetic(db, { accounts, sessionsEach: 0 });
  const operator = await keyholder.connect("operator");
  const needs = { db, keyholder: operator, clock: systemClock, random: systemRandom, issuer: "http://localhost:8400" };
  const added = await addReceiver(needs, {
    name: "Rely",
    audience: "https://rely.example",
    addressesBecause: null,
    pushOrigin: endpoint.origin,
    privateNetwork: false,
    by: "test",
  });
  const row = await db.one<{ dataKey: Buffer }>(`select data_key as "dataKey" from signal_receiver`);
  const receiver: Receiver = {
    id: added!.id,
    name: "Rely",
    audience: "https://rely.example",
    dataKey: row!.dataKey,
    addressesBecause: null,
    pushOrigin: endpoint.origin,
    privateNetwork: false,
  };
  const delivery = { method: "urn:ietf:rfc:8935", endpoint_url: `${endpoint.origin}/events` } as const;
  const made = await createStream(needs, receiver, { events_requested: [sessionRevoked], delivery });
  expect(made.kind).toBe("created");
  const incidentId = newId<IncidentId>(systemRandom, systemClock.now());
  await db.transaction((tx) => queueFanOut(tx, systemRandom, incidentId, ["session revoked"], systemClock.now()));

  const single: AccountId[] = [];
  let pair = await Promise.all([startTransmitter(), startTransmitter()]);
  for (let kill = 0; kill < kills; kill++) {
    const until = Math.ceil(((kill + 1) * accounts) / (kills + 2));
    while (endpoint.came.length < until) await sleep(5);
    const accountId = newId<AccountId>(systemRandom, systemClock.now());
    single.push(accountId);
    await queueSignal(db, systemRandom, accountId, ["session revoked"], "devices signed out", systemClock.now());
    const [victim, other] = kill % 2 === 0 ? pair : pair.toReversed();
    victim?.kill("SIGKILL");
    if (victim !== undefined) await once(victim, "close");
    const [sum] = await signalSums(db, incidentId);
    expect(sum!.taken + sum!.waiting + sum!.refused + sum!.dropped).toBe(sum!.made);
    expect(sum!.made).toBe(sum!.accounts);
    // Whoever died holds its stream for its lease, a minute; a test does not wait for it.
    await db.run(`update signal_stream set lease_until = now() where lease_until is not null`);
    pair = [await startTransmitter(), other!];
  }
  const left = async (): Promise<number> =>
    (await db.one<{ count: number }>(
      `select (select count(*) from signal_delivery) + (select count(*) from signal)
              + (select count(*) from signal_fan_out_stream where finished_at is null) as count`,
    ))!.count;
  while ((await left()) > 0) await sleep(20);

  const [sum] = await signalSums(db, incidentId);
  expect(sum).toMatchObject({ accounts, made: accounts, taken: accounts, refused: 0, dropped: 0, waiting: 0 });
  const came = endpoint.came.map(({ set }) => decodeJwt(set) as { jti: string; sub_id: { sub: string } });
  const everybody = await db.many<{ id: string }>(`select id from account`);
  const told = new Set(came.map(({ sub_id }) => sub_id.sub));
  expect([...everybody.map(({ id }) => id), ...single].filter((id) => !told.has(id))).toEqual([]);
  // One token for each account: what came twice came under the same one.
  expect(new Set(came.map(({ jti }) => jti)).size).toBe(accounts + single.length);
  expect(came.length - (accounts + single.length)).toBeLessThanOrEqual(kills * 2 * mostInFlight);
}, 120_000);
