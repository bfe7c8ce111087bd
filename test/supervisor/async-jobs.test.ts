import { expect, it } from 'vitest';
import { acceptJob, awaitResult, eachOf, prepareJobs } from '../support/async-jobs.ts';
import { until } from '../support/until.ts';
import { readValue, startWorkerPool } from './pool-of.ts';

it('what a worker had accepted and begun when it is killed is run by another one, and counted once', async () => {
  const { config, times } = await prepareJobs(50, 4);
  const pool = await startWorkerPool(config);
  const url = (): string => pool.url;
  const bodies = Array.from({ length: 80 }, (_, i) => `order ${i}`);
  const locations = await eachOf(bodies, 10, (body) => acceptJob(url, body));
  await until(() => times.size > 10);
  pool.kill(1);
  expect(await eachOf(locations, 10, (location) => awaitResult(url, location))).toEqual(bodies);
  expect(times.size).toBe(80);
  expect([...times.values()].filter((count) => count > 1).length).toBeLessThanOrEqual(4);
  await until(async () => readValue(await pool.metrics(), 'gateway_async_jobs{state="done"}') === 80);
});
