import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import type { Config } from "../config/config.ts";
import { systemClock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import { drill } from "../incidents/drill/drill.ts";
import { drillHtml } from "../incidents/drill/drill-html.ts";
import { drillLines } from "../incidents/drill/drill-lines.ts";
import type { DrillOrder } from "../incidents/drill/result.ts";
import { makeDemoLibrary } from "../library/demo.ts";
import { demoFilms } from "../library/demo-films.ts";
import { textOf, type Call, type Command, type Outcome } from "./command.ts";
import { endingSignals } from "./endings.ts";
import { notWritten } from "./write-named.ts";

const limits = {
  accounts: { usual: 1_000, least: 10, most: 1_000_000 },
  watching: { usual: 20, least: 0, most: 2_000 },
  kills: { usual: 8, least: 0, most: 1_000 },
  real: { usual: 30_000_000, least: 1, most: 10_000_000_000 },
} as const;
const seedLimit = 2 ** 31;

type Read = { readonly kind: "order"; readonly order: DrillOrder } | Extract<Outcome, { readonly kind: "usage" }>;

/** Reads and judges every argument before anything is started. */
function readOrder({ config, values }: Pick<Call, "config" | "values">): Read {
  const wrong = (error: string): Read => ({ kind: "usage", error, hint: "houselights drill --help" });
  const numbers: Record<keyof typeof limits, number> = { accounts: 0, watching: 0, kills: 0, real: 0 };
  for (const name of ["accounts", "watching", "kills", "real"] as const) {
    const { usual, least, most } = limits[name];
    const text = textOf(values, name);
    const value = text === undefined ? usual : /^\d{1,11}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      return wrong(`--${name} must be a whole number from ${least} to ${most.toLocaleString("en")}`);
    }
    numbers[name] = value;
  }
  if (numbers.watching >= numbers.accounts)
    return wrong("--watching must be less than --accounts: one is the operator");
  const crowdText = textOf(values, "crowd") ?? "0.3";
  const crowd = /^(0|1|0?\.\d{1,6}|1\.0{1,6})$/.test(crowdText) ? Number(crowdText) : Number.NaN;
  if (!(crowd >= 0 && crowd <= 1)) return wrong("--crowd must be a part from 0 to 1: 0.3 for three in ten");
  const rateText = textOf(values, "rate");
  if (!/^[1-9]\d{0,4}$/.test(rateText ?? "1")) return wrong("--rate must be a whole number from 1 to 99,999");
  const rate = rateText === undefined ? null : Number(rateText);
  const seedText = textOf(values, "seed");
  const seed = seedText === undefined ? systemRandom.below(seedLimit) : Number(seedText);
  if (!/^\d{1,10}$/.test(seedText ?? "0") || seed >= seedLimit) {
    return wrong(`--seed must be a whole number below ${seedLimit}`);
  }
  const { relayAllowance } = config;
  const allowancePerHour =
    relayAllowance === null ? null : relayAllowance.letters / (relayAllowance.per === "hour" ? 1 : 24);
  const isHurried = values["hurry"] === true;
  return { kind: "order", order: { ...numbers, crowd, seed, rate, isHurried, allowancePerHour } };
}

/**
 * A new folder for the drill's data. One that is named must be empty or not there yet: a data folder of a service that
 * has run is never empty, and the one that the settings name is refused even if it is.
 */
async function folderFor(config: Config, asked: string | undefined): Promise<string | Outcome> {
  if (asked === undefined) return mkdtemp(join(tmpdir(), "houselights-drill-"));
  const named = resolve(asked);
  const hint = "a drill makes its own data; leave --data-dir out, or name a folder that is not there yet";
  if (named === config.dataDir || config.dataDir.startsWith(`${named}/`)) {
    return { kind: "refused", error: "--data-dir is the data folder of the real service", hint };
  }
  const found = await readdir(named).catch((thrown: NodeJS.ErrnoException) =>
    thrown.code === "ENOENT" ? [] : undefined,
  );
  if (found === undefined) return { kind: "refused", error: "--data-dir is no folder that can be read", hint };
  if (found.length > 0) return { kind: "refused", error: "--data-dir is not empty; nothing in it was touched", hint };
  await makeFolder(named, 0o700);
  return mkdtemp(join(named, "houselights-drill-"));
}

