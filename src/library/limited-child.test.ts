import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const at = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);

/** Uses up every file that a process may open, calls, gives them back, and calls again. */
const script = `
  import { closeSync, openSync } from "node:fs";
  const { runFfmpeg } = await import(${at("./ffmpeg.ts")});
  const { probe } = await import(${at("./media/probe.ts")});
  const { startFfmpeg } = await import(${at("../streaming/ffmpeg-child.ts")});
  const signal = new AbortController().signal;
  const calls = {
    run: () => runFfmpeg(["-version"], { timeoutMs: 20_000, maxOutputBytes: 1e6, signal }),
    probe: () => probe(process.execPath, signal),
    start: async () => {
      const child = startFfmpeg({ ffmpegPath: "ffmpeg", childEnvironment: { PATH: process.env.PATH } }, ["-version"]);
      child.output.resume();
      return child.ended;
    },
  };
  const outcomes = async () => {
    const all = [];
    for (const [name, call] of Object.entries(calls)) {
      all.push([name, await call().then(({ kind }) => kind, ({ code }) => code)]);
    }
    return Object.fromEntries(all);
  };
  const before = await outcomes();
  const held = [];
  try {
    for (;;) held.push(openSync("/dev/null"));
  } catch {}
  const without = await outcomes();
  held.forEach((one) => closeSync(one));
  console.log(JSON.stringify({ before, without, after: await outcomes() }));
`;

test("a process without a file to spare starts no program, says that it is busy, and goes on", async () => {
  const limited = ["-c", `ulimit -n 96; exec "$0" --input-type=module -e "$1"`, process.execPath, script];
  const { stdout } = await promisify(execFile)("/bin/sh", limited);
  const started = { run: "done", probe: "damaged", start: "done" };
  expect(JSON.parse(stdout)).toEqual({
    before: started,
    without: { run: "BUSY", probe: "BUSY", start: "BUSY" },
    after: started,
  });
});
