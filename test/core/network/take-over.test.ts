import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { Dnsmasq } from '../../support/dnsmasq.ts';

const script = fileURLToPath(new URL('./silent-names.ts', import.meta.url));

it('no name server that is silent keeps files from being read, whoever asks it', async () => {
  const server = await Dnsmasq.start({});
  onTestFinished(() => server.close());
  server.freeze();
  const { stdout } = await promisify(execFile)(process.execPath, [script, server.server]);
  expect(stdout.trim().split('\n')).toEqual([
    'read a file before 8 of 8 names failed',
    'getaddrinfo EAI_AGAIN silent-N.test',
  ]);
});
