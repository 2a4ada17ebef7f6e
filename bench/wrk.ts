import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Wrk {
  /** Where the program is. */
  readonly program: string;
  /** For its script; written anew for each run. */
  readonly folder: string;
  readonly connections: number;
  readonly threads: number;
}

export interface WrkResult {
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

/**
 * Asks for the paths in turn, one request at a time on each connection, by wrk: its reader takes a small part of what
 * serving costs.
 *
 * @throws unless every answer was 200 and their sum is what answers of these sizes come to, heads of at most 2 kB apart.
 */
export async function wrk(
  { program, folder, connections, threads }: Wrk,
  port: number,
  paths: readonly string[],
  bodyBytes: { readonly least: number; readonly most: number },
  durationSeconds: number,
): Promise<WrkResult> {
  const script = join(folder, "paths.lua");
  await writeFile(
    script,
    `local paths = { ${paths.map((path) => JSON.stringify(path)).join(", ")} }
local requests = {}
local at = 0
function init()
  for index, path in ipairs(paths) do requests[index] = wrk.format("GET", path) end
  at = math.random(#requests)
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"us":%d,"bytes":%d,"bad":%d,"broken":%d,"medianUs":%d,"p99Us":%d}\\n',
    summary.requests, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
`,
  );
  const words = [`-t${threads}`, `-c${connections}`, `-d${durationSeconds}s`, "--timeout", "10s", "-s", script];
  const { stdout } = await run(program, [...words, `http://127.0.0.1:${port}/`], {
    timeout: (durationSeconds + 30) * 1_000,
  });
  const line = stdout.split("\n").find((one) => one.startsWith("{"));
  if (line === undefined) throw new Error(`wrk said nothing: ${stdout.slice(0, 300)}`);
  const told = JSON.parse(line) as Record<
    "requests" | "us" | "bytes" | "bad" | "broken" | "medianUs" | "p99Us",
    number
  >;
  if (told.bad > 0 || told.broken > 0 || told.requests === 0) {
    throw new Error(`of ${told.requests} answers ${told.bad} were not 200, and ${told.broken} connections broke`);
  }
  // What is under way at the end is counted in bytes and not in requests.
  const least = told.requests * bodyBytes.least;
  const most = (told.requests + connections) * (bodyBytes.most + 2_000);
  if (told.bytes < least || told.bytes > most) {
    throw new Error(
      `${told.requests} answers of ${bodyBytes.least} to ${bodyBytes.most} bytes were ${told.bytes} bytes`,
    );
  }
  return {
    perSecond: (told.requests * 1e6) / told.us,
    medianMs: told.medianUs / 1_000,
    p99Ms: told.p99Us / 1_000,
  };
}
