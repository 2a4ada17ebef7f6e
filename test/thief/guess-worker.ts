import { parentPort } from "node:worker_threads";
import { tryWords, type Salt } from "./guess-salts.ts";

interface Task {
  readonly salts: readonly Salt[];
  readonly targets: ReadonlyMap<string, string>;
}

parentPort?.on("message", ({ salts, targets }: Task) => parentPort?.postMessage(tryWords(salts, targets)));
