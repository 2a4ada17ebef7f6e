import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { secondMs } from "../../kernel/clock.ts";
import { Fault, messageOf } from "../../kernel/fault.ts";
import { containers } from "../layout.ts";
import { fileProblems } from "../file-problems.ts";
import { expectStarted, limitedCommand } from "../limited-child.ts";
import { displayName } from "../names.ts";

const Maybe = <Schema extends Type.TSchema>(schema: Schema) => Type.Optional(schema);

const Stream = Type.Object({
  index: Type.Integer({ minimum: 0 }),
  codec_type: Maybe(Type.String()),
  codec_name: Maybe(Type.String()),
  width: Maybe(Type.Integer({ minimum: 0 })),
  height: Maybe(Type.Integer({ minimum: 0 })),
  sample_aspect_ratio: Maybe(Type.String()),
  avg_frame_rate: Maybe(Type.String()),
  r_frame_rate: Maybe(Type.String()),
  field_order: Maybe(Type.String()),
  color_transfer: Maybe(Type.String()),
  channels: Maybe(Type.Integer({ minimum: 0 })),
  bit_rate: Maybe(Type.String()),
  disposition: Maybe(Type.Record(Type.String(), Type.Integer())),
  tags: Maybe(Type.Record(Type.String(), Type.String())),
  side_data_list: Maybe(Type.Array(Type.Object({ rotation: Maybe(Type.Number()) }))),
});
export type ProbedStream = Static<typeof Stream>;

const Report = Type.Object({
  streams: Maybe(Type.Array(Stream)),
  chapters: Maybe(
    Type.Array(
      Type.Object({
        start_time: Maybe(Type.String()),
        tags: Maybe(Type.Record(Type.String(), Type.String())),
      }),
    ),
  ),
  format: Maybe(
    Type.Object({
      format_name: Maybe(Type.String()),
      duration: Maybe(Type.String()),
      bit_rate: Maybe(Type.String()),
    }),
  ),
});

const report = Compile(Report);

export interface Probe {
  readonly kind: "probed";
  readonly streams: readonly ProbedStream[];
  readonly chapters: readonly { readonly startSeconds: number; readonly name: string }[];
  /** Commas between the names of one family: `mov,mp4,m4a`. */
  readonly format: string;
  readonly durationSeconds: number;
  readonly bitsPerSecond: number;
}

const timeoutMs = 20 * secondMs;
const maxOutputBytes = 8 * 1_048_576;
const addressSpaceKb = 2_000_000;
const maxStreams = 200;
const maxChapters = 1_000;

/**
 * What ffprobe says of a file: streams, names, chapters. A child process with its time, memory and output limited; the
 * path is one argument, absolute and behind `file:`, so that no name is taken for an option or an address. Only a real
 * container is opened: a list of other files in a film's clothes is damaged.
 *
 * @throws Fault MEDIA_TOOL_MISSING when there is no ffprobe; BUSY when the signal aborts, or the system can start no process now.
 */
export async function probe(
  path: string,
  signal: AbortSignal,
): Promise<Probe | { readonly kind: "damaged"; readonly reason: string }> {
  // Who opens a pipe waits until somebody writes, and ffprobe would outlive whoever started it.
  const stats = await stat(path).catch(messageOf);
  if (typeof stats === "string") return { kind: "damaged", reason: stats };
  if (!stats.isFile()) return { kind: "damaged", reason: fileProblems.notAFile };
  const refusal = await access(path, constants.R_OK).catch((thrown: NodeJS.ErrnoException) => thrown.code);
  if (refusal === "EACCES" || refusal === "EPERM") return { kind: "damaged", reason: fileProblems.forbidden };
  const shown = ["-show_streams", "-show_format", "-show_chapters"];
  const alone = ["-protocol_whitelist", "file", "-format_whitelist", containers];
  const end = await runFfprobe(["-v", "error", "-of", "json", ...shown, ...alone, "-i", `file:${path}`], signal);
  if (end.kind === "failed") return { kind: "damaged", reason: end.reason };
  let parsed: unknown;
  try {
    parsed = JSON.parse(end.output);
  } catch {
    return { kind: "damaged", reason: fileProblems.probeUnreadable };
  }
  if (!report.Check(parsed)) return { kind: "damaged", reason: fileProblems.probeUnreadable };
  const { streams = [], chapters = [], format = {} } = parsed;
  return {
    kind: "probed",
    streams: streams.slice(0, maxStreams),
    chapters: chapters.slice(0, maxChapters).map(({ start_time: start, tags }) => ({
      startSeconds: numberOf(start),
      name: displayName(tags?.["title"] ?? ""),
    })),
    format: format.format_name ?? "",
    durationSeconds: numberOf(format.duration),
    bitsPerSecond: Math.round(numberOf(format.bit_rate)),
  };
}

/** Whatever is no number from 0 up counts as 0. */
export function numberOf(text: string | undefined): number {
  const value = Number(text ?? "");
  return Number.isFinite(value) && value > 0 ? value : 0;
}

/** `24000/1001` as a number; 0 if it is none. */
export function ratioOf(text: string | undefined): number {
  const [above = "", below = "1"] = (text ?? "").split(/[/:]/);
  const value = Number(above) / Number(below);
  return Number.isFinite(value) && value > 0 ? value : 0;
}

type ProbeEnd =
  { readonly kind: "done"; readonly output: string } | { readonly kind: "failed"; readonly reason: string };

async function runFfprobe(parameters: readonly string[], signal: AbortSignal): Promise<ProbeEnd> {
  const [program, all] = limitedCommand("ffprobe", parameters, { addressSpaceKb });
  const timeout = AbortSignal.timeout(timeoutMs);
  const child = spawn(program, all, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin", LC_ALL: "C", TZ: "UTC" },
    signal: AbortSignal.any([signal, timeout]),
    killSignal: "SIGKILL",
    windowsHide: true,
  });
  expectStarted(child);
  const parts: Buffer[] = [];
  let bytes = 0;
  child.stdout.on("data", (part: Buffer) => {
    bytes += part.length;
    if (bytes <= maxOutputBytes) parts.push(part);
    else child.kill("SIGKILL");
  });
  let said = "";
  child.stderr.on("data", (part: Buffer) => {
    said = (said + part.toString("utf8")).slice(-2_000);
  });
  const missing = "ffprobe is not installed; hint: install ffmpeg 5 or newer";
  return new Promise((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") reject(new Fault("MEDIA_TOOL_MISSING", missing, { cause: error }));
    });
    child.on("close", (code) => {
      if (signal.aborted) reject(new Fault("BUSY", "nobody waits any more"));
      else if (code === 127) reject(new Fault("MEDIA_TOOL_MISSING", missing));
      else if (timeout.aborted) resolve({ kind: "failed", reason: fileProblems.probeSlow });
      else if (bytes > maxOutputBytes) resolve({ kind: "failed", reason: fileProblems.probeTalks });
      else if (code === 0) resolve({ kind: "done", output: Buffer.concat(parts).toString("utf8") });
      else resolve({ kind: "failed", reason: lastWords(said) || `ffprobe ended with ${code}` });
    });
  });
}

/** Without the path, which the file's row has, and the addresses of ffprobe's own objects. */
function lastWords(said: string): string {
  const line = said.trim().split("\n").at(-1) ?? "";
  return line.replace(/^file:.*: /, "").replace(/^\[[^\]]*\]\s*/, "");
}
