/**
 * `npm run thief`: robs a service of so many accounts that have used every feature, and prints what the thief has. What is
 * done is said on standard error while it is done. However it ends, also by SIGKILL, what it had started ends with it, and
 * its folder is removed.
 *
 * Exit codes: 0 nothing was found that is not declared; 1 something was; 2 the command line was wrong; 3 the kit failed, or
 * did not find what was planted; 129, 130 and 143 it was told to leave.
 */
import { mkdtemp } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { startSweeper } from "../../src/incidents/drill/sweeper.ts";
import { messageOf } from "../../src/kernel/fault.ts";
import { readOptions, type Options } from "./options.ts";
import { populateWorld, populatingSteps } from "./populate.ts";
import { rob, robbingSteps, type Loot } from "./rob.ts";
import { openSteps } from "./steps.ts";
import { plantedLine, printed } from "./table.ts";
import { weaken } from "./weaknesses.ts";
import { openWorld } from "./world.ts";

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** @returns the exit code. */
async function run({ accounts, busy, rows, words, isQuick, planted }: Options): Promise<number> {
  // All that is made meanwhile lies in it.
  const folder = await mkdtemp(join(tmpdir(), "houselights-thief-"));
  process.env["TMPDIR"] = folder;
  const sweeper = startSweeper(folder);
  // At once, or more would be started meanwhile; the sweeper does the rest.
  const leave = (code: number): never => {
    say("\nerror: interrupted; what was started is ended, and its data removed");
    process.exit(code);
  };
  process.on("SIGHUP", () => leave(129));
  process.on("SIGINT", () => leave(130));
  process.on("SIGTERM", () => leave(143));
  // Half a table is of no use to anybody: `npm run thief | head` ends here, and the sweeper clears up.
  process.stdout.on("error", () => process.exit(3));

  const begun = performance.now();
  const threads = availableParallelism();
  say(
    `thief: ${accounts.toLocaleString("en")} accounts, of which ${busy.toLocaleString("en")} use every feature; ${threads} threads; nothing real is touched`,
  );
  const total = populatingSteps(accounts, busy) + (planted === undefined ? 0 : 1) + robbingSteps;
  const steps = openSteps(process.stderr, total);
  let loot: Loot;
  try {
    const world = await openWorld(folder);
    const populated = await populateWorld(world, accounts, { busy, steps });
    if (planted !== undefined) {
      await steps.step(`planting ${planted.name}, in ${planted.table}`, () =>
        world.db.transaction((tx) => weaken(tx, planted, populated.people.slice(0, -2))),
      );
    }
    const effort = { rowsTried: rows, words, everyWord: !isQuick, threads, ...(planted && { planted }) };
    loot = await rob(world, populated, effort, steps);
    await world.close();
  } catch (thrown) {
    say(`error: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown)}`);
    // The world stands still half built, and would keep the process; the sweeper clears it up.
    process.exit(3);
  } finally {
    await sweeper.sweep();
  }
  process.stdout.write(`${printed(loot)}\n`);
  const seconds = ((performance.now() - begun) / 1_000).toFixed(0);
  say(`${seconds} s, ${Math.round(process.resourceUsage().maxRSS / 1_024).toLocaleString("en")} MiB at most`);
  if (planted === undefined) return loot.findings.length === 0 ? 0 : 1;
  const { isFound, line } = plantedLine(loot, planted);
  process.stdout.write(`${line}\n`);
  return isFound ? 1 : 3;
}

const read = readOptions(process.argv.slice(2));
if (read.kind === "wrong") {
  say(`error: ${read.error}`);
  say(`hint: ${read.hint}`);
  process.exitCode = 2;
} else {
  process.exitCode = await run(read.options);
}
