import fastify from "fastify";
import { expect, test } from "vitest";
import { clearSessionCookie, setPlaceCookies, setSessionCookie } from "./cookies.ts";
import { Secret } from "../kernel/secret.ts";

test("an answer sets a cookie once: what was set last stands, beside the others", async () => {
  const app = fastify();
  app.get("/", (_request, reply) => {
    clearSessionCookie(reply);
    setPlaceCookies(reply, { text: "place", browser: new Secret(Buffer.alloc(32)) }, 60);
    setSessionCookie(reply, "token", 3_600);
    return reply.send("");
  });
  const { headers } = await app.inject("/");
  const attributes = "Path=/; HttpOnly; Secure; SameSite=Lax";
  expect(headers["set-cookie"]).toEqual([
    `__Host-houselights-place=place; Max-Age=60; ${attributes}`,
    `__Host-houselights-line=${"A".repeat(43)}; Max-Age=60; ${attributes}`,
    `__Host-houselights=token; Max-Age=3600; ${attributes}`,
  ]);
});
