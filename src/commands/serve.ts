import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { serve, keysDirOf } from "../main.ts";
import { readSealing } from "../read-sealing.ts";
import { socketPathFor } from "../keyholder/socket-path.ts";
import { forEachRole } from "../keyholder/permissions.ts";
import { startKeyholder } from "../keyholder/supervise.ts";
import type { Command } from "./command.ts";

export const serveCommands: readonly Command[] = [
  {
    words: ["serve"],
    summary: "run the service: database, keyholder, web and worker",
    examples: ["houselights serve", "PORT=9000 LIBRARY_DIR=/srv/films houselights serve"],
    run: async ({ config, log, say }) => {
      await serve(config, log, say);
      return { kind: "done" };
    },
  },
  {
    words: ["keyholder"],
    summary: "run the keyholder alone, for web and worker processes of other services on this host",
    examples: ["houselights keyholder"],
    run: async ({ config, log, say }) => {
      const keysDir = keysDirOf(config);
      await mkdir(keysDir, { recursive: true, mode: 0o700 });
      const sealing = await readSealing(config, keysDir);
      const keyholder = await startKeyholder({ keysDir, socketPath: await socketPathFor(keysDir), sealing, log });
      const file = join(keysDir, "credentials.json");
      const text = forEachRole((role) => Buffer.from(keyholder.credentials[role].reveal()).toString("base64url"));
      await writeFile(file, JSON.stringify(text), { mode: 0o600 });
      say(`KEYHOLDER_URL=unix:${keyholder.socketPath}`);
      say(`KEYHOLDER_CREDENTIALS=${file}`);
      await new Promise<void>((resolve) => {
        process.once("SIGTERM", resolve);
        process.once("SIGINT", resolve);
      });
      await keyholder.stop();
      return { kind: "done" };
    },
  },
];
