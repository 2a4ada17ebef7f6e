import type { Random } from "../kernel/random.ts";
import { Fault } from "../kernel/fault.ts";
import { Secret } from "../kernel/secret.ts";
import { base64 } from "./arguments.ts";
import { isRecord } from "./durable-file.ts";
import { passphraseSeal } from "./key-seal.ts";
import type { KeySeal } from "./key-seal.ts";
import { moduleSeal } from "./module-seal.ts";
import type { ModuleSettings } from "./module-seal.ts";

/** What opens the file of keys, as the key process is told it: over standard input, never by argument or environment. */
export type Sealing =
  | { readonly by: "passphrase"; readonly passphrase: Secret }
  | {
      readonly by: "module";
      readonly module: ModuleSettings;
      /** What the module's library reads of the key process's environment, which has next to nothing otherwise. */
      readonly environment?: Readonly<Record<string, string>>;
    };

const secretOf = (text: string): Secret => new Secret(Buffer.from(text, "base64"));

/** For the line on standard input. */
export const encodeSealing = (sealing: Sealing): object =>
  sealing.by === "passphrase"
    ? { by: "passphrase", passphrase: base64(sealing.passphrase.reveal()) }
    : { ...sealing.module, by: "module", pin: base64(sealing.module.pin.reveal()) };

/** Reads what `encodeSealing` wrote; `undefined` where there is none. Throws CONFIG_INVALID for anything else. */
export function parseSealing(value: unknown): Sealing | undefined {
  if (value === undefined || value === null) return undefined;
  const given = isRecord(value) ? value : {};
  const { by, passphrase, library, token, keyLabel, pin } = given;
  if (by === "passphrase" && typeof passphrase === "string") return { by, passphrase: secretOf(passphrase) };
  const isModule = [library, token, keyLabel, pin].every((each) => typeof each === "string");
  if (by === "module" && isModule) {
    const module = {
      library: String(library),
      token: String(token),
      keyLabel: String(keyLabel),
      pin: secretOf(String(pin)),
    };
    return { by, module };
  }
  throw new Fault("CONFIG_INVALID", "what the keys are sealed with is not understood");
}

export const sealBy = (needs: { readonly random: Random }, sealing: Sealing): KeySeal =>
  sealing.by === "passphrase" ? passphraseSeal(needs, sealing.passphrase) : moduleSeal(needs, sealing.module);
