import { watch } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { after, secondMs } from "../kernel/clock.ts";

// A thread that watches one folder and says when something changed. What the system's recursive watch throws where nobody
// can catch it (Node 26 on Linux: a folder that is a file by the time it is looked at) ends this thread and nothing else.

let isSaid = false;
const watcher = watch(String(workerData), { recursive: true }, () => {
  if (isSaid) return;
  isSaid = true;
  parentPort?.postMessage("changed");
  after(secondMs, () => {
    isSaid = false;
  });
});
watcher.on("error", (error) => {
  throw error;
});
parentPort?.postMessage("ready");
