/**
 * The key process: `node src/keyholder/process.ts --keys DIR --socket PATH [--log-level LEVEL] [--grace MS] [--shared]`.
 *
 * Standard input: one line `{"credentials":{"web":…,…}}`, one for each role (base64, at least 32 bytes each), then it stays
 * open; when it ends, the process ends; a shared one, as soon as nobody is connected any more. Standard output: one line, `{"ready":true}`
 * or `{"failed":"why"}`, with `"isHeld":true` where another process has the folder; and `{"stays":true}` from a shared one that goes on.
 */
import { unlink } from "node:fs/promises";
import { parseArgs } from "node:util";
import { minuteMs, secondMs, sleep, systemClock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { newLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { addressesPerHour, openAddressLimit } from "./address-limit.ts";
import { answerer } from "./answers.ts";
import { isRecord, systemCode } from "./durable-file.ts";
import { keepingHandlers } from "./keeping.ts";
import type { Role } from "./keyholder.ts";
import { FolderHeld } from "./folder-lock.ts";
import { openFolder } from "./open-folder.ts";
import { leaveOperatorCredential, removeOperatorCredential } from "./operator-credential.ts";
import { parseListening, type Listening } from "./listening.ts";
import { forEachRole, standbyRefuses, type Operation } from "./permissions.ts";
import { parseSealing, sealBy } from "./sealing.ts";
import type { Sealing } from "./sealing.ts";
import { serveKeyholder, serveKeyholderByTls } from "./server.ts";
import { openStanding } from "./standby.ts";
import { openUseLedger } from "./use-ledger.ts";
import { handlersOfUses } from "./uses.ts";

const credentialsWaitMs = 10 * secondMs;
const maxCredentialsBytes = 8 * 1024;
/** What a standby answers: how it stands, and nothing that uses a key. */
const ofAStandby: readonly Operation[] = ["standing.read", "standing.promote", "counters", "keys.states"];
/** Longer than any request, job or transaction carries a sealed value or an index before it writes it. */
const retireGraceMs = 5 * minuteMs;
/** The connections of whoever started this process, and has just ended, are closed by then. */
const closingMs = 100;

function invalid(message: string): Fault {
  return new Fault("CONFIG_INVALID", message);
}

interface Options {
  readonly keys: string;
  readonly socket: string;
  readonly level: string;
  readonly graceMs: number;
  readonly isShared: boolean;
}

function readOptions(): Options {
  const usage = "needs --keys DIR and --socket PATH, takes --log-level LEVEL, --grace MS and --shared";
  try {
    const { values } = parseArgs({
      options: {
        keys: { type: "string" },
        socket: { type: "string" },
        "log-level": { type: "string", default: "info" },
        grace: { type: "string", default: `${retireGraceMs}` },
        shared: { type: "boolean", default: false },
      },
    });
    const { keys, socket, grace } = values;
    if (keys === undefined || socket === undefined || !/^\d{1,9}$/.test(grace)) throw invalid(usage);
    return { keys, socket, level: values["log-level"], graceMs: Number(grace), isShared: values.shared };
  } catch (error) {
    throw new Fault("CONFIG_INVALID", usage, { cause: error });
  }
}

/** The first line of standard input; a Fault if it does not come in time or is too long. */
async function firstLine(): Promise<string> {
  const late = new AbortController();
  const line = new Promise<string>((resolve, reject) => {
    let text = "";
    process.stdin.setEncoding("utf8");
    process.stdin.on("data", (chunk: string) => {
      // What follows the line is read, so that the end is noticed, and dropped.
      if (text.includes("\n")) return;
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > maxCredentialsBytes) reject(invalid("the line of credentials is too long"));
    });
    process.stdin.once("end", () => reject(invalid("standard input ended before the credentials")));
    void sleep(credentialsWaitMs, late.signal).then(() => reject(invalid("no credentials came on standard input")));
  });
  try {
    return await line;
  } finally {
    late.abort();
  }
}

/** What the first line says: the credentials, and what the file of keys is sealed with. */
function parseLine(line: string): {
  readonly credentials: Readonly<Record<Role, Secret>>;
  readonly sealing: Sealing | undefined;
  readonly listening: Listening;
} {
  let whole: unknown;
  try {
    whole = JSON.parse(line);
  } catch {
    throw invalid("the line of credentials is not JSON");
  }
  const said = isRecord(whole) ? whole : {};
  return {
    credentials: parseCredentials(said["credentials"]),
    sealing: parseSealing(said["sealing"]),
    listening: parseListening(said["listening"]),
  };
}

function parseCredentials(given: unknown): Readonly<Record<Role, Secret>> {
  const credential = (role: Role): Secret => {
    const text = isRecord(given) ? given[role] : undefined;
    const bytes = typeof text === "string" ? Buffer.from(text, "base64") : Buffer.alloc(0);
    if (bytes.length < 32) throw invalid(`the credential for ${role} is missing or shorter than 32 bytes`);
    return new Secret(bytes);
  };
  return forEachRole(credential);
}

async function run(): Promise<void> {
  const { keys: folder, socket, level, graceMs, isShared } = readOptions();
  const log = newLog("keyholder", level);
  const { credentials, sealing, listening } = parseLine(await firstLine());
  const needs = { random: systemRandom, clock: systemClock, log };
  const opened = await openFolder(needs, folder, sealing === undefined ? undefined : sealBy(needs, sealing));
  const keeping = keepingHandlers({ ...needs, ...opened, graceMs });
  const addresses = await openAddressLimit(needs, folder, addressesPerHour);
  const ledger = await openUseLedger(needs, folder);
  const uses = handlersOfUses(ledger, (database) => opened.witness.knows(database));
  const standing = await openStanding({
    ...needs,
    ...opened,
    folder,
    follows: listening.follows,
    demote: listening.demote,
    credential: credentials.operator,
  });
  const asked = answerer({ ...needs, ...opened, keeping, uses, standing: standing.handlers, addresses });
  const answer: typeof asked = (role, operation, values) => {
    if (standing.isStandby() && !ofAStandby.includes(operation)) {
      throw new Fault("KEYHOLDER_UNAVAILABLE", standbyRefuses);
    }
    return asked(role, operation, values);
  };
  const note: typeof ledger.note = (...noted) => ledger.note(...noted);
  const generation = (): number => opened.keys().generation;
  const door = { log, credentials, isStandby: standing.isStandby, generation, note, answer };
  const server = await serveKeyholder(door, socket);
  // A standby needs the very same keys: none may come up later by itself.
  if (listening.listen !== undefined && !standing.isStandby()) {
    await opened.keysWith("dkim");
    await opened.keysWith("signal");
  }
  const byTls =
    listening.listen === undefined ? undefined : await serveKeyholderByTls(door, listening.listen, listening.files);

  await leaveOperatorCredential(folder, { socketPath: socket, credential: credentials.operator });

  async function stop(why: string): Promise<void> {
    log.info({ why }, "the keyholder stops");
    await byTls?.close();
    await server.close();
    await standing.close();
    await ledger.close();
    await unlink(socket).catch(() => undefined);
    await removeOperatorCredential(folder);
    opened.lock.release();
    process.exit(0);
  }
  /** Whoever started this process is gone, however that happened. */
  async function leave(why: string): Promise<void> {
    if (isShared) {
      await Promise.race([server.unused(), sleep(closingMs)]);
      if (server.isUsed()) process.stdout.write(`${JSON.stringify({ stays: true })}\n`);
      await server.unused();
    }
    return stop(why);
  }
  process.once("SIGTERM", () => void stop("SIGTERM"));
  process.stdin.once("end", () => void leave("standard input ended"));
  process.stdin.once("error", () => void leave("standard input broke"));
  if (process.stdin.readableEnded) return leave("standard input ended");
  log.info({ folder, socket, pid: process.pid }, "the keyholder listens");
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
}

// A terminal sends Ctrl-C and its end to every process at once; requests being finished elsewhere still need keys.
process.on("SIGINT", () => undefined);
process.on("SIGHUP", () => undefined);
// Whoever reads them may be gone.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
process.umask(0o077);

try {
  await run();
} catch (error) {
  // Only a Fault's text, and the system's code of an error, are known to hold nothing secret.
  const code = systemCode(error);
  const unexpected = `unexpected ${error instanceof Error ? error.name : "error"}`;
  const why =
    error instanceof Fault
      ? error.message
      : code === undefined
        ? unexpected
        : `its folder, or a file in it, cannot be used (${code})`;
  const isHeld = error instanceof FolderHeld;
  // A command that finds the folder held tries again, and says so itself.
  if (!isHeld || !process.argv.includes("--shared")) newLog("keyholder", "info").fatal(why);
  process.stdout.write(`${JSON.stringify({ failed: why, ...(isHeld ? { isHeld } : {}) })}\n`, () => process.exit(1));
}
