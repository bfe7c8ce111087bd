import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { startsFromBundle } from './test/support/bundled-gateway.ts';

// Many tests start gateways in processes of their own, each of which would compile all of it anew.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/node', import.meta.url));

export default defineConfig({
  plugins: [startsFromBundle],
  test: {
    exclude: ['test/slow/**'],
    globalSetup: 'test/support/bundled-gateway.ts',
    // Files share a process and what it has imported: each by itself would import the gateway anew, which takes longer than its tests.
    isolate: false,
    // So long that only what hangs meets it, on machines that are busy with much else too.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Half of the time they wait for processes that they started.
    maxWorkers: 6,
    // Without it, V8 of Node 24 may end a process with worker threads on machines with protection keys (jit_page.has_value).
    execArgv: ['--no-memory-protection-keys'],
    projects: [
      { extends: true, test: { name: 'all', include: ['test/**/*.test.ts'] } },
      // Once more without what Node has no public name for: the way that `http1/` goes on a Node that lacks it.
      {
        extends: true,
        test: {
          name: 'public sockets',
          include: [
            'test/gateway/client-{bodies,connections,expectations,rejections,upgrades}.test.ts',
            'test/gateway/target-{backpressure,failures,integrity}.test.ts',
          ],
          env: { SALLYPORT_PUBLIC_SOCKETS: '1' },
        },
      },
      // Once more over HTTPS: TLS ends writes later, and reads into buffers of its own.
      {
        extends: true,
        test: {
          name: 'TLS',
          include: ['test/gateway/client-{bodies,expectations}.test.ts'],
          env: { SALLYPORT_TEST_TLS: '1' },
        },
      },
    ],
  },
});
