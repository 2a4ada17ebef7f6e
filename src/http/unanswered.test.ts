import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, expect, test } from "vitest";
import { roomServer } from "../../test/room-server.ts";
import { mostUnanswered } from "./unanswered.ts";

/** One connection cannot put as much under way as it likes by sending before it is answered. */
const app = roomServer(() => Promise.resolve(null));
let begun = 0;
let most = 0;
let goOn = Promise.withResolvers<void>();
app.get("/slow", { config: { access: "anyone" } }, async () => {
  begun++;
  most = Math.max(most, begun);
  await goOn.promise;
  begun--;
  return "slow";
});
await app.listen({ host: "127.0.0.1", port: 0 });
const address = app.server.address();
const port = typeof address === "object" ? (address?.port ?? 0) : 0;
afterAll(() => app.close());

async function send(times: number) {
  const socket = connect(port, "127.0.0.1");
  let said = "";
  socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(`GET /slow HTTP/1.1\r\nhost: localhost:8080\r\n\r\n`.repeat(times));
  return { socket, answers: () => said.split("HTTP/1.1 200").length - 1 };
}

test("what a connection sends without waiting for answers is answered, in that measure; one that sends more is closed, and others are served", async () => {
  const patient = await send(mostUnanswered);
  await expect.poll(() => begun).toBe(mostUnanswered);
  goOn.resolve();
  await expect.poll(patient.answers).toBe(mostUnanswered);
  // Answered, it may send as many again.
  patient.socket.write(`GET /slow HTTP/1.1\r\nhost: localhost:8080\r\n\r\n`.repeat(mostUnanswered));
  await expect.poll(patient.answers).toBe(2 * mostUnanswered);
  patient.socket.destroy();

  goOn = Promise.withResolvers<void>();
  [begun, most] = [0, 0];
  const greedy = await send(1_000);
  await once(greedy.socket, "close");
  expect(most).toBe(mostUnanswered);
  goOn.resolve();
  expect(greedy.answers()).toBe(0);
  expect((await fetch(`http://127.0.0.1:${port}/slow`)).status).toBe(200);
});
