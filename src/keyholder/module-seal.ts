import { spawn } from "node:child_process";
import { createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { secondMs, sleep } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import { base64 } from "./arguments.ts";
import { isRecord } from "./durable-file.ts";
import { openText, sealText } from "./key-seal.ts";
import type { KeySeal } from "./key-seal.ts";
import { canonical } from "./sealed.ts";

/** Where the master key is: a key of 256 bits in a hardware module (PKCS #11 v2.40), which never leaves it. */
export interface ModuleSettings {
  /** The module's library, a shared object. */
  readonly library: string;
  readonly token: string;
  readonly keyLabel: string;
  readonly pin: Secret;
}

const processPath = fileURLToPath(new URL("./module-process.ts", import.meta.url));
/** Less than a key process may take to start, so that this is the reason that is said. */
const answerWaitMs = 10 * secondMs;

/**
 * Asks the module for one thing, in a process of its own (`module-process.ts`), so that a module that was away is found as soon
 * as it is back, and one that never answers holds up only this call.
 */
async function ask(settings: ModuleSettings, message: Uint8Array | undefined, waitMs: number): Promise<unknown> {
  const child = spawn(process.execPath, [processPath], { stdio: ["pipe", "pipe", "ignore"] });
  const answered = new AbortController();
  let isLate = false;
  void sleep(waitMs, answered.signal).then(() => {
    if (answered.signal.aborted) return;
    isLate = true;
    child.kill("SIGKILL");
  });
  const gone = (why: string): Fault =>
    new Fault("KEYHOLDER_UNAVAILABLE", `the hardware module does not answer (${why}); nothing was changed`);
  try {
    const failed = new Promise<never>((_resolve, reject) => child.once("error", () => reject(gone("no process"))));
    // A process that died has closed its end; what it has not said is missed below.
    child.stdin.on("error", () => undefined);
    const { library, token, keyLabel, pin } = settings;
    const given = { library, token, keyLabel, pin: base64(pin.reveal()) };
    child.stdin.end(JSON.stringify(message === undefined ? given : { ...given, message: base64(message) }));
    const said = parse(await Promise.race([text(child.stdout), failed]));
    if (said === undefined)
      throw gone(isLate ? `not within ${waitMs / secondMs} seconds` : "its library ended the process");
    const { failed: code, why } = said;
    if (code === "CONFIG_INVALID" || code === "KEYHOLDER_UNAVAILABLE") throw new Fault(code, String(why));
    return said["mac"];
  } finally {
    answered.abort();
  }
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const said: unknown = JSON.parse(line);
    return isRecord(said) ? said : undefined;
  } catch {
    return undefined;
  }
}

/** Makes the master key in the module unless it is there. It can be used, and not be read or taken out. */
export async function makeModuleKey(settings: ModuleSettings): Promise<void> {
  await ask(settings, undefined, answerWaitMs);
}

/**
 * A seal by a hardware module. Each writing of the file has a key of its own: HMAC-SHA-256 of a fresh salt under the master
 * key, computed in the module. So the module is needed for every start and every change of keys, and for nothing between.
 */
export function moduleSeal(
  { random, waitMs = answerWaitMs }: { readonly random: Random; readonly waitMs?: number },
  settings: ModuleSettings,
): KeySeal {
  async function derive(salt: Buffer): Promise<KeyObject> {
    const mac = await ask(settings, canonical(["houselights key of a key file 1", salt]), waitMs);
    const bytes = typeof mac === "string" ? Buffer.from(mac, "base64") : Buffer.alloc(0);
    if (bytes.length !== 32) throw new Fault("KEYHOLDER_UNAVAILABLE", "the hardware module's answer is not understood");
    return createSecretKey(bytes);
  }

  return {
    by: "module",
    seal: async (plaintext) => {
      const salt = random.bytes(32);
      const how = { kdf: "pkcs11-hmac-sha256", salt: salt.toString("base64") };
      return sealText({ random }, "module", await derive(salt), how, plaintext);
    },
    open: async (sealed) => {
      const { salt } = sealed.key;
      const saltBytes = typeof salt === "string" ? Buffer.from(salt, "base64") : Buffer.alloc(0);
      if (sealed.by !== "module" || saltBytes.length !== 32) {
        throw new Fault("CONFIG_INVALID", "the file of keys is not sealed by a hardware module");
      }
      const opened = openText(sealed, await derive(saltBytes));
      if (opened === null) {
        throw new Fault("CONFIG_INVALID", "the hardware module's key is not the one that the keys are sealed with");
      }
      return opened;
    },
  };
}
