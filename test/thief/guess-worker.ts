import { parentPort } from "node:worker_threads";
import { tryWords, type Salt } from "./guess-salts.ts";

interface Task {
  readonly salts: readonly Salt[];
  readonly targets: ReadonlyMap<string, string>;
}

/** What the thread says: that it is so many salts further, and in the end what it has. */
export type Told =
  | { readonly kind: "salts"; readonly done: number }
  | { readonly kind: "all"; readonly tried: ReturnType<typeof tryWords> };

const tell = (told: Told): void => parentPort?.postMessage(told);

parentPort?.on("message", ({ salts, targets }: Task) => {
  const tried = tryWords(salts, targets, (done) => tell({ kind: "salts", done }));
  tell({ kind: "all", tried });
});
