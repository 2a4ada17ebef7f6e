/** Holds so many waiting links as a web process does, and says to its parent what each takes. Run with `--expose-gc`. */
import { dayMs, plus, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { waitingLinks } from "../src/links/waiting-links.ts";
import type { Tx } from "../src/db/db.ts";

const count = Number(process.argv[2]);
const used = (): number => {
  globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};
const nobody = () => Promise.reject(new Error("nothing is asked here"));
const db: Tx = { one: nobody, many: nobody, run: nobody };
const links = waitingLinks({ db, clock: systemClock, log: silentLog }, { everyMs: dayMs });
const before = used();
const expiresAt = plus(systemClock.now(), dayMs);
for (let i = 0; i < count; i++) links.remember(systemRandom.bytes(32), { intervalSeconds: 5, expiresAt });
process.send?.((used() - before) / links.waiting(), () => process.exit(0));