async function outputFor(asked: string | undefined): Promise<string | Outcome> {
  if (asked === undefined) return mkdtemp(join(tmpdir(), "houselights-drill-report-"));
  const named = resolve(asked);
  const refused = await makeFolder(named, 0o700).then(
    () => undefined,
    (thrown: unknown) => notWritten("--output", thrown),
  );
  if (refused !== undefined) return refused;
  if ((await readdir(named)).length === 0) return named;
  return { kind: "refused", error: "--output is not empty", hint: "name a folder that is not there yet" };
}

/** The shortest film, drawn as for a new service, if somebody watches; what lies beside it keeps the service from drawing more. */
const makeLibrary =
  (log: Log, signal: AbortSignal) =>
  async (libraryDir: string, isWatched: boolean): Promise<boolean> => {
    const needs = { libraryDir, clock: systemClock, random: systemRandom, log };
    const films = demoFilms.toSorted((one, other) => one.seconds - other.seconds).slice(0, isWatched ? 1 : 0);
    const made = await makeDemoLibrary(needs, signal, undefined, films);
    await writeFile(join(libraryDir, "drill.txt"), "a library of a drill\n");
    return made.kind === "made" && isWatched;
  };

async function runDrill(call: Call): Promise<Outcome> {
  const { config, log, values, say, json } = call;
  const read = readOrder(call);
  if (read.kind === "usage") return read;
  const { order } = read;
  const folder = await folderFor(config, textOf(values, "data-dir"));
  if (typeof folder !== "string") return folder;
  const output = await outputFor(textOf(values, "output"));
  if (typeof output !== "string") {
    await rm(folder, { recursive: true, force: true });
    return output;
  }

  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  for (const each of endingSignals) process.on(each, leave);
  try {
    const tell = (line: string): void => {
      if (!json) say(line);
    };
    tell(`drill: ${order.accounts.toLocaleString("en")} accounts, seed ${order.seed}; nothing real is touched`);
    const { signal } = leaving;
    const needs = { clock: systemClock, monotonicMs: () => performance.now(), log, say: tell, signal, folder, output };
    const result = await drill({ ...needs, makeLibrary: makeLibrary(log, signal) }, order);
    await writeFile(join(output, "drill.html"), drillHtml(result), { mode: 0o600 });
    await writeFile(join(output, "drill.json"), `${JSON.stringify(result, undefined, 2)}\n`, { mode: 0o600 });
    const lines = drillLines(result);
    const broken = result.promises.filter(({ held }) => !held).map(({ promise }) => promise);
    if (broken.length === 0) return { kind: "done", json: result, lines };
    return {
      kind: "refused",
      error: `broken: ${broken.join("; ")}`,
      hint: `${output} has the service's log`,
      json: result,
      lines,
    };
  } catch (thrown) {
    if (!leaving.signal.aborted) throw thrown;
    const hint = "what it had started has ended, and its data is removed";
    return { kind: "refused", error: "the drill was stopped before its end", hint };
  } finally {
    for (const each of endingSignals) process.off(each, leave);
    await rm(folder, { recursive: true, force: true });
  }
}

export const drillCommand: Command = {
  words: ["drill"],
  summary: "rehearse the day on a made-up population, with kills; touches nothing real",
  arguments: "[--accounts N] [--watching N] [--crowd PART] [--seed N] [--kills N] [--rate N] [--hurry] [--real N]",
  options: {
    accounts: { type: "string" },
    watching: { type: "string" },
    crowd: { type: "string" },
    seed: { type: "string" },
    kills: { type: "string" },
    rate: { type: "string" },
    real: { type: "string" },
    hurry: { type: "boolean" },
    output: { type: "string" },
    "data-dir": { type: "string" },
  },
  optionHelp: [
    ["--accounts N", "accounts that are made; 1,000 unless given"],
    ["--watching N", "devices that play; 20 unless given"],
    ["--crowd PART", "the part that comes back on the first day; 0.3 unless given"],
    ["--seed N", "the schedule of kills and who comes back; by chance unless given, and printed"],
    ["--kills N", "processes killed by SIGKILL; 8 unless given"],
    ["--rate N", "letters a second that the drill's relay takes; as many as come unless given"],
    ["--hurry", "shorter pauses: leases of 3 s, second tries after 1 s, a day of 6 s"],
    ["--real N", "the population to project to; 30,000,000 unless given"],
    ["--output FOLDER", "where the reports go; a new temporary folder unless given"],
    ["--data-dir FOLDER", "an empty folder for the drill's data, removed at the end"],
  ],
  examples: ["houselights drill --accounts 100000 --watching 200 --crowd 0.3 --seed 7", "houselights drill --hurry"],
  run: runDrill,
};
