import { parseId } from "../src/kernel/brand.ts";
import type { IncidentId } from "../src/kernel/brand.ts";
import { sleep, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import { neverMailed } from "../src/canaries/plant.ts";
import { openSmtp, patient } from "../src/mail/smtp.ts";
import { walk } from "../src/incidents/walk.ts";
import type { Pace } from "../src/incidents/walk.ts";
import { childGround, type ChildOrder } from "./child-ground.ts";

export interface WalkerOrder extends ChildOrder {
  readonly relayUrl: string;
  readonly incidentId: string;
  readonly pace: Partial<Pace>;
  /** By DKIM, which the tests of kills do without. */
  readonly isSigned?: boolean;
}

/**
 * Walks a campaign to its end in a process of its own, which a test may kill. Says `walking` when it begins and
 * `finished` when nothing waits.
 */
const { order, db, keyholder } = await childGround<WalkerOrder>("mailer");
const transport = await openSmtp({
  url: Secret.fromText(order.relayUrl),
  from: "no-reply@films.example",
  clock: systemClock,
  log: silentLog,
  patience: patient,
  maxConnections: 10,
  ...(order.isSigned === true ? { keyholder } : {}),
});
const needs = {
  db,
  keyholder,
  transport,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  pace: order.pace,
  neverMailed: (addresses: readonly string[]) => neverMailed({ db, keyholder }, addresses),
};
const incidentId = parseId<IncidentId>(order.incidentId);
if (incidentId === undefined) throw new Error("no case");

process.stdout.write("walking\n");
for (;;) {
  // What a worker's queue does with a walk that failed: another one begins.
  const walked = await walk(needs, incidentId).catch(() => undefined);
  if (walked?.kind === "finished") break;
  await sleep(50);
}
process.stdout.write("finished\n");
await transport.close();
await keyholder.close();
await db.close();
