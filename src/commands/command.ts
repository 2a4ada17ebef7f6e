import type { ParseArgsOptionsConfig } from "node:util";
import type { Config } from "../config/config.ts";
import type { Log } from "../kernel/log.ts";

export type Outcome =
  | { readonly kind: "done"; readonly lines?: readonly string[]; readonly json?: unknown }
  | {
      readonly kind: "refused";
      readonly error: string;
      readonly hint?: string;
      /** What was found before it, for standard output. */
      readonly lines?: readonly string[];
      readonly json?: unknown;
      /** 1 unless given; a command that has others says so in its help. */
      readonly exitCode?: number;
    }
  | { readonly kind: "usage"; readonly error: string; readonly hint?: string };

export interface Call {
  readonly config: Config;
  readonly log: Log;
  readonly values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
  readonly say: (line: string) => void;
  readonly json: boolean;
}

export interface Command {
  readonly words: readonly string[];
  readonly summary: string;
  readonly arguments?: string;
  readonly options?: ParseArgsOptionsConfig;
  readonly optionHelp?: readonly (readonly [string, string])[];
  readonly positionals?: number;
  /** It runs until it is told to stop, and its log is read: it has `LOG_LEVEL`. Other commands log errors alone. */
  readonly isDaemon?: true;
  readonly examples: readonly string[];
  run(call: Call): Promise<Outcome>;
}

export function usageOf({ words, summary, arguments: args = "", optionHelp = [], examples }: Command): string {
  const options = [
    ...optionHelp,
    ["--json", "print figures as one JSON object"] as const,
    ["--help", "this text"] as const,
  ];
  return [
    `usage: houselights ${words.join(" ")}${args === "" ? "" : ` ${args}`}`,
    "",
    `  ${summary}`,
    "",
    ...options.map(([name, text]) => `  ${name.padEnd(24)} ${text}`),
    "",
    "examples:",
    ...examples.map((line) => `  ${line}`),
  ].join("\n");
}

/** What several commands are for, an example of each noun or verb, and what their exit codes mean. */
export function usageOfSeveral(some: readonly Command[]): string {
  const isOneNoun = some.every(({ words }) => words[0] === some[0]?.words[0]);
  // Of one noun every verb; of all the first of each noun, which is what its people come for.
  const shown = some.filter(
    ({ words }, place) => isOneNoun || some.findIndex((one) => one.words[0] === words[0]) === place,
  );
  return [
    "usage: houselights <command> [options]",
    "",
    ...some.map(({ words, summary }) => `  ${words.join(" ").padEnd(22)} ${summary}`),
    "",
    "examples:",
    ...shown.flatMap(({ examples }) => examples.slice(0, 1)).map((line) => `  ${line}`),
    "",
    "each takes --help; settings come from the environment (README)",
    "exit codes: 0 done, 1 refused or failed, 2 the command line was wrong, 3 the service is not reachable",
  ].join("\n");
}

/** The text of an option, or `undefined` if it was not given. */
export const textOf = (values: Call["values"], name: string): string | undefined => {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
};

/** Asks on the terminal, wherever standard output goes; without one, only `--yes` goes on. */
export async function confirmed({ values, say }: Call, question: string): Promise<boolean> {
  if (values["yes"] === true) return true;
  if (!process.stdin.isTTY) {
    say("not confirmed: there is no terminal to ask on; give --yes");
    return false;
  }
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // A terminal that is gone cannot be set back.
  lines.on("error", () => undefined);
  // Ctrl-C and Ctrl-D are no answer, and so no yes; the terminal's line is left as after one.
  const answer = await lines.question(`${question} [yes/no] `).catch(() => {
    say("");
    return "";
  });
  lines.close();
  return answer.trim().toLowerCase() === "yes";
}

/** 1,234,567 */
export const figure = (value: number): string => value.toLocaleString("en");
/** 2026-11-22 20:41:07.312 UTC */
export const instant = (iso: string): string => iso.replace("T", " ").replace("Z", " UTC");
