import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const alone = "test/breach-day*.test.ts";

/**
 * The files that take longest, the longest first; else a run ends with one of them alone. By size, which Vitest goes by where
 * no run was before, some would come last.
 */
const longest = [
  "test/promise-10-key-use",
  "test/runbook",
  "test/promise-14-drill",
  "test/web-pages-browser",
  "test/web-acts-browser",
  "test/sealed-keys",
  "test/promise-4-worthless-copy",
  "test/plain-pages-browser",
  "src/streaming/engine",
  "test/passkeys-browser",
  "test/playback-browser",
  "test/real-process",
  "src/streaming/transcode",
  "test/readme",
  "src/timeline/files",
].map((file) => `/${file}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rest = await super.sort(files);
    const first = longest.flatMap((end) => rest.filter(({ moduleId }) => moduleId.endsWith(end)));
    return [...first, ...rest.filter((file) => !first.includes(file))];
  }
}

export default defineConfig({
  test: {
    environment: "node",
    globals: false,
    globalSetup: ["test/global-setup.ts"],
    // One more than the two processors that are counted on: several files wait for a service most of their time.
    maxWorkers: 3,
    // A file costs what it tests: a worker loads the service once, not for each file, and as the service itself does, with
    // what Node made of the sources before. Nothing of ours lives in a module, so that files have nothing to share.
    isolate: false,
    experimental: { viteModuleRunner: false, nodeLoader: false },
    sequence: { sequencer: LongestFirst },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 60_000,
    // What a busy machine takes; a second, as it is by default, says more of the machine than of the code.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "tests",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [alone],
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Browsers, televisions and the whole service at once: it has the machine to itself, after everything else.
        extends: true,
        test: {
          name: "breach day",
          include: [alone],
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
