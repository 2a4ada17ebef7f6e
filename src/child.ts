/**
 * A web or worker process. It is told where the database and the keyholder are, works until it is told to stop or its
 * parent is gone, finishes what it has begun, and ends.
 */
import { readConfig } from "./config/config.ts";
import { nodeName } from "./db/nodes.ts";
import { Fault, messageOf } from "./kernel/fault.ts";
import { newLog } from "./kernel/log.ts";
import { Secret } from "./kernel/secret.ts";
import { roles } from "./keyholder/permissions.ts";
import type { Surroundings } from "./app.ts";
import { readPackedPackages } from "./packed-packages.ts";
import type { ChildMessage, StartMessage } from "./processes.ts";

readPackedPackages();

const role = process.argv[2] === "worker" ? "worker" : "web";
const config = readConfig();
const log = newLog(role, config.logLevel);

const tell = (message: ChildMessage): void => {
  if (process.connected) process.send?.(message);
};

async function start({ connection, keyholder, credentials, port }: StartMessage): Promise<() => Promise<void>> {
  const surroundings: Surroundings = {
    connection: { ...connection, application_name: nodeName(role, process.pid) },
    keyholder: {
      ...keyholder,
      // Whichever were given: a role that is added is handed on without anybody remembering it here.
      credentials: Object.fromEntries(
        roles.flatMap((each) => {
          const bytes = credentials[each];
          return bytes === undefined ? [] : [[each, new Secret(bytes)]];
        }),
      ),
    },
  };
  if (role === "worker") {
    const { startWorkerProcess } = await import("./app-worker.ts");
    const stop = await startWorkerProcess({ config, surroundings, log });
    tell({ kind: "ready", port: 0, operatorLink: null });
    return stop;
  }
  const { startWebProcess } = await import("./app-web.ts");
  const web = await startWebProcess({ config, surroundings, log, port: port ?? config.port });
  tell({ kind: "ready", port: web.port, operatorLink: web.operatorLink });
  return web.stop;
}

let stopping = false;
let started: Promise<() => Promise<void>> | undefined;

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  try {
    await (
      await started
    )?.();
  } catch (thrown) {
    log.error({ reason: messageOf(thrown) }, "stopping was not clean");
  }
  process.exit(0);
}

process.on("SIGTERM", () => void stop());
// A terminal's Ctrl-C, and its end, reach every process of the group; the parent decides in which order they stop.
process.on("SIGINT", () => undefined);
process.on("SIGHUP", () => undefined);
process.on("disconnect", () => void stop());
process.on("unhandledRejection", (reason) => {
  log.fatal({ reason: messageOf(reason), stack: reason instanceof Error ? reason.stack : undefined }, "unhandled");
  process.exit(1);
});

process.once("message", (message: StartMessage) => {
  started = start(message);
  started.catch((thrown: unknown) => {
    const code = thrown instanceof Fault ? thrown.code : "IMPOSSIBLE";
    log.fatal(
      { fault: code, reason: messageOf(thrown), stack: thrown instanceof Error ? thrown.stack : undefined },
      "cannot start",
    );
    tell({ kind: "failed", code, message: messageOf(thrown) });
    process.exit(1);
  });
});
