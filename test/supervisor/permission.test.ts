import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GatewayProcess } from '../support/gateway-process.ts';
import type { TestConfig } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { policyCode } from './code.ts';
import { queryOnce } from './pool-of.ts';

/** As the guide says: docs/guide/operations.md. */
const FLAGS = ['--permission', '--allow-fs-read=*', '--allow-child-process', '--allow-worker'];

const flagsFor = (folder: string): string[] => [...FLAGS, `--allow-fs-write=${join(folder, 'data')}`];

const CODE = policyCode(`return {
  onRequest({ path }) {
    if (path === '/write') writeFileSync(beside('./stolen'), 'x');
    return undefined;
  },
};`);

function config(workers: number, text: string): TestConfig {
  return {
    workers,
    dataDir: './data',
    drain: { delay: '0s', timeout: '5s' },
    customPolicies: { 'test/code': './code.mjs' },
    policies: [{ quota: { limit: 1000, period: 'month', key: 'ip' } }, { 'test/code': {} }],
    routes: [{ id: 'all', path: '/*', respond: { status: 200, body: text } }],
  };
}

describe("with Node's permission model", () => {
  it.each([1, 2])(
    'all works with the flags of the guide, and code can write nowhere else (%i processes)',
    async (workers) => {
      const files = { 'code.mjs': CODE };
      const gateway = await GatewayProcess.start(config(workers, 'old'), files, { nodeFlags: flagsFor });
      expect(await queryOnce(gateway, '/')).toEqual({ status: 200, text: 'old' });
      expect((await queryOnce(gateway, '/write')).status).toBe(500);
      await gateway.rewrite(config(workers, 'new'));
      gateway.signal('SIGHUP');
      await until(async () => (await queryOnce(gateway, '/')).text === 'new');
      gateway.signal('SIGTERM');
      expect(await gateway.exit()).toBe(0);
      expect(gateway.lines.filter(({ msg }) => String(msg).includes('quotas cannot'))).toEqual([]);
    },
  );

  it('without child processes it serves on, and says why it cannot reload', async () => {
    const nodeFlags = (folder: string): string[] =>
      flagsFor(folder).filter((flag) => flag !== '--allow-child-process');
    const gateway = await GatewayProcess.start(config(1, 'old'), { 'code.mjs': CODE }, { nodeFlags });
    await writeFile(join(gateway.folder, 'code.mjs'), CODE);
    await gateway.rewrite(config(1, 'new'));
    gateway.signal('SIGHUP');
    await until(() => gateway.lines.some(({ level }) => Number(level) >= 40));
    const told = gateway.lines.filter(({ level }) => Number(level) >= 40);
    expect(JSON.stringify(told)).toContain('--allow-child-process');
    expect(await queryOnce(gateway, '/')).toEqual({ status: 200, text: 'old' });
  });
});
