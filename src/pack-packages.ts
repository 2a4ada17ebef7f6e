/**
 * Packs what `packed-packages.ts` names: `node src/pack-packages.ts [FOLDER]`. The launcher does it once for what is
 * installed; without it everything works, and starts slower.
 */
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { packageFile, packagesToPack, packList, packName, packsFolder } from "./packed-packages.ts";

/** Everything that can be imported of them, by a name for its file: what they share must not be there twice. */
const inputs = new Map(
  packagesToPack.flatMap((name) =>
    Object.keys(packageFile(name).exports).map((path) => {
      const specifier = `${name}${path.slice(1)}`;
      return [specifier.replaceAll("/", "-"), specifier] as const;
    }),
  ),
);

const packs = process.argv[2] ?? packsFolder;
const fresh = join(packs, `.new-${process.pid}`);
await mkdir(fresh, { recursive: true });
try {
  await build({
    root: fileURLToPath(new URL("..", import.meta.url)),
    configFile: false,
    publicDir: false,
    logLevel: "error",
    ssr: { noExternal: true, target: "node" },
    build: {
      ssr: true,
      target: "node26",
      minify: false,
      outDir: fresh,
      emptyOutDir: false,
      rolldownOptions: {
        input: Object.fromEntries(inputs),
        preserveEntrySignatures: "strict",
        output: { format: "esm", entryFileNames: "[name].js", chunkFileNames: "shared-[name].js" },
      },
    },
  });
  await writeFile(join(fresh, "package.json"), JSON.stringify({ type: "module" }));
  const files = Object.fromEntries([...inputs].map(([file, specifier]) => [specifier, `${file}.js`]));
  await writeFile(join(fresh, packList), JSON.stringify(files));
  const name = packName();
  // One that another process has put there meanwhile is as good.
  await rename(fresh, join(packs, name)).catch(() => undefined);
  const others = (await readdir(packs)).filter((each) => each !== name && !each.startsWith(".new-"));
  for (const other of others) await rm(join(packs, other), { recursive: true, force: true });
} finally {
  await rm(fresh, { recursive: true, force: true });
}
