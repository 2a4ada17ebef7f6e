import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const libraries = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

const apt = (...words: string[]): void => {
  const options = ["-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30", "-o", "Dpkg::Use-Pty=0"];
  execFileSync("apt-get", [...options, ...words], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: "ignore",
    timeout: 120_000,
  });
};

/** Installs SoftHSM where this is root on a machine with apt-get, and says so. @returns its library, or why there is none. */
function findLibrary(): { readonly library: string } | { readonly missing: string } {
  const find = (): string | undefined => libraries.find((path) => existsSync(path));
  if (find() === undefined && process.getuid?.() === 0) {
    console.warn("installing softhsm2 (once)");
    const install = (): void => apt("install", "-y", "--no-install-recommends", "softhsm2");
    try {
      try {
        install();
      } catch {
        apt("update");
        install();
      }
    } catch {
      return { missing: "SoftHSM is not installed, and apt-get could not install it" };
    }
  }
  const library = find();
  return library === undefined
    ? { missing: "SoftHSM is not installed: as root, apt-get install softhsm2" }
    : { library };
}

/** A hardware module of software, with one token; what it keeps lies in `tokens`, and without that folder it is away. */
export interface SoftHsm {
  readonly library: string;
  readonly token: string;
  readonly pin: string;
  readonly tokens: string;
  /** What a process needs in its environment to find this module. */
  readonly env: { readonly SOFTHSM2_CONF: string };
}

/** In a process of its own: the module finds its folder by the environment. */
const takeKey = `
  const { default: constants } = await import("pkcs11js");
  const [library, pin] = process.argv.slice(1);
  const module = new constants.PKCS11();
  module.load(library);
  module.C_Initialize();
  const session = module.C_OpenSession(module.C_GetSlotList(true)[0], constants.CKF_SERIAL_SESSION);
  module.C_Login(session, constants.CKU_USER, pin);
  module.C_FindObjectsInit(session, [{ type: constants.CKA_CLASS, value: constants.CKO_SECRET_KEY }]);
  const key = module.C_FindObjects(session);
  try {
    process.stdout.write(key === null ? "none" : module.C_GetAttributeValue(session, key, [{ type: constants.CKA_VALUE }])[0].value.toString("hex"));
  } catch (thrown) {
    process.stdout.write(/CKR_\\w+/.exec(thrown.message)[0]);
  }`;

/** Asks the module for the value of the secret key in it, as somebody who has the PIN. @returns it, or the module's refusal. */
export const takeKeyFrom = ({ library, pin, env }: SoftHsm): string =>
  execFileSync(process.execPath, ["--input-type=module", "-e", takeKey, library, pin], {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });

/** @returns why there is none, where it cannot be had. */
export async function softHsm(folder: string): Promise<SoftHsm | string> {
  try {
    await import("pkcs11js");
  } catch {
    return "the package pkcs11js is not built here: it needs a C++ compiler, make, Python and Node's headers";
  }
  const found = findLibrary();
  if ("missing" in found) return found.missing;
  const tokens = join(folder, "tokens");
  await mkdir(tokens);
  const conf = join(folder, "softhsm2.conf");
  await writeFile(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const env = { SOFTHSM2_CONF: conf };
  const [token, pin] = ["houselights", "2468"];
  const words = ["--init-token", "--free", "--label", token, "--pin", pin, "--so-pin", "135790"];
  execFileSync("softhsm2-util", words, { env: { ...process.env, ...env }, stdio: "ignore" });
  return { library: found.library, token, pin, tokens, env };
}
