import { stat } from "node:fs/promises";
import { after, secondMs } from "../kernel/clock.ts";
import { fingerprintOf } from "../library/walk.ts";

/** What lies at a path now. */
export interface FileLooks {
  /** The file's fingerprint; `undefined` when nothing is there or the disk gives no answer in time. */
  fingerprint(path: string): Promise<string | undefined>;
}

export interface FileLooksOptions {
  /** Looks at the disk under way; a disk that hangs takes so many of the process's file threads (4) and no more. */
  readonly atOnce?: number;
  readonly patienceMs?: number;
  readonly look?: (path: string) => Promise<string>;
}

interface Gathered {
  readonly answer: Promise<string | undefined>;
  readonly settle: (fingerprint: string | undefined) => void;
}

/**
 * Looks at files. Questions about one path that arrive before its look begins share it; one that began earlier answers
 * nobody who came later, so a change that has happened is seen.
 */
export function startFileLooks(options: FileLooksOptions = {}): FileLooks {
  const { atOnce = 2, patienceMs = 2 * secondMs, look = lookAt } = options;
  const gathered = new Map<string, Gathered>();
  let running = 0;

  const pump = (): void => {
    for (const [path, { settle }] of gathered) {
      if (running >= atOnce) return;
      gathered.delete(path);
      running++;
      void look(path)
        .then(settle, () => settle(undefined))
        .finally(() => {
          running--;
          pump();
        });
    }
  };

  return {
    fingerprint: (path) => {
      const known = gathered.get(path);
      if (known !== undefined) return known.answer;
      const { promise, resolve } = Promise.withResolvers<string | undefined>();
      const settle = (fingerprint: string | undefined): void => {
        callOff();
        resolve(fingerprint);
      };
      const callOff = after(patienceMs, () => {
        if (gathered.get(path)?.settle === settle) gathered.delete(path);
        resolve(undefined);
      });
      gathered.set(path, { answer: promise, settle });
      if (gathered.size === 1) setImmediate(pump);
      return promise;
    },
  };
}

const lookAt = async (path: string): Promise<string> => fingerprintOf(await stat(path, { bigint: true }));
