import { text } from "node:stream/consumers";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { openDb } from "../src/db/db.ts";
import { connectKeyholder } from "../src/keyholder/client.ts";
import type { Role } from "../src/keyholder/keyholder.ts";

/** What a test writes to the standard input of a process that it will kill. */
export interface ChildOrder {
  readonly database: { readonly host: string; readonly port: number; readonly user: string; readonly database: string };
  readonly socketPath: string;
  readonly credential: string;
}

/** Reads the order, and opens the database and the keyholder that it names. */
export async function childGround<Order extends ChildOrder>(role: Role) {
  const order = JSON.parse(await text(process.stdin)) as Order;
  const keyholder = await connectKeyholder({
    socketPath: order.socketPath,
    role,
    credential: new Secret(Buffer.from(order.credential, "base64")),
    log: silentLog,
    waitMs: 10_000,
  });
  return { order, keyholder, db: openDb({ connection: order.database, log: silentLog }) };
}
