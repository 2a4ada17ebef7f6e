import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const logFile = join(import.meta.dirname, "log.ts");
/** A process that logs so many lines, goes on for as long as it is asked to, and ends in the way that is given. */
const program = (lines: number, end: string): string => `
  import { newLog } from ${JSON.stringify(logFile)};
  const log = newLog("test", "info");
  for (let line = 0; line < ${lines}; line++) log.info({ line, text: "x".repeat(200) }, "line");
  setTimeout(() => { process.stdout.write("ends\\n"); ${end} }, 500);
`;
const run = (stderr: number | "pipe", lines: number, end: string) =>
  spawn(process.execPath, ["--input-type=module", "-e", program(lines, end)], { stdio: ["ignore", "pipe", stderr] });

test("every line is written, also what was logged just before the end", async () => {
  const child = run("pipe", 5_000, `log.info("last"); process.exit(4)`);
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  expect(await once(child, "close")).toEqual([4, null]);
  const lines = text.trimEnd().split("\n");
  expect(lines).toHaveLength(5_001);
  expect(lines.map((line) => (JSON.parse(line) as { line?: number }).line)).toEqual([
    ...Array(5_000).keys(),
    undefined,
  ]);
});

test("nor does a process that was at work for long end as one whose write is stuck", async () => {
  const busy = "const until = performance.now() + 600; while (performance.now() < until);";
  const child = run("pipe", 1, `log.info("first"); ${busy} log.info("last"); process.exit(4)`);
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  expect(await once(child, "close")).toEqual([4, null]);
  const lines = text.trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["line", "first", "last"]);
});

// The kernel's own full disk.
test.skipIf(!existsSync("/dev/full"))(
  "a full disk holds up neither a process's end nor what it says in its despair",
  async () => {
    const full = openSync("/dev/full", "w");
    try {
      const ended = run(full, 1_000, "process.exit(4)");
      expect(await once(ended, "exit")).toEqual([4, null]);
      const fatal = run(full, 1_000, `log.fatal("unhandled"); process.exit(5)`);
      expect(await once(fatal, "exit")).toEqual([5, null]);
    } finally {
      closeSync(full);
    }
  },
);

/** A pipe whose reader does not read yet. */
async function fifo() {
  const folder = await mkdtemp(join(tmpdir(), "houselights-log-"));
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  // With both ends, or opening it would wait for a reader.
  const end = openSync(path, "r+");
  return { path, end, remove: () => rm(folder, { recursive: true }) };
}

test("nor does somebody who has stopped reading it", async () => {
  const { end, remove } = await fifo();
  const child = run(end, 2_000, "process.exit(4)");
  expect(await once(child, "exit")).toEqual([4, null]);
  closeSync(end);
  await remove();
});

test("nor does a write that is stuck, as to a terminal that was halted", async () => {
  const { end, remove } = await fifo();
  const blocking = `
    import { logStream } from ${JSON.stringify(join(import.meta.dirname, "log-stream.ts"))};
    const stream = logStream(2, { lost: () => undefined });
    for (let line = 0; line < 2_000; line++) stream.write("x".repeat(200));
    setTimeout(() => process.exit(4), 500);
  `;
  const stdio = ["ignore", "ignore", end] as const;
  const child = spawn(process.execPath, ["--input-type=module", "-e", blocking], { stdio: [...stdio] });
  // Its code is lost; waiting for who may never read would lose the process.
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  closeSync(end);
  await remove();
});

test("what waits is bounded, and who reads on is told how many lines are lost", async () => {
  const { path, end, remove } = await fifo();
  const child = run(end, 60_000, `process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1_000);`);
  try {
    await once(child.stdout!, "data");
    const reader = spawn("cat", [path]);
    let text = "";
    reader.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    closeSync(end);
    const lines = () =>
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { line?: number; lines?: number; msg: string });
    const written = () => lines().filter(({ msg }) => msg === "line").length;
    const lost = () =>
      lines()
        .filter(({ msg }) => msg.includes("lines are lost"))
        .reduce((sum, one) => sum + (one.lines ?? 0), 0);
    await expect.poll(() => written() + lost()).toBe(60_000);
    expect(lost()).toBeGreaterThan(0);
    child.kill("SIGTERM");
    // Whichever is heard of first.
    const [ended] = await Promise.all([once(child, "exit"), once(reader, "close")]);
    expect(ended).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await remove();
  }
});
