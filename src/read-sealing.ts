import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import type { Config } from "./config/config.ts";
import { Fault } from "./kernel/fault.ts";
import { Secret } from "./kernel/secret.ts";
import { passphraseLength } from "./keyholder/key-seal.ts";
import { keysPath, readKeysText, sealOf } from "./keyholder/keys.ts";
import type { Sealing } from "./keyholder/sealing.ts";

/** The first line of a file of ours. Throws CONFIG_INVALID that names the setting, and nothing of what is in the file. */
async function firstLineOf(setting: string, path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => {
    throw new Fault("CONFIG_INVALID", `${setting}: the file cannot be read`);
  });
  return text.split(/\r?\n/, 1)[0] ?? "";
}

function checked(passphrase: string, where: string): Secret {
  const { least, most } = passphraseLength;
  if (passphrase.length < least || passphrase.length > most) {
    throw new Fault("CONFIG_INVALID", `${where}: the passphrase must have ${least} to ${most} characters`);
  }
  return Secret.fromText(passphrase);
}

/**
 * Asks on the terminal, and shows nothing of what is typed. Throws CONFIG_INVALID where nobody answers: by Ctrl-C, Ctrl-D, or when
 * `signal` aborts.
 */
export async function askPassphrase(question: string, signal?: AbortSignal): Promise<Secret> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  // A terminal that is gone cannot be set back.
  lines.on("error", () => undefined);
  // Only the question: readline writes every key that is pressed.
  let isAsked = false;
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = (chunk: string | Uint8Array): boolean => (isAsked ? true : write(chunk));
  try {
    const answer = lines.question(question, { signal });
    isAsked = true;
    return checked(await answer.catch(notTyped), "the terminal");
  } finally {
    process.stderr.write = write;
    write("\n");
    lines.close();
  }
}

function notTyped(): never {
  throw new Fault("CONFIG_INVALID", "no passphrase was typed");
}

/** A new one is typed twice: one that nobody can type again would be the end of everything. */
export async function askNewPassphrase(): Promise<Sealing> {
  const passphrase = await askPassphrase("new passphrase for the keys: ");
  const again = await askPassphrase("once more: ");
  if (!passphrase.matches(again.digest())) throw new Fault("CONFIG_INVALID", "the two are not the same");
  return { by: "passphrase", passphrase };
}

export async function readPassphrase(setting: string, file: string): Promise<Sealing> {
  return { by: "passphrase", passphrase: checked(await firstLineOf(setting, file), setting) };
}

/**
 * What the keys in a folder are opened with, as the settings say: a passphrase from a file, a hardware module with its PIN from a
 * file, or, for keys that are sealed by a passphrase nobody set, the terminal, until `signal` aborts. `undefined` for keys in clear.
 */
export async function readSealing(
  config: Pick<Config, "keysSeal">,
  keysDir: string,
  signal?: AbortSignal,
): Promise<Sealing | undefined> {
  const { keysSeal } = config;
  if (keysSeal?.by === "module") {
    const { library, token, keyLabel, pinFile, environment } = keysSeal;
    const pin = Secret.fromText(await firstLineOf("KEYS_MODULE_PIN_FILE", pinFile));
    return { by: "module", module: { library, token, keyLabel, pin }, environment };
  }
  if (keysSeal?.by === "passphrase") {
    return readPassphrase("KEYS_PASSPHRASE_FILE", keysSeal.passphraseFile);
  }
  const text = await readKeysText(keysDir);
  const isSealed = text !== undefined && sealOf(text, keysPath(keysDir)) === "passphrase";
  if (!isSealed || !process.stdin.isTTY) return undefined;
  return { by: "passphrase", passphrase: await askPassphrase("passphrase of the keys: ", signal) };
}
