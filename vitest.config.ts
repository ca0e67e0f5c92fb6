import { defineConfig } from "vitest/config";

const containerTests = ["test/deploy/container.test.ts"];

/**
 * Five projects: `unit` (beside the sources, and the tidy test) runs first and fails fast; `blackbox` starts
 * real processes, so each of its files is a process of its own and a test may take a minute. `npm test` runs
 * these two; `deploy` and `containers`, whole deployments through real proxies, are `npm run test:deploy`,
 * and `k8s`, in a cluster, is `npm run test:k8s`.
 */
export default defineConfig({
  test: {
    // Two at a time: the suite has to fit two cores, and the black-box tests bring server processes along.
    maxWorkers: 2,
    reporters: ["default"],
    setupFiles: ["./test/property-seed.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [
            "src/**/*.test.ts",
            "bench/**/*.test.ts",
            "loadtest/**/*.test.ts",
            "test/tidy/**/*.test.ts",
          ],
          pool: "forks",
          testTimeout: 20_000,
          hookTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "blackbox",
          include: ["test/**/*.test.ts"],
          exclude: ["test/tidy/**", "test/deploy/**", "test/k8s/**"],
          pool: "forks",
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "deploy",
          include: ["test/deploy/**/*.test.ts"],
          exclude: containerTests,
          pool: "forks",
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // By itself: all containers together weigh as much as one thread beside them, and would starve.
        extends: true,
        test: {
          name: "containers",
          include: containerTests,
          pool: "forks",
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          name: "k8s",
          include: ["test/k8s/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
