import { defineConfig } from 'vitest/config';

/** What takes too long for every change: `npm run test:slow`. */
export default defineConfig({
  test: {
    include: ['test/slow/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    execArgv: ['--no-memory-protection-keys'],
  },
});
