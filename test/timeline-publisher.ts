import { text } from "node:stream/consumers";
import { silentLog } from "../src/kernel/log.ts";
import { openDb } from "../src/db/db.ts";
import { publishTiles } from "../src/timeline/publish.ts";

/** What the test writes to standard input. */
export interface PublisherOrder {
  readonly database: { readonly host: string; readonly port: number; readonly user: string; readonly database: string };
  readonly folder: string;
}

/** Publishes once in a process of its own, which a test may kill. Says `publishing` when it begins. */
const { database, folder } = JSON.parse(await text(process.stdin)) as PublisherOrder;
const db = openDb({ connection: database, log: silentLog, maxConnections: 1 });
await db.one("select 1 as here");
process.stdout.write("publishing\n");
await publishTiles({ db, folder, log: silentLog });
await db.close();
