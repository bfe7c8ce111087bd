import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import { loadCertificates } from '../../src/server/certificates.ts';

it('examples/https passes the check with the certificates that its script makes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-example-'));
  try {
    const source = resolve(import.meta.dirname, '../../examples/https');
    await cp(source, folder, { recursive: true, filter: (file) => !/\.(pem|key)$/.test(file) });
    await promisify(execFile)('sh', [join(folder, 'make-certificates.sh')]);
    const result = await loadConfig(join(folder, 'https.yaml'), { policies: builtInPolicies, env: {} });
    expect(result.ok ? [] : result.problems).toEqual([]);
    const files = ['localhost', 'shop'].map((name) => ({
      certFile: join(folder, `${name}.pem`),
      keyFile: join(folder, `${name}.key`),
    }));
    const store = await loadCertificates(files, { minVersion: '1.2', now: Date.now() });
    expect(store.contextFor('api.shop.localhost')).not.toBe(store.contextFor('localhost'));
  } finally {
    await rm(folder, { recursive: true });
  }
});
