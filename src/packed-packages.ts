import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Those of which hundreds of small files are loaded: looking for these was most of what starting a program cost. */
export const packagesToPack = ["typebox", "kysely"] as const;

const modules = new URL("../node_modules/", import.meta.url);
/** Beside the packages, as what Node compiles: who may write here can change the packages themselves. */
export const packsFolder = fileURLToPath(new URL(".cache/houselights-packages/", modules));
/** To be raised when packs are made in another way. */
const way = 1;

export interface PackageFile {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

/** What an installed package says of itself. */
export const packageFile = (name: string): PackageFile =>
  JSON.parse(readFileSync(new URL(`${name}/package.json`, modules), "utf8")) as PackageFile;

/** The name of the folder of packs that were made of the packages as they are installed. */
export const packName = (): string =>
  [`${way}`, ...packagesToPack.map((name) => `${name}-${packageFile(name).version}`)].join("_");

/** Within a pack's folder: from what is imported (`typebox/value`) to the file that has it. */
export const packList = "files.json";

/**
 * From here on this process reads these packages from packs: few files where the packages have hundreds. Where there is no
 * pack of what is installed, it reads the packages. To be called before anything imports them.
 */
export function readPackedPackages(packs: string = packsFolder): void {
  let folder: string;
  let files: Readonly<Record<string, string>>;
  try {
    folder = join(packs, packName());
    files = JSON.parse(readFileSync(join(folder, packList), "utf8")) as Record<string, string>;
  } catch {
    return;
  }
  const urls = new Map(
    Object.entries(files).map(([specifier, file]) => [specifier, pathToFileURL(join(folder, file)).href]),
  );
  registerHooks({
    resolve: (specifier, context, next) => {
      const url = urls.get(specifier);
      return url === undefined ? next(specifier, context) : { url, format: "module", shortCircuit: true };
    },
  });
}
