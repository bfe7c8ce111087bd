import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startTarget } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { type PoolUnderTest, startWorkerPool } from './pool-of.ts';

async function details(pool: PoolUnderTest): Promise<string> {
  const response = await fetch(`${pool.adminUrl}/readyz`);
  return ((await response.json()) as { details: string[] }).details.join('\n');
}

describe('/readyz of several processes', () => {
  it('tells of keys and introspection that the workers cannot have, each once', async () => {
    const issuer = await startTarget((_, response) => response.writeHead(500).end());
    const target = await startTarget();
    const introspection = {
      url: issuer.url,
      clientId: 'gw',
      clientSecret: 'a secret of the gateway, long enough',
    };
    const pool = await startWorkerPool({
      authServices: {
        keys: { jwks: issuer.url, issuer: 'https://id.example.com', audience: 'orders' },
        asked: { introspection, audience: 'orders' },
      },
      upstreams: { service: { targets: [target.url] } },
      routes: [
        { id: 'a', path: '/a', upstream: 'service', policies: [{ jwt: { service: 'keys' } }] },
        { id: 'b', path: '/b', upstream: 'service', policies: [{ introspect: { service: 'asked' } }] },
      ],
    });
    const ask = async (path: string): Promise<number> => {
      // On connections of their own, so that each worker has its turn.
      const headers = { authorization: 'Bearer e30.e30.e30', connection: 'close' };
      return (await fetch(pool.url + path, { headers })).status;
    };
    for (let i = 0; i < 4; i++) await Promise.all([ask('/a'), ask('/b')]);
    await until(async () => {
      const told = await details(pool);
      return told.includes("auth service 'keys'") && told.includes("auth service 'asked' failed");
    });
    const told = (await details(pool)).split('\n');
    expect(new Set(told).size).toBe(told.length);
    expect((await fetch(`${pool.adminUrl}/readyz`)).status).toBe(200);
  });

  it('tells of quotas and API keys whose files another process locks, and all is served meanwhile', async () => {
    const target = await startTarget((_, response) => response.end('hello'));
    const pool = await startWorkerPool({
      dataDir: './data',
      upstreams: { service: { targets: [target.url] } },
      routes: [
        {
          id: 'all',
          path: '/*',
          upstream: 'service',
          policies: [{ quota: { limit: 10_000, period: 'month', key: 'ip' } }],
        },
      ],
    });
    expect((await pool.ask()).status).toBe(200);
    const other = new DatabaseSync(join(pool.gateway.folder, 'data', 'limits.sqlite'));
    onTestFinished(() => other.close());
    other.exec('BEGIN IMMEDIATE');
    await until(async () => {
      expect((await pool.ask()).status).toBe(200);
      return (await details(pool)).includes('quotas cannot be written down (database is locked)');
    });
    other.exec('COMMIT');
    await until(async () => !(await details(pool)).includes('quotas'));
  });
});

describe('a worker', () => {
  it('that is stopped is found out, killed and replaced, and what it does not take is served by another one', async () => {
    const pool = await startWorkerPool({
      routes: [{ id: 'all', path: '/*', respond: { status: 200, body: 'x' } }],
    });
    const stopped = pool.pids().get(1) as number;
    process.kill(stopped, 'SIGSTOP');
    const answers = Array.from({ length: 6 }, () => pool.ask());
    expect(await pool.gateway.line('a worker hangs; it is killed')).toMatchObject({
      worker: 1,
      pid: stopped,
    });
    await pool.gateway.line('worker started', ({ worker, pid }) => worker === 1 && pid !== stopped);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(await pool.metrics()).toMatch(/^gateway_worker_restarts_total\{reason="hung"\} 1$/m);
  });
});
