import { globSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LOOPBACK, reserveNobody, reservePort } from './support/loopback.ts';

/** What makes a test depend on what else runs on the machine, or on chance. */
const FORBIDDEN: readonly [pattern: RegExp, instead: string][] = [
  [/listen\([^)\n]*['"]127\.0\.0\.1/, 'listen on LOOPBACK'],
  [/host: ?['"](127\.0\.0\.1|0\.0\.0\.0|localhost)['"], port: 0/, 'listen on LOOPBACK'],
  [/127\.0\.0\.1:\$\{/, 'ask LOOPBACK'],
  [/from 'fast-check'/, 'take fc of support/fast-check.ts, whose cases are the same each time'],
  [/src\/cli\.ts'/, 'start CLI of support/bundled-gateway.ts, which loads in half the time'],
  [/\bvi\.wait(For|Until)\(/, 'wait with until() of support/until.ts, which has no limit of its own'],
];

it('tests share neither ports nor luck with what else runs', () => {
  const faults: string[] = [];
  for (const file of globSync('**/*.ts', { cwd: import.meta.dirname })) {
    if (['loopback.test.ts', 'support/fast-check.ts'].includes(file)) continue;
    const text = readFileSync(join(import.meta.dirname, file), 'utf8');
    for (const [pattern, instead] of FORBIDDEN) {
      const [found] = pattern.exec(text) ?? [];
      if (found !== undefined) faults.push(`test/${file}: instead of ${found}, ${instead}`);
    }
  }
  expect(faults).toEqual([]);
});

it('each port is reserved once', async () => {
  const ports = [await reservePort(), await reservePort(), await reservePort()];
  expect(new Set(ports).size).toBe(3);
});

it('nobody answers for a target that is not there', async () => {
  const { port, url } = await reserveNobody();
  expect(url).toBe(`http://${LOOPBACK}:${port}`);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  connect(port, LOOPBACK).on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
  expect(await promise).toBe('ECONNREFUSED');
});
