import { hashRawSync } from "@node-rs/argon2";
import { performance } from "node:perf_hooks";
import { parentPort } from "node:worker_threads";
import type { HashAnswer, HashOrder } from "./hash-pool.ts";

// One hash at a time per thread: concurrency above the cores adds waiting and no hashes.
parentPort?.on("message", ({ id, password, salt, memoryKib, passes, lanes }: HashOrder) => {
  let answer: HashAnswer;
  const began = performance.now();
  try {
    const tag = hashRawSync(password, {
      algorithm: 2,
      version: 1,
      memoryCost: memoryKib,
      timeCost: passes,
      parallelism: lanes,
      outputLen: 32,
      salt,
    });
    answer = { id, tag, tookMs: performance.now() - began };
  } catch (thrown) {
    answer = { id, reason: thrown instanceof Error ? thrown.name : "unknown" };
  }
  password.fill(0);
  parentPort?.postMessage(answer);
});
