import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { WalkerOrder } from "./campaign-walker.ts";

/** A worker process of its own, kept in `children` while it lives; `walking` resolves when it has begun. */
export function startWalker(order: WalkerOrder, children: Set<ChildProcess>) {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./campaign-walker.ts", import.meta.url))], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.add(child);
  const said: string[] = [];
  const walking = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    said.push(line);
    walking.resolve();
  });
  const ended = once(child, "close").then(() => {
    children.delete(child);
    walking.resolve();
  });
  child.stdin.end(JSON.stringify(order));
  return { child, said, walking: walking.promise, ended };
}
