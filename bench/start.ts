import { readdir, readFile } from "node:fs/promises";
import { runningService, type RunningService } from "../test/running-service.ts";
import type { Bench, Measured } from "./bench.ts";
import { benchFilm } from "./film.ts";
import { asLibrary } from "./first-picture.ts";
import { median } from "./report.ts";

const sizes = {
  full: { rounds: 5, idleMs: 20_000 },
  small: { rounds: 2, idleMs: 4_000 },
} as const;

const parts = ["supervisor", "web", "worker", "keyholder"] as const;
type Part = (typeof parts)[number];

/** From the command to the printed addresses on data that exist, and what the processes hold when nothing happens. */
export async function measureStart({ scale, say, onEnd }: Bench): Promise<Measured> {
  const { rounds, idleMs } = sizes[scale];
  say("making the data: the first start of all");
  const film = await benchFilm(24, "mp4");
  const started = performance.now();
  const service = await runningService({ HASH_THREADS: "", LOG_LEVEL: "warn" }, asLibrary(film));
  onEnd(() => service.remove());
  const firstMs = performance.now() - started;

  const readyMs: number[] = [];
  const stopMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const stopping = performance.now();
    await service.stop();
    stopMs.push(performance.now() - stopping);
    const starting = performance.now();
    await service.start();
    readyMs.push(performance.now() - starting);
    await isReady(service);
  }
  say(`leaving it alone for ${idleMs / 1_000} s`);
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const memory = await idleMebibytes(service.pid());
  return {
    figures: {
      readyMs: median(readyMs),
      readyWorstMs: Math.max(...readyMs),
      firstStartMs: firstMs,
      stopMs: median(stopMs),
      ...memory,
    },
    what: {
      readyMs: "from the command to the printed addresses, on existing data",
      readyWorstMs: `the slowest of ${rounds}`,
      firstStartMs: "the first start, which makes the database and the keys",
      stopMs: "from SIGTERM to the end of the last process",
      idleMebibytes: "PSS of our own processes, PostgreSQL apart",
      ...Object.fromEntries(parts.map((part) => [`${part}Mebibytes`, "of that"])),
    },
  };
}

async function isReady(service: RunningService): Promise<void> {
  const { status, text } = await service.api("GET", "/readyz");
  if (status !== 200) throw new Error(`addresses are printed, and it is not ready: ${status} ${text}`);
}

/** Proportional set size from smaps_rollup: pages that several share are counted once in all. Linux only. */
async function idleMebibytes(supervisor: number): Promise<Record<string, number>> {
  if (process.platform !== "linux") return {};
  const sums = new Map<Part, number>();
  for (const pid of [supervisor, ...(await descendants(supervisor))]) {
    const part = pid === supervisor ? "supervisor" : partOf(await readFile(`/proc/${pid}/cmdline`, "utf8"));
    if (part === undefined) continue;
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
    const kibibytes = Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]);
    sums.set(part, (sums.get(part) ?? 0) + kibibytes / 1_024);
  }
  for (const part of parts) if (!sums.has(part)) throw new Error(`there is no ${part} process`);
  return {
    idleMebibytes: [...sums.values()].reduce((sum, each) => sum + each, 0),
    ...Object.fromEntries(parts.map((part) => [`${part}Mebibytes`, sums.get(part) ?? 0])),
  };
}

/** @throws for a process that is neither PostgreSQL's nor known: memory must not be forgotten. */
function partOf(commandLine: string): Part | undefined {
  const words = commandLine.split("\0");
  if (/(^|\/)postgres(:|$)/.test(words[0] ?? "")) return undefined;
  if (words.some((word) => word.includes("/keyholder/"))) return "keyholder";
  if (words.some((word) => word.endsWith("/child.ts"))) return words.includes("worker") ? "worker" : "web";
  throw new Error(`an unknown process: ${words.join(" ").slice(0, 200)}`);
}

async function descendants(pid: number): Promise<number[]> {
  const found: number[] = [];
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const children = await readFile(`/proc/${pid}/task/${task}/children`, "utf8").catch(() => "");
    for (const child of children
      .split(" ")
      .filter((word) => word !== "")
      .map(Number)) {
      found.push(child, ...(await descendants(child)));
    }
  }
  return found;
}
