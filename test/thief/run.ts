import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { populateWorld } from "./populate.ts";
import { rob } from "./rob.ts";
import { printed } from "./table.ts";
import { openWorld } from "./world.ts";

/** `npm run thief`: robs a service of so many accounts that have used every feature, and prints what the thief has. */
const { values } = parseArgs({
  options: {
    accounts: { type: "string", default: "10000" },
    busy: { type: "string", default: "100" },
    rows: { type: "string", default: "1" },
    words: { type: "string", default: "1000" },
    quick: { type: "boolean", default: false },
  },
});
const count = (name: "accounts" | "busy" | "rows" | "words"): number => {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number > 0) return number;
  process.stderr.write(`error: --${name} is a whole number above 0\n`);
  process.exit(2);
};
const [accounts, busy, rowsTried, words] = [count("accounts"), count("busy"), count("rows"), count("words")];
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const started = performance.now();
const world = await openWorld();
try {
  const populated = await populateWorld(world, accounts, { busy, say });
  const effort = { rowsTried, words, everyWord: !values.quick, threads: availableParallelism() };
  const loot = await rob(world, populated, effort, say);
  process.stdout.write(`${printed(loot)}\n`);
  const { maxRSS } = process.resourceUsage();
  say(`${((performance.now() - started) / 1_000).toFixed(0)} s, ${Math.round(maxRSS / 1_024)} MiB at most`);
  process.exitCode = loot.findings.length === 0 ? 0 : 1;
} finally {
  await world.close();
}
