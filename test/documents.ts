import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** A fenced `sh` block of a document. */
export interface Block {
  readonly file: string;
  /** Where its fence begins, counted from 1. */
  readonly line: number;
  readonly script: string;
  /** What the comments `<!-- test: … -->` since the last block ask for; readers do not see them. */
  readonly asks: readonly string[];
}

/** Every fenced `sh` block of a document, in order; fences in lists may be indented. */
export function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  let asks: string[] = [];
  let open: { readonly line: number; readonly indent: string; readonly isShell: boolean; lines: string[] } | undefined;
  for (const [index, line] of readFileSync(join(root, file), "utf8").split("\n").entries()) {
    const [, indent = "", language] = /^(\s*)```(\w*)\s*$/.exec(line) ?? [];
    if (open !== undefined) {
      if (language === "" && indent === open.indent) {
        if (open.isShell) blocks.push({ file, line: open.line, script: open.lines.join("\n"), asks });
        if (open.isShell) asks = [];
        open = undefined;
      } else open.lines.push(line.slice(open.indent.length));
      continue;
    }
    if (language !== undefined) open = { line: index + 1, indent, isShell: language === "sh", lines: [] };
    const ask = /<!-- test: (.+?) -->/.exec(line)?.[1];
    if (ask !== undefined) asks.push(...ask.split(", "));
  }
  return blocks;
}

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Lets documents' `./houselights` be given in a scratch folder. The launcher installs packages when the lockfile has
 * changed, and `npm ci` removes the old ones first, under every process that runs on them. So the `npm` that a script
 * finds here does nothing but fail: a test never installs.
 */
export async function linkLauncher(folder: string): Promise<void> {
  await symlink(join(root, "houselights"), join(folder, "houselights"));
  await mkdir(join(folder, "bin"));
  const refusing =
    "#!/bin/sh\necho 'packages are not those of the lockfile: run npm ci, then the test again' >&2\nexit 1\n";
  await writeFile(join(folder, "bin", "npm"), refusing, { mode: 0o755 });
}

/** Runs a block the way somebody would who copies it into a terminal, and stops at the first command that fails. */
export function runScript(script: string, folder: string, settings: Readonly<Record<string, string>>): Promise<Ran> {
  return new Promise((resolve) => {
    const path = `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`;
    const environment = { PATH: path, HOME: folder, ...settings };
    // Without anybody's start-up file: fed by a socket, bash takes itself for a remote login and reads one.
    const shell = spawn("bash", ["--norc", "-euo", "pipefail", "-c", script], { cwd: folder, env: environment });
    let [out, err] = ["", ""];
    shell.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
    shell.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
    shell.stdin.end();
    shell.once("close", (code) => resolve({ code, out, err }));
  });
}
