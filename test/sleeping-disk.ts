import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/*
 * Loaded before a program and in each of its threads: a disk that sleeps. Of a thread's reads at a place of a file the one that
 * SLEEPS_AT names waits until something is written into the pipe WAKE.
 */
const { readSync } = fs;
let reads = 0;
fs.readSync = ((...parameters: Parameters<typeof readSync>) => {
  // What loads modules reads from wherever a file is at.
  if (typeof (parameters as readonly unknown[])[4] === "number") reads++;
  if (reads === Number(process.env["SLEEPS_AT"])) {
    reads++;
    fs.readFileSync(process.env["WAKE"] ?? "");
  }
  return readSync(...parameters);
}) as typeof readSync;
syncBuiltinESMExports();
