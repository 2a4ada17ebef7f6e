import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { encodeFrame } from "./frames.ts";
import { forEachRole } from "./permissions.ts";
import { serveKeyholder } from "./server.ts";
import { endAfterEach } from "./test-endings.ts";

/** Who gets a place at the keyholder's socket, and for how long. */
const { toEnd, temporaryFolder } = endAfterEach();
const credential = randomBytes(32);

async function serve(strangerMs?: number): Promise<string> {
  const socketPath = join(await temporaryFolder(), "keys", "keyholder.sock");
  const needs = {
    log: silentLog,
    ...(strangerMs === undefined ? {} : { strangerMs }),
    credentials: forEachRole(() => new Secret(credential)),
    isStandby: () => false,
    generation: () => 1,
    note: () => undefined,
    answer: () => null,
  };
  const server = await serveKeyholder(needs, socketPath);
  toEnd.push(() => server.close());
  return socketPath;
}

function open(socketPath: string): Socket {
  const socket = connect(socketPath);
  socket.on("error", () => undefined);
  toEnd.push(async () => socket.destroy());
  return socket;
}
const hello = encodeFrame(JSON.stringify({ role: "web", credential: credential.toString("base64") }));
/** What is answered to a hello or a call; nothing where the connection ends without one. */
async function say(socket: Socket, frame: Buffer): Promise<string> {
  const answer = Promise.withResolvers<string>();
  socket.once("data", (chunk) => answer.resolve(String(chunk)));
  socket.once("close", () => answer.resolve(""));
  socket.write(frame);
  return answer.promise;
}

test("who says nothing is cut off, and who said hello may be silent for as long", async () => {
  const socketPath = await serve(4_000);
  const welcomed = open(socketPath);
  expect(await say(welcomed, hello)).toContain("welcome");
  const silent = open(socketPath);
  silent.resume();
  await once(silent, "close");
  const call = encodeFrame(JSON.stringify({ calls: [[1, "counters", []]] }));
  expect(await say(welcomed, call)).toContain('{"answers":[[1,0,null]]}');
});

test("beyond 256 connections nobody is let in, until one of them ends", async () => {
  const socketPath = await serve();
  const places = Array.from({ length: 256 }, () => open(socketPath));
  const answers = await Promise.all(places.map((socket) => say(socket, hello)));
  expect(answers.filter((answer) => answer.includes("welcome"))).toHaveLength(256);
  expect(await say(open(socketPath), hello)).toBe("");
  places[0]?.destroy();
  await expect.poll(() => say(open(socketPath), hello)).toContain("welcome");
});
