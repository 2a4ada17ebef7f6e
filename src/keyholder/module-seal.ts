import { createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type * as Pkcs11 from "pkcs11js";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
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

interface Session {
  readonly pkcs11: Pkcs11.PKCS11;
  readonly constants: typeof Pkcs11;
  readonly session: Buffer;
}

/** `CKR_TOKEN_NOT_PRESENT` and the like; a module's own words stay out of our messages. */
const reasonOf = (thrown: unknown): string =>
  /CKR_[A-Z_]+/.exec(thrown instanceof Error ? thrown.message : "")?.[0] ?? "no answer";

async function load(): Promise<typeof Pkcs11> {
  try {
    const loaded: { readonly default: typeof Pkcs11 } = await import("pkcs11js");
    return loaded.default;
  } catch (error) {
    // It is built on the machine where it is installed, and not everybody has what that needs.
    throw new Fault("CONFIG_INVALID", "the package pkcs11js is not installed or not built: npm install pkcs11js", {
      cause: error,
    });
  }
}

/** Opens the module for one thing and closes it again: one that was away is found as soon as it is back. */
async function within<Result>(settings: ModuleSettings, work: (open: Session) => Result): Promise<Result> {
  const constants = await load();
  const pkcs11 = new constants.PKCS11();
  const away = (thrown: unknown): Fault =>
    new Fault(
      "KEYHOLDER_UNAVAILABLE",
      `the hardware module does not answer (${reasonOf(thrown)}); nothing was changed`,
      {
        cause: thrown,
      },
    );
  try {
    pkcs11.load(settings.library);
    pkcs11.C_Initialize();
  } catch (thrown) {
    throw away(thrown);
  }
  try {
    const slot = pkcs11
      .C_GetSlotList(true)
      .find((each) => pkcs11.C_GetTokenInfo(each).label.replace(/[ \0]+$/, "") === settings.token);
    if (slot === undefined) {
      throw new Fault("KEYHOLDER_UNAVAILABLE", "the hardware module has not the token; nothing was changed");
    }
    const session = pkcs11.C_OpenSession(slot, constants.CKF_SERIAL_SESSION | constants.CKF_RW_SESSION);
    pkcs11.C_Login(session, constants.CKU_USER, settings.pin.revealText());
    return work({ pkcs11, constants, session });
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (/CKR_PIN_/.test(reasonOf(thrown))) {
      throw new Fault("CONFIG_INVALID", `the hardware module refuses the PIN (${reasonOf(thrown)})`, { cause: thrown });
    }
    throw away(thrown);
  } finally {
    try {
      pkcs11.C_Finalize();
      pkcs11.close();
    } catch {
      // A module that is away cannot be closed either.
    }
  }
}

function findKey({ pkcs11, constants, session }: Session, label: string): Buffer | null {
  pkcs11.C_FindObjectsInit(session, [
    { type: constants.CKA_CLASS, value: constants.CKO_SECRET_KEY },
    { type: constants.CKA_LABEL, value: label },
  ]);
  const found = pkcs11.C_FindObjects(session);
  pkcs11.C_FindObjectsFinal(session);
  return found;
}

/** Makes the master key in the module unless it is there. It can be used, and not be read or taken out. */
export const makeModuleKey = (settings: ModuleSettings): Promise<void> =>
  within(settings, (open) => {
    if (findKey(open, settings.keyLabel) !== null) return;
    const { pkcs11, constants, session } = open;
    pkcs11.C_GenerateKey(session, { mechanism: constants.CKM_GENERIC_SECRET_KEY_GEN }, [
      { type: constants.CKA_CLASS, value: constants.CKO_SECRET_KEY },
      { type: constants.CKA_KEY_TYPE, value: constants.CKK_GENERIC_SECRET },
      { type: constants.CKA_VALUE_LEN, value: 32 },
      { type: constants.CKA_LABEL, value: settings.keyLabel },
      { type: constants.CKA_TOKEN, value: true },
      { type: constants.CKA_PRIVATE, value: true },
      { type: constants.CKA_SENSITIVE, value: true },
      { type: constants.CKA_EXTRACTABLE, value: false },
      { type: constants.CKA_SIGN, value: true },
    ]);
  });

/**
 * A seal by a hardware module. Each writing of the file has a key of its own: HMAC-SHA-256 of a fresh salt under the master
 * key, computed in the module. So the module is needed for every start and every change of keys, and for nothing between.
 */
export function moduleSeal({ random }: { readonly random: Random }, settings: ModuleSettings): KeySeal {
  const derive = (salt: Buffer): Promise<KeyObject> =>
    within(settings, (open) => {
      const { pkcs11, constants, session } = open;
      const master = findKey(open, settings.keyLabel);
      if (master === null) {
        throw new Fault("CONFIG_INVALID", "the hardware module has not the master key: houselights keys seal makes it");
      }
      pkcs11.C_SignInit(session, { mechanism: constants.CKM_SHA256_HMAC }, master);
      return createSecretKey(
        pkcs11.C_Sign(session, canonical(["houselights key of a key file 1", salt]), Buffer.alloc(32)),
      );
    });

  return {
    by: "module",
    seal: async (plaintext) => {
      const salt = random.bytes(32);
      const how = { kdf: "pkcs11-hmac-sha256", salt: salt.toString("base64") };
      return sealText({ random }, "module", await derive(salt), how, plaintext);
    },
    open: async (text) => {
      const { salt } = text.key;
      const saltBytes = typeof salt === "string" ? Buffer.from(salt, "base64") : Buffer.alloc(0);
      if (text.by !== "module" || saltBytes.length !== 32) {
        throw new Fault("CONFIG_INVALID", "the file of keys is not sealed by a hardware module");
      }
      const opened = openText(text, await derive(saltBytes));
      if (opened === null) {
        throw new Fault("CONFIG_INVALID", "the hardware module's key is not the one that the keys are sealed with");
      }
      return opened;
    },
  };
}
