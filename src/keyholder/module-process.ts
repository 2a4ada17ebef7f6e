/**
 * One thing asked of a hardware module: `node src/keyholder/module-process.ts`. A module's library is somebody else's code that
 * may crash, or wait for a box that is switched off: here it takes nobody with it.
 *
 * Standard input: `{"library":…,"token":…,"keyLabel":…,"pin":…,"message":…}`, pin and message in base64; without a message
 * the master key is made. Standard output: `{"mac":…}`, `{"made":true}`, or `{"failed":code,"why":…}`.
 */
import { text } from "node:stream/consumers";
import type * as Pkcs11 from "pkcs11js";
import { Fault } from "../kernel/fault.ts";
import { isRecord } from "./durable-file.ts";

interface Asked {
  readonly library: string;
  readonly token: string;
  readonly keyLabel: string;
  readonly pin: string;
  readonly message: Buffer | undefined;
}

interface Session {
  readonly pkcs11: Pkcs11.PKCS11;
  readonly constants: typeof Pkcs11;
  readonly session: Buffer;
}

function parseAsked(line: string): Asked {
  const given: unknown = JSON.parse(line);
  const { library, token, keyLabel, pin, message } = isRecord(given) ? given : {};
  if (![library, token, keyLabel, pin].every((each) => typeof each === "string")) {
    throw new Fault("CONFIG_INVALID", "what the hardware module is asked is not understood");
  }
  return {
    library: String(library),
    token: String(token),
    keyLabel: String(keyLabel),
    pin: Buffer.from(String(pin), "base64").toString("utf8"),
    message: typeof message === "string" ? Buffer.from(message, "base64") : undefined,
  };
}

/** `CKR_TOKEN_NOT_PRESENT` and the like; a module's own words stay out of our messages. */
const reasonOf = (thrown: unknown): string =>
  /CKR_[A-Z_]+/.exec(thrown instanceof Error ? thrown.message : "")?.[0] ?? "no answer";

const away = (thrown: unknown): Fault =>
  new Fault("KEYHOLDER_UNAVAILABLE", `the hardware module does not answer (${reasonOf(thrown)}); nothing was changed`, {
    cause: thrown,
  });

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

function findKey({ pkcs11, constants, session }: Session, label: string): Buffer | null {
  pkcs11.C_FindObjectsInit(session, [
    { type: constants.CKA_CLASS, value: constants.CKO_SECRET_KEY },
    { type: constants.CKA_LABEL, value: label },
  ]);
  const found = pkcs11.C_FindObjects(session);
  pkcs11.C_FindObjectsFinal(session);
  return found;
}

function makeKey(open: Session, label: string): void {
  if (findKey(open, label) !== null) return;
  const { pkcs11, constants, session } = open;
  pkcs11.C_GenerateKey(session, { mechanism: constants.CKM_GENERIC_SECRET_KEY_GEN }, [
    { type: constants.CKA_CLASS, value: constants.CKO_SECRET_KEY },
    { type: constants.CKA_KEY_TYPE, value: constants.CKK_GENERIC_SECRET },
    { type: constants.CKA_VALUE_LEN, value: 32 },
    { type: constants.CKA_LABEL, value: label },
    { type: constants.CKA_TOKEN, value: true },
    { type: constants.CKA_PRIVATE, value: true },
    { type: constants.CKA_SENSITIVE, value: true },
    { type: constants.CKA_EXTRACTABLE, value: false },
    { type: constants.CKA_SIGN, value: true },
  ]);
}

function macOf(open: Session, label: string, message: Buffer): Buffer {
  const { pkcs11, constants, session } = open;
  const master = findKey(open, label);
  if (master === null) {
    throw new Fault("CONFIG_INVALID", "the hardware module has not the master key: houselights keys seal makes it");
  }
  pkcs11.C_SignInit(session, { mechanism: constants.CKM_SHA256_HMAC }, master);
  return pkcs11.C_Sign(session, message, Buffer.alloc(32));
}

async function answer({ library, token, keyLabel, pin, message }: Asked): Promise<object> {
  const constants = await load();
  const pkcs11 = new constants.PKCS11();
  try {
    pkcs11.load(library);
    pkcs11.C_Initialize();
    const slot = pkcs11
      .C_GetSlotList(true)
      .find((each) => pkcs11.C_GetTokenInfo(each).label.replace(/[ \0]+$/, "") === token);
    if (slot === undefined) {
      throw new Fault("KEYHOLDER_UNAVAILABLE", "the hardware module has not the token; nothing was changed");
    }
    const session = pkcs11.C_OpenSession(slot, constants.CKF_SERIAL_SESSION | constants.CKF_RW_SESSION);
    pkcs11.C_Login(session, constants.CKU_USER, pin);
    const open = { pkcs11, constants, session };
    if (message !== undefined) return { mac: macOf(open, keyLabel, message).toString("base64") };
    makeKey(open, keyLabel);
    return { made: true };
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (/CKR_PIN_/.test(reasonOf(thrown))) {
      throw new Fault(
        "CONFIG_INVALID",
        `the hardware module refuses the PIN (${reasonOf(thrown)}); nothing was changed`,
        {
          cause: thrown,
        },
      );
    }
    throw away(thrown);
  }
}

let said: object;
try {
  said = await answer(parseAsked(await text(process.stdin)));
} catch (thrown) {
  const fault = thrown instanceof Fault ? thrown : away(thrown);
  said = { failed: fault.code, why: fault.message };
}
// The end of the process closes session and module, of which a library that is away might never come back.
process.stdout.write(JSON.stringify(said), () => process.exit(0));
