import { Agent, get } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { LOOPBACK } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';
import { readValue, startWorkerPool } from './pool-of.ts';

/** Asks 24 times, one after the other. */
async function askAgain(port: number, agent: Agent): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < 24; i++) {
    const status = await new Promise<number>((resolve, reject) => {
      get({ port, host: LOOPBACK, agent }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      }).once('error', reject);
    });
    statuses.push(status);
  }
  return statuses;
}

it('a limit in Redis lets exactly 1,000 of 50 clients through two gateways of two workers each', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.close());
  const config = {
    redis: { url: redis.url, commandTimeout: '5s' },
    routes: [{ id: 'all', path: '/*', respond: { status: 200, body: 'x' } }],
    policies: [{ 'rate-limit': { limit: 1000, window: '30d' } }],
  };
  const crews = [await startWorkerPool(config), await startWorkerPool(config)];
  const agent = new Agent({ keepAlive: true, maxSockets: 25 });
  onTestFinished(() => agent.destroy());
  const clients = Array.from({ length: 50 }, (_, i) => askAgain(crews[i % 2]?.gateway.port as number, agent));
  const statuses = (await Promise.all(clients)).flat();
  expect(statuses.filter((status) => status === 200)).toHaveLength(1000);
  expect(statuses.filter((status) => status === 429)).toHaveLength(200);
  for (const { metrics } of crews) {
    const text = await metrics();
    expect(readValue(text, 'gateway_workers')).toBe(2);
    expect(readValue(text, 'gateway_redis_available')).toBe(1);
    expect(text).not.toMatch(/^gateway_limits_without_store_total\{[^}]*\} [1-9]/m);
  }
});
