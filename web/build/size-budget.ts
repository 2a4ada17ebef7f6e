import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

interface ManifestEntry {
  readonly file: string;
  readonly css?: readonly string[];
  readonly imports?: readonly string[];
}

/**
 * Fails the build when the script and style that an entry needs before it shows anything (its own files and its static
 * imports, gzip) weigh more than `size-budget.json` allows. Sizes are in bytes. Entries with a plus between are weighed
 * together: the application and the words of one language.
 */
export function sizeBudget(budgetFile: string): Plugin {
  return {
    name: "size-budget",
    apply: "build",
    writeBundle(options) {
      const folder = options.dir ?? "";
      const budget: Record<string, number> = JSON.parse(readFileSync(budgetFile, "utf8"));
      const manifest: Record<string, ManifestEntry> = JSON.parse(
        readFileSync(join(folder, ".vite/manifest.json"), "utf8"),
      );
      const tooLarge: string[] = [];
      for (const [entry, limitBytes] of Object.entries(budget)) {
        const files = new Set<string>();
        for (const one of entry.split(" + ")) {
          if (manifest[one] === undefined) this.error(`size-budget.json names ${one}, which is not built`);
          filesOf(manifest, one, files);
        }
        let bytes = 0;
        for (const file of files) bytes += gzipSync(readFileSync(join(folder, file))).length;
        this.info(`${entry}: ${bytes} of ${limitBytes} bytes compressed`);
        if (files.size === 0 || bytes > limitBytes) tooLarge.push(`${entry}: ${bytes} bytes, allowed ${limitBytes}`);
      }
      if (tooLarge.length > 0) this.error(`over the size budget\n${tooLarge.join("\n")}`);
    },
  };
}

function filesOf(manifest: Record<string, ManifestEntry>, name: string, found: Set<string>): Set<string> {
  const entry = manifest[name];
  if (entry === undefined || found.has(entry.file)) return found;
  found.add(entry.file);
  for (const style of entry.css ?? []) found.add(style);
  for (const imported of entry.imports ?? []) filesOf(manifest, imported, found);
  return found;
}
