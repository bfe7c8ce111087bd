import { expect, it, onTestFinished } from 'vitest';
import { startBefore, TOKENS } from '../readers/one-reading.ts';
import { randomRequest } from '../readers/random-request.ts';
import { startExpress, startGo, startNginx, startPython } from '../readers/readers.ts';
import { fc } from '../support/fast-check.ts';

const REQUESTS = 20_000;

it('of 20,000 requests to Express, nginx, Python and Go none is served as what was not judged', async () => {
  const readers = await Promise.all([startExpress(), startNginx(), startPython(), startGo()]);
  const gateway = await startBefore(readers);
  onTestFinished(async () => {
    await Promise.all(readers.map((reader) => reader.close()));
  });
  const counts: Record<string, number> = {};
  const requests = randomRequest(['express', 'nginx', 'python', 'go'], TOKENS);
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const judgement = await gateway.judge(request);
      expect(judgement, JSON.stringify(request)).not.toMatchObject({ kind: 'fault' });
      counts[judgement.kind] = (counts[judgement.kind] ?? 0) + 1;
    }),
    { numRuns: REQUESTS },
  );
  console.log(counts);
  expect(counts.served).toBeGreaterThan(REQUESTS / 4);
}, 1_200_000);
