/** The fastest that a route of the same answer can be here: Fastify, a response schema, nothing read. */
import { randomUUID } from "node:crypto";
import fastify from "fastify";
import { CurrentSession } from "../../src/wire/accounts.ts";

const app = fastify({ logger: false });
const answer = {
  accountId: randomUUID(),
  sessionId: randomUUID(),
  class: "browser",
  role: "viewer",
  expiresAt: "2026-11-22T20:41:07.312Z",
  freshUntil: "2026-11-22T20:41:07.312Z",
};
app.get("/api/session", { schema: { response: { 200: CurrentSession } } }, async () => answer);

process.once("message", async () => {
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  process.send?.({ kind: "ready", port: typeof address === "object" && address !== null ? address.port : 0 });
});
process.once("SIGTERM", () => process.exit(0));
process.once("disconnect", () => process.exit(0));
