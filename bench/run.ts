/**
 * `npm run bench -- NAME [--json]`: measures, prints a table, or with `--json` one object, and leaves nothing behind. Exits
 * with 0 when it measured, whatever it measured. Without a name every benchmark runs, one after another.
 */
import { everyBenchmark } from "./every.ts";
import type { Benchmark } from "./bench.ts";
import { benchNames, goals, type BenchName } from "./goals.ts";
import { judge, table } from "./report.ts";

/** Loaded when asked for: a wrong name is answered at once, and each needs other things. */
const benchmarks: Readonly<Record<BenchName, () => Promise<Benchmark>>> = {
  contain: async () => (await import("./contain.ts")).measureContain,
  checks: async () => (await import("./checks.ts")).measureChecks,
  signin: async () => (await import("./signin.ts")).measureSignIn,
  remux: async () => (await import("./remux.ts")).measureRemux,
  alarm: async () => (await import("./alarm.ts")).measureAlarm,
  enumeration: async () => (await import("./enumeration.ts")).measureEnumeration,
  passwords: async () => (await import("./passwords.ts")).measurePasswords,
  letters: async () => (await import("./letters.ts")).measureLetters,
  polls: async () => (await import("./polls.ts")).measurePolls,
  renew: async () => (await import("./renew.ts")).measureRenew,
  rewrap: async () => (await import("./rewrap.ts")).measureRewrap,
  storm: async () => (await import("./storm.ts")).measureStorm,
  proofs: async () => (await import("./proofs.ts")).measureProofs,
  segments: async () => (await import("./segments.ts")).measureSegments,
  start: async () => (await import("./start.ts")).measureStart,
};

/** No benchmark takes much more than half of this; one that hangs is ended and cleaned up after. */
const limitMs = 30 * 60_000;

const words = process.argv.slice(2);
const asJson = words.includes("--json");
const [name, ...more] = words.filter((word) => word !== "--json");
const chosen = benchNames.find((known) => known === name);
const scale = process.env["BENCH_SCALE"] === "small" ? "small" : "full";
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const undoing: (() => Promise<unknown>)[] = [];
let isEnding = false;
let running: Promise<unknown> = Promise.resolve();
const cleanUp = async (): Promise<void> => {
  for (let undo = undoing.pop(); undo !== undefined; undo = undoing.pop()) {
    await undo().catch((thrown: unknown) => say(`warning: cleaning up: ${String(thrown)}`));
  }
};
const onEnd = (undo: () => Promise<unknown>): void => {
  undoing.push(undo);
  // What was being started when the end came is registered, and nothing after it is begun.
  if (isEnding) throw new Error("interrupted");
};
async function endEarly(why: string, code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  say(`error: ${why}`);
  await cleanUp();
  const patience = new Promise((resolve) => setTimeout(resolve, 15_000));
  await Promise.race([running.catch(() => undefined), patience]);
  await cleanUp();
  process.exit(code);
}

if (name === undefined) {
  process.exitCode = await everyBenchmark({ asJson, say });
} else if (chosen === undefined || more.length > 0) {
  say("error: there is no such benchmark");
  say(`hint: npm run bench -- [${benchNames.join("|")}] [--json]`);
  process.exitCode = 2;
} else {
  process.once("SIGINT", () => void endEarly("interrupted", 130));
  process.once("SIGTERM", () => void endEarly("interrupted", 143));
  setTimeout(() => void endEarly(`not done in ${limitMs / 60_000} minutes`, 1), limitMs).unref();
  try {
    const measuring = benchmarks[chosen]().then((measure) => measure({ scale, say, onEnd }));
    running = measuring;
    const { figures, what } = await measuring;
    const report = judge(chosen, figures, goals[chosen]);
    if (scale === "small") say("small scale: the goals are not stated for it");
    process.stdout.write(asJson ? `${JSON.stringify(report)}\n` : `${table(report, goals[chosen], what)}\n`);
  } catch (thrown) {
    if (!isEnding) say(`error: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`);
    process.exitCode = 1;
  } finally {
    if (!isEnding) await cleanUp();
  }
}
