import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { compressedCopies } from "./build/compressed-copies.ts";
import { hlsTrackFromBlob } from "./build/hls-track-from-blob.ts";
import { mediaChromeWithoutInlineStyle } from "./build/media-chrome-without-inline-style.ts";
import { sizeBudget } from "./build/size-budget.ts";
import { pretendedApi } from "./dev/pretended-api.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("."),
  base: "/",
  plugins: [
    react(),
    mediaChromeWithoutInlineStyle(),
    hlsTrackFromBlob(),
    pretendedApi(),
    sizeBudget(here("./size-budget.json")),
    compressedCopies(),
  ],
  server: { host: "127.0.0.1", port: 5199 },
  preview: { host: "127.0.0.1", port: 5198 },
  build: {
    outDir: here("./dist"),
    emptyOutDir: true,
    manifest: true,
    target: "es2024",
    // The polyfill is an inline script, which the content security policy refuses, and no browser we serve needs it.
    modulePreload: { polyfill: false },
    // data: addresses in style sheets would need their own exception; a small file costs one cached request.
    assetsInlineLimit: 0,
    // The budget says what is too large; a newcomer's first start need not read about hls.js's size or the build's own time.
    chunkSizeWarningLimit: 1_000,
    rolldownOptions: {
      input: { app: here("./index.html"), plain: here("./plain/plain.ts") },
      checks: { pluginTimings: false },
    },
  },
});
