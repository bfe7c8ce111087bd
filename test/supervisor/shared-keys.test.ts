import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ADMIN_TOKEN } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { type PoolUnderTest, startWorkerPool } from './pool-of.ts';

/** Asks each of the two workers with a key. */
async function askBoth({ gateway }: PoolUnderTest, key: string): Promise<number[]> {
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { 'x-api-key': key };
      request({ host: LOOPBACK, port: gateway.port, agent: false, headers }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      })
        .once('error', reject)
        .end();
    });
  return [await ask(), await ask()];
}

describe('API keys of several workers', () => {
  it('are made and taken away for all of them by the admin API', async () => {
    const pool = await startWorkerPool({
      dataDir: './data',
      routes: [{ id: 'all', path: '/*', policies: ['api-key'], respond: { status: 200 } }],
    });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ owner: 'partner' });
    const created = await fetch(`${pool.adminUrl}/api/keys`, { method: 'POST', headers, body });
    const { id, key } = (await created.json()) as { id: string; key: string };
    expect(await askBoth(pool, key)).toEqual([200, 200]);
    expect((await pool.admin(`/api/keys/${id}`, 'DELETE')).status).toBe(204);
    expect(await askBoth(pool, key)).toEqual([401, 401]);
  });

  it('are let in by no worker that did not hear that they are taken away: it is replaced', async () => {
    const pool = await startWorkerPool({
      dataDir: './data',
      routes: [{ id: 'all', path: '/*', policies: ['api-key'], respond: { status: 200 } }],
    });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ owner: 'partner' });
    const created = await fetch(`${pool.adminUrl}/api/keys`, { method: 'POST', headers, body });
    const { id, key } = (await created.json()) as { id: string; key: string };
    expect(await askBoth(pool, key)).toEqual([200, 200]);
    const deaf = pool.pids().get(1) as number;
    process.kill(deaf, 'SIGSTOP');
    expect((await pool.admin(`/api/keys/${id}`, 'DELETE')).status).toBe(204);
    await pool.gateway.line('worker started', ({ worker, pid }) => worker === 1 && pid !== deaf);
    expect(await askBoth(pool, key)).toEqual([401, 401]);
  });
});
