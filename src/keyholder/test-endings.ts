import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

/** What a test has begun and has to be ended after it, the last first. Call it at the top of a test file. */
export function endAfterEach(): {
  readonly toEnd: (() => Promise<unknown>)[];
  readonly temporaryFolder: () => Promise<string>;
} {
  const toEnd: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of toEnd.splice(0).toReversed()) await end();
  });
  return {
    toEnd,
    temporaryFolder: async () => {
      const folder = await mkdtemp(join(tmpdir(), "houselights-keyholder-"));
      toEnd.push(() => rm(folder, { recursive: true, force: true }));
      return folder;
    },
  };
}
