import { afterAll } from "vitest";
import { testDatabase } from "../src/db/test-database.ts";
import type { Db } from "../src/db/db.ts";
import type { App } from "../src/http/server.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { openInspector } from "../src/library/inspect-file.ts";
import { openEngine } from "../src/streaming/engine.ts";
import { newGrants } from "../src/streaming/grants.ts";
import { streamingRoutes } from "../src/streaming/routes.ts";
import { testLibrary, type TestLibrary } from "./library-fixture.ts";
import { roomServer } from "./room-server.ts";
import { testViewers, type TestViewers } from "./viewers-fixture.ts";

/** The streaming room over a scanned library and a real engine. Call it at the top of a test file. */
export async function testStreaming({
  put,
  environment = { PATH: process.env["PATH"] ?? "" },
  ffmpegPath,
}: {
  /** Puts films there, before they are scanned. */
  readonly put: (library: TestLibrary) => Promise<void>;
  /** What the engine's programs see. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly ffmpegPath?: string;
}): Promise<{ readonly db: Db; readonly app: App; readonly viewers: TestViewers; readonly library: TestLibrary }> {
  const viewers = testViewers(systemClock);
  const inspector = openInspector({ log: silentLog });
  const db = await testDatabase();
  const library = await testLibrary(db, inspector);
  await put(library);
  await library.scan();
  const keys = await testKeyholder();
  const grants = newGrants({ keyholder: await keys.connect("web"), clock: systemClock });
  const engine = await openEngine({
    log: silentLog,
    libraryDir: library.folder,
    dataDir: library.needs.dataDir,
    environment,
    ...(ffmpegPath === undefined ? {} : { ffmpegPath }),
  });
  const app = roomServer(viewers.check);
  streamingRoutes(app, { db, clock: systemClock, log: silentLog, check: viewers.check, grants, media: engine });
  afterAll(async () => {
    await app.close();
    await engine.close();
    await inspector.close();
    await keys.stop();
    await library.remove();
  });
  return { db, app, viewers, library };
}
