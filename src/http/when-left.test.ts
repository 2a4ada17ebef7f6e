import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import fastify from "fastify";
import { expect, test } from "vitest";
import { whenLeft } from "./when-left.ts";

test("whoever hangs up is told of, also if they did while they were judged", async () => {
  const app = fastify({ forceCloseConnections: true });
  const begun = { early: Promise.withResolvers<void>(), late: Promise.withResolvers<void>() };
  const left = { early: Promise.withResolvers<void>(), late: Promise.withResolvers<void>() };
  app.get("/late", (_request, reply) => {
    void reply.hijack();
    whenLeft(reply, left.late.resolve);
    begun.late.resolve();
  });
  app.get("/early", async (request, reply) => {
    void reply.hijack();
    begun.early.resolve();
    // Judging them takes until they have gone.
    await once(request.raw.socket, "close");
    whenLeft(reply, left.early.resolve);
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  for (const path of ["late", "early"] as const) {
    const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
    socket.write(`GET /${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await begun[path].promise;
    expect(socket.readyState).toBe("open");
    socket.destroy();
    await left[path].promise;
  }
  await app.close();
});
