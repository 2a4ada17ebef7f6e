/**
 * Better Auth on its own PostgreSQL adapter and the leanest server its documentation shows: `node:http` with
 * `toNodeHandler`. What would cost it is off (rate limiting, telemetry); its cookie cache stays off, as by default, since
 * a cached session outlives its end.
 */
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import pg from "pg";

interface Start {
  readonly connection: pg.PoolConfig;
  readonly secret: string;
  readonly maxConnections: number;
}

process.once("message", async ({ connection, secret, maxConnections }: Start) => {
  const options = {
    baseURL: "http://127.0.0.1",
    secret,
    database: new pg.Pool({ ...connection, max: maxConnections }),
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { level: "error" },
  } as const;
  const { runMigrations } = await getMigrations(options);
  await runMigrations();
  const server = createServer(toNodeHandler(betterAuth(options)));
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    process.send?.({ kind: "ready", port: typeof address === "object" && address !== null ? address.port : 0 });
  });
});
process.once("SIGTERM", () => process.exit(0));
process.once("disconnect", () => process.exit(0));
