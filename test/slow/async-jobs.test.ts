import { expect, test } from 'vitest';
import { acceptJob, awaitResult, eachOf, prepareJobs } from '../support/async-jobs.ts';
import { GatewayProcess } from '../support/gateway-process.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';

const COUNT = 1000;
const CONCURRENCY = 16;
const BODIES = Array.from({ length: COUNT }, (_, i) => `order ${i}`);

test.each([
  ['the gateway is killed', { gateway: true, redis: false }],
  ['Redis is killed and started again', { gateway: false, redis: true }],
  ['both are', { gateway: true, redis: true }],
])(
  'of 1,000 accepted requests every one is answered when %s, and those under way may run twice',
  async (_, killed) => {
    const { redis, config, times } = await prepareJobs(100, CONCURRENCY);
    let gateway = await GatewayProcess.start(config);
    const url = (): string => `http://${LOOPBACK}:${gateway.port}`;
    const locations = await eachOf(BODIES, 20, (body) => acceptJob(url, body));
    expect(new Set(locations).size).toBe(COUNT);
    await until(() => times.size > 50);
    if (killed.gateway) {
      gateway.signal('SIGKILL');
      await gateway.exit();
    }
    if (killed.redis) await redis.kill();
    const before = times.size;
    expect(before).toBeLessThan(COUNT);
    if (killed.redis) await redis.resume();
    if (killed.gateway) gateway = await GatewayProcess.start(config);
    const results = await eachOf(locations, 20, (location) => awaitResult(url, location));
    expect(results).toEqual(BODIES);
    const twice = [...times.values()].filter((count) => count > 1);
    console.info(`${times.size} requests, ${before} before the kill, ${twice.length} of them twice`);
    expect(times.size).toBe(COUNT);
    expect(Math.max(...times.values())).toBeLessThanOrEqual(2);
    expect(twice.length).toBeLessThanOrEqual(2 * CONCURRENCY);
  },
);
