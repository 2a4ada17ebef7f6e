import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseHostPort, parseTlsAddresses, tlsName } from "../config/keyholder-place.ts";
import { secondMs, systemClock, toIso, type EpochMs } from "../kernel/clock.ts";
import { connectKeyholder } from "../keyholder/client.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { readOperatorCredential } from "../keyholder/operator-credential.ts";
import { startKeyholder } from "../keyholder/supervise.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import { serve, keysDirOf, readCredentials } from "../main.ts";
import { readSealing } from "../read-sealing.ts";
import { socketPathFor } from "../keyholder/socket-path.ts";
import { writeDurably } from "../keyholder/durable-file.ts";
import { forEachRole } from "../keyholder/permissions.ts";
import { confirmed, textOf, type Command, type Outcome } from "./command.ts";

export const serveCommands: readonly Command[] = [
  {
    words: ["serve"],
    summary: "run the service: database, keyholder, web and worker",
    isDaemon: true,
    examples: ["houselights serve", "PORT=9000 LIBRARY_DIR=/srv/films houselights serve"],
    run: async ({ config, log, say }) => {
      await serve(config, log, say);
      return { kind: "done" };
    },
  },
  {
    words: ["keyholder", "status"],
    summary: "whether the keyholder of this host serves, or follows another and is in step",
    examples: ["houselights keyholder status"],
    run: ({ config, log }) =>
      withOwnKeyholder(keysDirOf(config), log, async ({ standing }) => {
        const { isStandby, follows, inStepAt, hasSameKeys } = await standing.read();
        return {
          kind: "done",
          json: { isStandby, follows, inStepAt: inStepAt === null ? null : toIso(inStepAt), hasSameKeys },
          lines: isStandby
            ? [
                `a standby of ${follows.join(", ")}`,
                inStepAt === null ? "  not in step since it was started" : `  ${inStepNow(inStepAt)}`,
                ...(hasSameKeys === false ? ["  its keys are others: bring a backup of those of the other here"] : []),
              ]
            : ["it serves"],
        };
      }),
  },
  {
    words: ["keyholder", "promote"],
    summary: "make the standby of this host serve; the keyholder that it follows must be stopped for good",
    arguments: "[--not-in-step] [--yes]",
    options: { "not-in-step": { type: "boolean" }, yes: { type: "boolean" } },
    optionHelp: [
      ["--not-in-step", "even if it has not been in step since it was started"],
      ["--yes", "do not ask"],
    ],
    examples: ["houselights keyholder promote"],
    run: async (call) => {
      const { config, log, values } = call;
      if (!(await confirmed(call, "the keyholder that it follows must not serve again as it is; go on?"))) {
        return { kind: "refused", error: "nothing was changed", hint: "--yes promotes without asking" };
      }
      return withOwnKeyholder(keysDirOf(config), log, async ({ standing }) => {
        if (!(await standing.read()).isStandby)
          return { kind: "done", lines: ["it serves already; nothing was changed"] };
        try {
          await standing.promote(values["not-in-step"] === true);
        } catch (thrown) {
          if (!(thrown instanceof Fault) || thrown.code !== "KEYHOLDER_REFUSED") throw thrown;
          return { kind: "refused", error: messageOf(thrown).replace(/^keyholder: /, "") };
        }
        const { inStepAt } = await standing.read();
        const since = inStepAt === null ? "not in step since it was started" : `in step until ${toIso(inStepAt)}`;
        return {
          kind: "done",
          lines: [
            `it serves from now on; it was ${since}`,
            "  what the other was told after that it does not know: if anything was contained since, contain again",
          ],
        };
      });
    },
  },
  {
    words: ["keyholder"],
    summary: "run the keyholder alone, for web and worker processes of other services on this host, or of others",
    isDaemon: true,
    arguments: "[--listen HOST:PORT] [--follow tls://HOST:PORT [--demote]] [--credentials FILE]",
    options: {
      listen: { type: "string" },
      follow: { type: "string" },
      credentials: { type: "string" },
      demote: { type: "boolean" },
    },
    optionHelp: [
      [
        "--listen HOST:PORT",
        "listen for other hosts by mutual TLS too, with KEYHOLDER_CA, KEYHOLDER_CERT, KEYHOLDER_KEY",
      ],
      ["--follow tls://HOST:PORT", "be the standby of that keyholder until it is promoted"],
      ["--demote", "follow again, though it was promoted"],
      ["--credentials FILE", "the credentials that it takes; made if there is no such file, and kept"],
    ],
    examples: ["houselights keyholder", "houselights keyholder --listen 10.0.0.5:8430 --credentials keyholder.json"],
    run: async ({ config, log, say, values }) => {
      const keysDir = keysDirOf(config);
      const listen = textOf(values, "listen") === undefined ? undefined : parseHostPort(textOf(values, "listen") ?? "");
      const follow = textOf(values, "follow");
      const follows = follow === undefined ? undefined : parseTlsAddresses(follow);
      if (textOf(values, "listen") !== undefined && listen === undefined) {
        return { kind: "usage", error: "--listen takes a host and a port" };
      }
      if (follow !== undefined && follows === undefined)
        return { kind: "usage", error: "--follow takes tls://HOST:PORT" };
      if ((listen !== undefined || follows !== undefined) && config.keyholderFiles === null) {
        return {
          kind: "refused",
          error: "other hosts are spoken to by mutual TLS alone",
          hint: "set KEYHOLDER_CA, KEYHOLDER_CERT and KEYHOLDER_KEY",
        };
      }
      const files = config.keyholderFiles ?? { ca: "", cert: "", key: "" };
      await makeFolder(keysDir, 0o700);
      const sealing = await readSealing(config, keysDir);
      const named = textOf(values, "credentials");
      const file = named === undefined ? join(keysDir, "credentials.json") : resolve(named);
      // Other hosts were given them, and another keyholder may have to take the same: they outlive a restart.
      const isKept = named !== undefined || listen !== undefined;
      const credentials = isKept && existsSync(file) ? await readCredentials(file) : undefined;
      const keyholder = await startKeyholder({
        keysDir,
        socketPath: await socketPathFor(keysDir),
        sealing,
        credentials,
        listening: {
          listen,
          files,
          follows: follows === undefined ? undefined : { addresses: follows, files },
          demote: values["demote"] === true,
        },
        log,
      });
      if (credentials === undefined) {
        const text = forEachRole((role) => Buffer.from(keyholder.credentials[role].reveal()).toString("base64url"));
        await writeDurably(file, JSON.stringify(text));
      }
      say(`KEYHOLDER_URL=${listen === undefined ? `unix:${keyholder.socketPath}` : tlsName(listen)}`);
      say(`KEYHOLDER_CREDENTIALS=${file}`);
      await new Promise<void>((stop) => {
        process.once("SIGTERM", stop);
        process.once("SIGINT", stop);
      });
      await keyholder.stop();
      return { kind: "done" };
    },
  },
];

/** A standby hears from the other every second or so; one that has not for some is behind. */
const silentMs = 3 * secondMs;

const inStepNow = (at: EpochMs): string =>
  systemClock.now() - at < silentMs
    ? `in step at ${toIso(at)}`
    : `in step until ${toIso(at)}; the other has not been heard since: if it is gone for good, houselights keyholder promote`;

/** The keyholder that runs on this host's own folder, standby or not. */
async function withOwnKeyholder(
  keysDir: string,
  log: Log,
  work: (operator: KeyholderClient) => Promise<Outcome>,
): Promise<Outcome> {
  const operator = await connectKeyholder({ ...(await readOperatorCredential(keysDir)), role: "operator", log });
  try {
    return await work(operator);
  } finally {
    await operator.close();
  }
}
