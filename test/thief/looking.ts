import { Worker } from "node:worker_threads";
import type { NeedleTable } from "./needles.ts";
import { searchPiece, type Piece } from "./raw-piece.ts";
import { searchOver, type Search } from "./search.ts";

/** Looks for what is sought, in this thread or in others. */
export interface Looking {
  /** What of it stands in these bytes: in any encoding, or as it is. */
  look(bytes: Buffer, isPlain: boolean): Promise<readonly string[]>;
  lookIn(piece: Piece): Promise<{ readonly found: readonly string[]; readonly bytes: number }>;
}

/** `plain`: what is looked for in files, if it is not the same. */
export const lookHere = (search: Search, plain: Search = search): Looking => ({
  look: (bytes, isPlain) => Promise.resolve([...(isPlain ? search.findPlain(bytes) : search.findIn(bytes))]),
  lookIn: (piece) => Promise.resolve(searchPiece(plain, piece)),
});

export interface Tables {
  readonly all: NeedleTable;
  readonly plain: NeedleTable;
}

export type Order =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly isPlain: boolean }
  | { readonly kind: "piece"; readonly piece: Piece };
export interface Looked {
  readonly found: readonly string[];
  readonly bytes: number;
}

/** Each thread has its next order before it is done with the one before. */
const ordersEach = 2;

/** So many threads that look, over the same memory. Whoever opens them closes them. */
export function lookInThreads(
  { all, plain }: Tables,
  threads: number,
): Looking & { readonly close: () => Promise<void> } {
  interface Waiting {
    readonly order: Order;
    readonly resolve: (looked: Looked) => void;
    readonly reject: (reason: unknown) => void;
  }
  if (threads === 0) return { ...lookHere(searchOver(all), searchOver(plain)), close: () => Promise.resolve() };
  const queue: Waiting[] = [];
  let failure: unknown;
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL("look-worker.ts", import.meta.url), { workerData: { all, plain } });
    // Answers come in the order of the orders.
    const under: Waiting[] = [];
    worker.on("message", (looked: Looked) => {
      under.shift()?.resolve(looked);
      feed();
    });
    worker.on("error", (thrown) => {
      failure = thrown;
      for (const { reject } of [...workers.flatMap((one) => one.under.splice(0)), ...queue.splice(0)]) reject(thrown);
    });
    return { worker, under };
  });
  const feed = (): void => {
    for (const { worker, under } of workers.toSorted((one, other) => one.under.length - other.under.length)) {
      if (under.length >= ordersEach) continue;
      const next = queue.shift();
      if (next === undefined) return;
      under.push(next);
      worker.postMessage(next.order);
    }
  };
  const order = (asked: Order): Promise<Looked> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure);
      queue.push({ order: asked, resolve, reject });
      feed();
    });
  return {
    look: async (bytes, isPlain) => (await order({ kind: "bytes", bytes, isPlain })).found,
    lookIn: (piece) => order({ kind: "piece", piece }),
    close: async () => {
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
    },
  };
}
