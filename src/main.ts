import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PoolConfig } from "pg";
import { Type } from "typebox";
import { Check } from "typebox/value";
import { lettersLeaveBy, type Config } from "./config/config.ts";
import type { KeyholderAt } from "./config/keyholder-place.ts";
import { Fault, messageOf } from "./kernel/fault.ts";
import type { Log } from "./kernel/log.ts";
import { systemRandom } from "./kernel/random.ts";
import { Secret } from "./kernel/secret.ts";
import { makeFolder } from "./kernel/make-folder.ts";
import { keepPostgres } from "./db/keep-postgres.ts";
import { keepReserve } from "./db/keep-reserve.ts";
import { openBreached } from "./credentials/breached/breached.ts";
import type { Role } from "./keyholder/keyholder.ts";
import { forEachRole } from "./keyholder/permissions.ts";
import { socketPathFor } from "./keyholder/socket-path.ts";
import type { Sealing } from "./keyholder/sealing.ts";
import { startKeyholder } from "./keyholder/supervise.ts";
import { kernelFileSystem } from "./library/kernel-file-system.ts";
import { readSealing } from "./read-sealing.ts";
import { credentialsFor, supervise, type ChildRole, type StartMessage, type Supervised } from "./processes.ts";

export const keysDirOf = (config: Config): string => join(config.dataDir, "keys");

interface Part {
  stop(): Promise<void>;
}

/**
 * The service: starts PostgreSQL, the keyholder, web and worker, says where to go, and on SIGTERM, SIGINT or SIGHUP stops
 * everything it started in the opposite order. This process itself stays small; it holds no key and opens no port.
 */
export async function serve(config: Config, log: Log, print: (line: string) => void): Promise<void> {
  const parts: Part[] = [];
  let stopping: Promise<void> | undefined;
  const stopAll = (): Promise<void> => {
    stopping ??= (async () => {
      for (const part of parts.toReversed()) {
        // One that does not stop cleanly must not leave the others running.
        await part
          .stop()
          .catch((thrown: unknown) => log.error({ reason: messageOf(thrown) }, "stopping was not clean"));
      }
    })();
    return stopping;
  };
  // From here on: whatever has been started when the signal comes is stopped again.
  const signalled = new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
    // The terminal was closed: what was started from it must not stay behind.
    process.once("SIGHUP", resolve);
  });
  const leaving = new AbortController();
  void signalled.then(() => leaving.abort());

  const starting = (async () => {
    const madeUp = await kernelFileSystem(config.libraryDir);
    if (madeUp !== undefined) {
      throw new Fault(
        "CONFIG_INVALID",
        `LIBRARY_DIR: must be a folder on a disk, and this one is of the kernel's own (${madeUp})\nset it to a folder of films`,
      );
    }
    await makeFolder(config.dataDir, 0o700);
    // A list that is not whole is said before anything is started.
    openBreached(config.dataDir, log).close();
    // Asked for, if it has to be, before anything is started: whoever gives up at the question leaves nothing running.
    const keys = await readKeys(config, leaving.signal);
    const opening = [openDatabase(config, log, parts), openKeyholder(keys, log, parts)] as const;
    // The one that fails is not reported before the other is there: what that has started has to be stopped too.
    await Promise.allSettled(opening);
    const [connection, keyholder] = await Promise.all(opening);
    const all = forEachRole((role) => keyholder.credentials[role].reveal());
    const showsMailbox = lettersLeaveBy(config) === "mailbox";
    const messageFor = (role: ChildRole): StartMessage => ({
      kind: "start",
      connection,
      keyholder: keyholder.at,
      credentials: credentialsFor(role, all, showsMailbox),
      port: null,
    });
    const web = await supervise("web", messageFor("web"), log, leaving.signal);
    parts.push(web);
    // After web, which brings the schema up to date.
    const worker = await supervise("worker", messageFor("worker"), log, leaving.signal);
    parts.push(worker);
    if (config.databaseUrl === null) parts.push(keepReserve({ dataDir: config.dataDir, log, random: systemRandom }));
    announce(config, web, print);
  })();

  try {
    await Promise.race([starting, signalled]);
    await signalled;
    await starting.catch(() => undefined);
  } finally {
    await stopAll();
  }
}

async function openDatabase(config: Config, log: Log, parts: Part[]): Promise<PoolConfig> {
  if (config.databaseUrl !== null) return { connectionString: config.databaseUrl.revealText() };
  const postgres = await keepPostgres({ dataDir: config.dataDir, log });
  // First in, last out: everything else talks to it.
  parts.unshift(postgres);
  return postgres.connection;
}

/** Where the keys are: with a keyholder that somebody else runs, or in a folder, with what they are sealed with. */
type Keys =
  | { readonly at: KeyholderAt; readonly credentials: Readonly<Record<Role, Secret>> }
  | { readonly keysDir: string; readonly sealing: Sealing | undefined };

async function readKeys(config: Config, signal: AbortSignal): Promise<Keys> {
  if (config.keyholderAt !== null) {
    return { at: config.keyholderAt, credentials: await readCredentials(config.keyholderCredentialsFile ?? "") };
  }
  const keysDir = keysDirOf(config);
  return { keysDir, sealing: await readSealing(config, keysDir, signal) };
}

async function openKeyholder(
  keys: Keys,
  log: Log,
  parts: Part[],
): Promise<{ readonly at: KeyholderAt; readonly credentials: Readonly<Record<Role, Secret>> }> {
  if ("at" in keys) return keys;
  const { keysDir, sealing } = keys;
  const keyholder = await startKeyholder({ keysDir, socketPath: await socketPathFor(keysDir), sealing, log });
  parts.push(keyholder);
  return { at: { socketPath: keyholder.socketPath }, credentials: keyholder.credentials };
}

const credentialsSchema = Type.Object(forEachRole(() => Type.String()));

/** Reads the credentials of a keyholder that runs by itself, as `houselights keyholder` wrote them. */
export async function readCredentials(file: string): Promise<Readonly<Record<Role, Secret>>> {
  const unreadable = new Fault(
    "CONFIG_INVALID",
    "KEYHOLDER_CREDENTIALS: the file cannot be read or is not one of ours",
  );
  const text = await readFile(file, "utf8").catch(() => {
    throw unreadable;
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable;
  }
  if (!Check(credentialsSchema, value)) throw unreadable;
  return forEachRole((role) => new Secret(Buffer.from(value[role], "base64url")));
}

/** The last thing a newcomer reads on the terminal: three addresses. */
function announce(config: Config, web: Supervised, print: (line: string) => void): void {
  const { port, operatorLink } = web.first;
  const origin = config.port === 0 ? `http://${config.host}:${port}` : config.publicOrigin;
  print("");
  print(`  watch     ${origin}/`);
  print(`  operate   ${operatorLink === null ? `${origin}/console` : `${origin}/operate#${operatorLink}`}`);
  const mailbox = {
    mailbox: `${origin}/mailbox`,
    relay: "none: letters leave by the relay",
    nowhere: "none, and no relay: set SMTP_URL, or no letter reaches anybody",
  }[lettersLeaveBy(config)];
  print(`  mailbox   ${mailbox}`);
  print("");
  if (operatorLink !== null)
    print("  the operate link works once, for 10 minutes; `houselights operator link` makes another");
  print("  stop with Ctrl-C");
}
