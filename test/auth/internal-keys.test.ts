import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openInternalKeys } from '../../src/auth/internal-keys.ts';
import { internalTokensSchema } from '../../src/config/schema/internal-tokens-schema.ts';
import { text } from '../../src/config/schema/scalars.ts';
import type { Log } from '../../src/core/services.ts';
import { StubClock } from '../observability/stub-clock.ts';

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-keys-'));
  onTestFinished(() => rm(folder, { recursive: true }));
});

function open(settings: object = {}, log = quiet) {
  const config = internalTokensSchema(text).parse({ issuer: 'gateway', ...settings });
  return openInternalKeys(config, folder, { clock: new StubClock(), log });
}

describe('keys that the gateway makes', () => {
  it('are the same for processes that start at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => open()));
    const [first] = all;
    expect(first?.published()).toHaveLength(2);
    for (const keys of all) {
      expect(keys.published()).toEqual(first?.published());
      expect(keys.current().id).toBe(first?.current().id);
      keys.close();
    }
    expect(await readdir(folder)).toHaveLength(2);
  });

  it('are closed to others again, with a warning', async () => {
    const warnings: string[] = [];
    (await open()).close();
    const [file = ''] = await readdir(folder);
    await chmod(join(folder, file), 0o644);
    (await open({}, { ...quiet, warn: (_, message) => warnings.push(message) })).close();
    expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
    expect(warnings).toEqual([expect.stringContaining('a key for internal tokens could be read by others')]);
  });

  it('are not taken from files that hold something else, and what they hold is not told', async () => {
    (await open()).close();
    const [file = ''] = await readdir(folder);
    const content = 'not a key, but long enough to look like a secret';
    await writeFile(join(folder, file), content);
    const error = await open().then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(error?.message).toContain('holds no private key that can be read');
    expect(error?.message).not.toContain(content);
  });

  it('of another algorithm do not replace those that are there', async () => {
    const [ecdsa, rsa] = [await open(), await open({ algorithm: 'RS256' })];
    expect([ecdsa.current().algorithm, rsa.current().algorithm]).toEqual(['ES256', 'RS256']);
    expect(rsa.published().map((key) => Object.keys(key).sort())).toEqual([
      ['alg', 'e', 'kid', 'kty', 'n', 'use'],
      ['alg', 'e', 'kid', 'kty', 'n', 'use'],
    ]);
    expect(await readdir(folder)).toHaveLength(4);
    for (const keys of [ecdsa, rsa]) keys.close();
  });
});

describe('keys from files', () => {
  it.each([
    ['ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['EdDSA', () => generateKeyPairSync('ed25519')],
    ['RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ])('sign with %s by their kind, and are published without their private half', async (algorithm, make) => {
    const keyFile = join(folder, 'key.pem');
    const { privateKey, publicKey } = make();
    await writeFile(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const keys = await open({ keyFile, formerKeyFiles: [keyFile] });
    expect(keys.current().algorithm).toBe(algorithm);
    const expected = {
      ...publicKey.export({ format: 'jwk' }),
      alg: algorithm,
      use: 'sig',
      kid: keys.current().id,
    };
    expect(keys.published()).toEqual([expected]);
  });
});
