import { afterAll, expect, test } from "vitest";
import { sleep } from "../src/kernel/clock.ts";
import { newLog } from "../src/kernel/log.ts";
import { stallablePostgres } from "./stallable-postgres.ts";
import { workerOverRelay } from "./worker-over-relay.ts";

/** A log that says one sentence every second hides every other: a whole worker, whose database is away. */
const { start, databaseHost } = await workerOverRelay();
const way = await stallablePostgres(databaseHost);
afterAll(() => way.close());

test("a worker whose database is away says so, is silent while it lasts, and says that it is over", async () => {
  const said: string[] = [];
  const stop = await start({
    host: way.folder,
    lookEveryMs: 500,
    log: newLog("worker", "info", {
      write: (text) => {
        const { level, msg, reason } = JSON.parse(text) as { level: number; msg: string; reason?: string };
        said.push(`${level} ${msg}${reason === undefined ? "" : `: ${reason}`}`);
      },
    }),
  });
  const says = (words: string) => expect.poll(() => said.join("\n"), { timeout: 30_000 }).toContain(words);
  try {
    way.cut();
    for (const words of [
      "signals wait: they are looked at again every second",
      "signals are not pushed: it is tried again every second",
      "the timeline could not be integrated",
      "this node's clock could not be compared",
    ]) {
      await says(words);
    }
    // Whatever meets it another way has said so too by then; what looks every half second or second has looked often since.
    await sleep(3_000);
    const before = new Set(said);
    const lines = said.length;
    await sleep(4_000);
    // A reason may still come that is another; nothing comes again.
    expect(said.slice(lines).filter((line) => before.has(line))).toEqual([]);

    way.restore();
    for (const words of [
      "signals are looked at again",
      "signals are pushed again",
      "the timeline is integrated again",
      "this node's clock is compared again",
    ]) {
      await says(`30 ${words}`);
    }
  } finally {
    way.restore();
    await stop();
  }
}, 120_000);
