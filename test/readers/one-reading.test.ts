import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fc } from '../support/fast-check.ts';
import { type Judgement, judgeReading, startBefore, TOKENS } from './one-reading.ts';
import { randomRequest } from './random-request.ts';
import { type Reader, startExpress, startNginx, startPython } from './readers.ts';

let readers: Reader[];
let gateway: Awaited<ReturnType<typeof startBefore>>;

beforeAll(async () => {
  readers = await Promise.all([startExpress(), startNginx(), startPython()]);
  gateway = await startBefore(readers);
});
afterAll(async () => {
  await gateway.close();
  await Promise.all(readers.map((reader) => reader.close()));
});

describe('one host, one path, one method, one credential', () => {
  it('whatever a service takes a request for, the policies of that route have run, or check has warned', async () => {
    const requests = randomRequest(['express', 'nginx', 'python'], TOKENS);
    const met = new Set<string>();
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const judgement = await gateway.judge(request);
        expect(judgement, JSON.stringify(request)).not.toMatchObject({ kind: 'fault' });
        met.add('handler' in judgement ? `${judgement.kind} ${judgement.handler}` : judgement.kind);
      }),
      { numRuns: 1500 },
    );
    // That something is reached at all is what makes it a test.
    const reached = ['admin', 'login', 'purge', 'root', 'user', 'me', 'inner', 'rest'];
    expect(reached.filter((handler) => !met.has(`served ${handler}`))).toEqual([]);
    expect([...met]).toEqual(expect.arrayContaining(['refused', 'warned admin']));
  });

  const cases: readonly (readonly [
    string,
    Partial<Parameters<typeof judgeReading>[0]>,
    boolean,
    Judgement['kind'],
  ])[] = [
    ['whose policies ran', { ran: 'admin' }, false, 'served'],
    ['whose policies did not run', {}, false, 'fault'],
    ['of which check has warned', {}, true, 'warned'],
    ['of which check has not warned', { route: 'nginx-user' }, true, 'fault'],
    [
      'of somebody else',
      { handler: 'me', subject: 'alice', authorization: `Bearer ${TOKENS[1]}` },
      true,
      'fault',
    ],
  ];
  it.each(cases)('what falls under a route %s is told from the others', (_, reading, isPermissive, kind) => {
    const all = {
      handler: 'admin',
      ran: '',
      route: 'nginx-rest',
      subject: '',
      authorization: '',
      ...reading,
    };
    expect(judgeReading(all, new Set(['nginx-admin > nginx-rest']), isPermissive)).toMatchObject({ kind });
  });
});
