import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sessionCookie } from "../src/http/cookies.ts";
import { unannouncedUse } from "../src/key-use/compare.ts";
import { programEnvironment } from "./program-environment.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";

/** The real service: `node src/cli.ts serve` with a data folder and a library of its own. */
export interface RunningService {
  readonly origin: string;
  readonly folder: string;
  readonly dataDir: string;
  readonly libraryDir: string;
  /** What it printed, both streams. */
  output(): string;
  /** The link it printed for the first operator, if it did. */
  operatorLink(): string | undefined;
  /** Runs an operator's command against it. */
  command(...words: string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
  api(
    method: string,
    path: string,
    options?: { cookie?: string; body?: unknown; jar?: Map<string, string> },
  ): Promise<ApiAnswer>;
  /** @returns the cookie of an operator's session; by a new link only when there was none or it is refused. */
  operatorCookie(): Promise<string>;
  pid(): number;
  start(): Promise<void>;
  /** SIGTERM, or what a closed terminal sends, and waits. @returns the exit code. */
  stop(signal?: "SIGTERM" | "SIGHUP"): Promise<number | null>;
  kill(): Promise<void>;
  /** Stops it and removes its folder. */
  remove(): Promise<void>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
  // What an answer holds is what the test asserts.
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
  readonly cookie: string | undefined;
}

const root = join(import.meta.dirname, "..");

export async function runningService(
  settings: Readonly<Record<string, string>> = {},
  prepare: (libraryDir: string) => Promise<void> = async () => undefined,
  { surplusIsMeant = false }: { readonly surplusIsMeant?: boolean } = {},
): Promise<RunningService> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-run-"));
  const dataDir = join(folder, "data");
  const libraryDir = join(folder, "library");
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const environment = {
    ...programEnvironment,
    HOME: folder,
    DATA_DIR: dataDir,
    LIBRARY_DIR: libraryDir,
    PORT: String(port),
    HASH_THREADS: "1",
    ...settings,
  };
  await prepare(libraryDir);
  let child: ChildProcess | undefined;
  let output = "";
  let exited: Promise<number | null> = Promise.resolve(null);

  const start = async (): Promise<void> => {
    output = "";
    const started = spawn(process.execPath, [join(root, "src/cli.ts"), "serve"], { env: environment, cwd: folder });
    child = started;
    const keep = (chunk: Buffer): void => {
      output += chunk.toString("utf8");
    };
    started.stdout.on("data", keep);
    started.stderr.on("data", keep);
    exited = new Promise((resolve) => started.once("exit", (code) => resolve(code)));
    const deadline = performance.now() + 120_000;
    while (!output.includes("stop with Ctrl-C")) {
      if (started.exitCode !== null || performance.now() > deadline)
        throw new Error(`the service did not start\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await start();

  const command: RunningService["command"] = (...words) =>
    new Promise((resolve) => {
      const run = spawn(process.execPath, [join(root, "src/cli.ts"), ...words], { env: environment, cwd: folder });
      let [out, err] = ["", ""];
      run.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
      run.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
      run.stdin.end();
      run.once("close", (code) => resolve({ code, out, err }));
    });

  const api: RunningService["api"] = async (method, path, { cookie, body, jar } = {}) => {
    const cookies = [...(jar ?? new Map<string, string>())].map(([name, value]) => `${name}=${value}`);
    if (cookie !== undefined) cookies.push(`${sessionCookie}=${cookie}`);
    const response = await fetch(`${origin}${path}`, {
      method,
      redirect: "manual",
      headers: {
        ...(cookies.length === 0 ? {} : { cookie: cookies.join("; ") }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    let parsed: Record<string, unknown> = {};
    try {
      parsed = JSON.parse(text) as Record<string, unknown>;
    } catch {
      // A page, or nothing.
    }
    let session: string | undefined;
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      jar?.set(name, value);
      if (name === sessionCookie && value !== "") session = value;
    }
    return { status: response.status, text, body: parsed, headers: response.headers, cookie: session };
  };

  let operator: string | undefined;
  const operatorCookie = async (): Promise<string> => {
    if (operator !== undefined && (await api("GET", "/api/mailbox", { cookie: operator })).status === 200)
      return operator;
    const secret = /operate#(\S+)/.exec((await command("operator", "link")).out)?.[1];
    const opened = await api("POST", "/api/operator-sessions", { body: { secret } });
    if (opened.cookie === undefined) throw new Error(`an operator's session: ${opened.status} ${opened.text}`);
    operator = opened.cookie;
    return operator;
  };

  const stop: RunningService["stop"] = async (signal = "SIGTERM") => {
    child?.kill(signal);
    const code = await exited;
    // P10, over every test that starts the service: its worker has compared once more.
    if (!surplusIsMeant && output.includes(unannouncedUse)) throw new Error(unannouncedUse);
    return code;
  };
  return {
    origin,
    folder,
    dataDir,
    libraryDir,
    output: () => output,
    operatorLink: () => /operate#([A-Za-z0-9_-]{43})/.exec(output)?.[1],
    command,
    api,
    operatorCookie,
    pid: () => child?.pid ?? 0,
    start,
    stop,
    kill: async () => {
      child?.kill("SIGKILL");
      await exited;
    },
    remove: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until `look` answers something, at most `limitMs`. */
export async function eventually<Found>(
  what: string,
  look: () => Promise<Found | undefined>,
  limitMs = 30_000,
): Promise<Found> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`still waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
