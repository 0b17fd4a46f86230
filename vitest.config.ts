import { availableParallelism } from "node:os";
import { defineConfig, type ViteUserConfig } from "vitest/config";

// What finds planted bugs by many duels takes a minute; `npm run test:sim` has them.
const onlyInSimulations =
  process.env["MORAINE_SIM_RUNS"] === undefined
    ? ["engine", "feeds", "maintenance", "points", "range-deletes"].map(
        (name) => `test/simulation/planted-${name}.test.ts`,
      )
    : [];

const config: ViteUserConfig = defineConfig({
  test: {
    // By default one less than there are cores. Some tests wait for processes and timers: with one more than there are, two cores are busy.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/s3/**", ...onlyInSimulations],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "s3",
          include: ["test/s3/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});

export default config;
