import { text } from "node:stream/consumers";
import { parseId } from "../src/kernel/brand.ts";
import type { IncidentId } from "../src/kernel/brand.ts";
import { sleep, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import { openDb } from "../src/db/db.ts";
import { connectKeyholder } from "../src/keyholder/client.ts";
import { openSmtp } from "../src/mail/smtp.ts";
import { walk } from "../src/incidents/walk.ts";
import type { Pace } from "../src/incidents/walk.ts";

/** What the test writes to standard input. */
export interface WalkerOrder {
  readonly database: { readonly host: string; readonly port: number; readonly user: string; readonly database: string };
  readonly socketPath: string;
  readonly credential: string;
  readonly relayUrl: string;
  readonly incidentId: string;
  readonly pace: Pace;
}

/**
 * Walks a campaign to its end in a process of its own, which a test may kill. Says `walking` when it begins and
 * `finished` when nothing waits.
 */
const order = JSON.parse(await text(process.stdin)) as WalkerOrder;
const db = openDb({ connection: order.database, log: silentLog });
const keyholder = await connectKeyholder({
  socketPath: order.socketPath,
  role: "mailer",
  credential: new Secret(Buffer.from(order.credential, "base64")),
  log: silentLog,
  waitMs: 10_000,
});
const transport = await openSmtp({
  url: Secret.fromText(order.relayUrl),
  from: "no-reply@films.example",
  clock: systemClock,
  log: silentLog,
});
const needs = {
  db,
  keyholder,
  transport,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  pace: order.pace,
  neverMailed: async () => new Set<string>(),
};
const incidentId = parseId<IncidentId>(order.incidentId);
if (incidentId === undefined) throw new Error("no case");

process.stdout.write("walking\n");
for (;;) {
  const walked = await walk(needs, incidentId);
  if (walked.kind === "finished") break;
  await sleep(50);
}
process.stdout.write("finished\n");
await transport.close();
await keyholder.close();
await db.close();
