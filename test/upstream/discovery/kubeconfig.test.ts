import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readKubeconfig } from '../../../src/upstream/discovery/kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-kubeconfig-'));
const file = join(folder, 'kubeconfig.yaml');
afterAll(() => rmSync(folder, { recursive: true }));

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function write(cluster: object, user: object, more: object = {}): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    contexts: [
      { name: 'other', context: { cluster: 'gone', user: 'gone' } },
      { name: 'main', context: { cluster: 'c', user: 'u', namespace: 'shop' } },
    ],
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user }],
    ...more,
  };
  writeFileSync(file, JSON.stringify(config));
}

describe('a kubeconfig', () => {
  it('gives server, authority and token of its current context', async () => {
    write({ 'certificate-authority-data': base64('CA') }, { token: 'secret' });
    expect(await readKubeconfig(file)).toEqual({
      server: new URL('https://10.0.0.1:6443'),
      token: 'secret',
      tls: { ca: 'CA', rejectUnauthorized: true },
    });
  });

  it('gives what stands in files, found from its own folder', async () => {
    for (const name of ['ca.crt', 'client.crt', 'client.key', 'token'])
      writeFileSync(join(folder, name), `${name}\n`);
    write(
      { 'certificate-authority': 'ca.crt', 'tls-server-name': 'kubernetes' },
      { tokenFile: 'token', token: 'older', 'client-certificate': 'client.crt', 'client-key': 'client.key' },
    );
    expect(await readKubeconfig(file)).toEqual({
      server: new URL('https://10.0.0.1:6443'),
      token: 'token',
      tls: {
        ca: 'ca.crt\n',
        cert: 'client.crt\n',
        key: 'client.key\n',
        servername: 'kubernetes',
        rejectUnauthorized: true,
      },
    });
  });

  it('takes certificates on trust only where it says so', async () => {
    write({ 'insecure-skip-tls-verify': true }, {});
    expect((await readKubeconfig(file)).tls.rejectUnauthorized).toBe(false);
  });

  it.each([
    ['runs a program', {}, { exec: { command: 'aws' } }, {}, 'its user runs a program to log in'],
    ['needs a proxy', { 'proxy-url': 'http://proxy' }, {}, {}, 'proxy-url is not supported'],
    ['names a context that is missing', {}, {}, { 'current-context': 'x' }, "has no context 'x'"],
    ['names a cluster that is missing', {}, {}, { 'current-context': 'other' }, "has no cluster 'gone'"],
    ['has no server', { server: 'nowhere' }, {}, {}, 'clusters.0.cluster.server'],
    ['names a file that is missing', {}, { tokenFile: 'gone' }, {}, 'gone cannot be read (ENOENT)'],
  ])('is refused with the place when it %s', async (_, cluster, user, more, words) => {
    write(cluster, user, more);
    await expect(readKubeconfig(file)).rejects.toThrow(words);
  });

  it('is refused without its words when it is not YAML, since these may be a token', async () => {
    writeFileSync(file, 'users: [ { token: s3cret');
    const error = await readKubeconfig(file).catch((reason: unknown) => reason);
    expect(String(error)).toContain('kubeconfig.yaml: is not valid YAML');
    expect(String(error)).not.toContain('s3cret');
  });
});
