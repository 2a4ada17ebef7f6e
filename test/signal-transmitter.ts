import { text } from "node:stream/consumers";
import { sleep, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import { openDb } from "../src/db/db.ts";
import { connectKeyholder } from "../src/keyholder/client.ts";
import { transmitTurn } from "../src/signals/transmit.ts";

/** What the test writes to standard input. */
export interface TransmitterOrder {
  readonly database: { readonly host: string; readonly port: number; readonly user: string; readonly database: string };
  readonly socketPath: string;
  readonly credential: string;
}

/** Transmits signals in a process of its own, which a test kills. Says `transmitting` when it begins. */
const order = JSON.parse(await text(process.stdin)) as TransmitterOrder;
const db = openDb({ connection: order.database, log: silentLog });
const keyholder = await connectKeyholder({
  socketPath: order.socketPath,
  role: "transmitter",
  credential: new Secret(Buffer.from(order.credential, "base64")),
  log: silentLog,
  waitMs: 10_000,
});
process.stdout.write("transmitting\n");
const never = new AbortController().signal;
for (;;) {
  const busy = await transmitTurn(
    {
      db,
      keyholder,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      issuer: "http://localhost:8400",
      isLoopbackOrigin: true,
    },
    never,
  ).catch(() => false);
  if (!busy) await sleep(20);
}
