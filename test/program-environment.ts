import { join } from "node:path";

/** What a test starts our programs with, before their settings: nothing of its own but what the launcher would give them. */
export const programEnvironment = {
  PATH: process.env["PATH"] ?? "",
  NODE_COMPILE_CACHE: join(import.meta.dirname, "..", "node_modules", ".cache", "houselights-compiled"),
};
