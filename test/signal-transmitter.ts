import { sleep, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { transmitTurn } from "../src/signals/transmit.ts";
import { childGround } from "./child-ground.ts";

/** Transmits signals in a process of its own, which a test kills. Says `transmitting` when it begins. */
const { db, keyholder } = await childGround("transmitter");
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
