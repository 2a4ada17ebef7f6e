import { defineConfig } from "vitest/config";

const alone = "test/breach-day*.test.ts";

export default defineConfig({
  test: {
    environment: "node",
    globals: false,
    globalSetup: ["test/global-setup.ts"],
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 60_000,
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
