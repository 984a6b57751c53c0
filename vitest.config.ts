import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/setup.ts'],
    pool: 'forks',
    // From the start of each process: see protocol/wasm-wrappers.ts.
    execArgv: ['--wasm-wrapper-tiering-budget=2147483647'],
    // Two at a time on two cores: the tests of crashes and faults wait more than they compute.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 180_000,
    hookTimeout: 180_000,
    reporters: ['default', './scripts/count-reporter.ts'],
  },
});
