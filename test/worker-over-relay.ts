import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { startWorkerProcess } from "../src/app-worker.ts";
import { parseConfig } from "../src/config/config.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { systemClock, type Clock } from "../src/kernel/clock.ts";
import { silentLog, type Log } from "../src/kernel/log.ts";
import { openService } from "./open-service.ts";
import { startTestRelay } from "./smtp-server.ts";

interface WorkerOptions {
  /** Another way to the service's database. */
  readonly host?: string;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly lookEveryMs?: number;
}

/** A service, a relay beside it, and how to start a whole worker between them. All of it ends after the file's tests. */
export async function workerOverRelay() {
  const template = await testDatabase();
  const connection = testConnection(String(template.pool.options.database));
  const service = await openService({ connection, startAt: systemClock.now() });
  const relay = await startTestRelay();
  const folder = await mkdtemp(join(tmpdir(), "houselights-worker-"));
  // A library that has something in it gets no films drawn.
  await writeFile(join(folder, "nothing.txt"), "");
  const { credentials, socketPath } = service.keyholder;
  afterAll(async () => {
    await Promise.all([service.close(), relay.stop()]);
    await rm(folder, { recursive: true, force: true });
  });
  const settings = {
    DATA_DIR: folder,
    LIBRARY_DIR: folder,
    LOG_LEVEL: "silent",
    SMTP_URL: relay.url,
    MAIL_FROM: "no-reply@films.example",
  };
  const start = ({ clock, log = silentLog, lookEveryMs, host }: WorkerOptions = {}) =>
    startWorkerProcess(
      {
        config: parseConfig(settings, folder),
        surroundings: {
          connection: { ...connection, ...(host === undefined ? {} : { host }) },
          keyholder: { socketPath, credentials },
        },
        log,
        ...(clock === undefined ? {} : { clock }),
      },
      lookEveryMs === undefined ? {} : { lookEveryMs },
    );
  return { service, relay, start, databaseHost: String(connection.host) };
}
