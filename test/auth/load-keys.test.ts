import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fetchJson } from '../../src/auth/fetch-json.ts';
import { discoverKeys, fetchKeys, metadataUrlsOf } from '../../src/auth/load-keys.ts';
import { NameLookup, replaceSystemLookup } from '../../src/core/network/name-lookup.ts';
import { startRawTarget, startTarget } from '../support/harness.ts';
import { LOOPBACK, reserveNobody } from '../support/loopback.ts';
import { createSigner } from './test-tokens.ts';

const signer = createSigner('ES256', 'a');
const { signal } = new AbortController();

function answering(answer: unknown, status = 200, headers: Record<string, string> = {}): RequestListener {
  return (_, response) => {
    response.writeHead(status, headers).end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  };
}

/** Has a name known to the gateway's own look-up and to nobody else. */
async function knowOnlyHere(name: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-hosts-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const hostsFile = join(folder, 'hosts');
  await writeFile(hostsFile, `${LOOPBACK} ${name}`);
  const { port } = await reserveNobody();
  onTestFinished(replaceSystemLookup(new NameLookup({ servers: [`${LOOPBACK}:${port}`], hostsFile })));
}

describe('who is asked by name', () => {
  it('is found as targets are, not on the threads that files need', async () => {
    await knowOnlyHere('issuer.test');
    const { port } = await startTarget(answering({ keys: [signer.jwk] }));
    const { keys } = await fetchKeys(`http://issuer.test:${port}`, signal);
    expect(keys.map(({ id }) => id)).toEqual(['a']);
  });

  it('is so with a body too, as introspection sends it', async () => {
    await knowOnlyHere('sso.test');
    const { port } = await startTarget((request, response) => void request.pipe(response));
    const asked = { timeoutMs: 5000, signal, method: 'POST', body: '{"active":true}' } as const;
    expect(await fetchJson(`http://sso.test:${port}`, asked)).toEqual({ active: true });
  });
});

describe('a key set from a URL', () => {
  it('leaves out keys that cannot be used, and takes the others', async () => {
    const rsa = createSigner('RS256', 'rsa').jwk;
    const keys = [
      signer.jwk,
      { ...rsa, alg: 'RS512' },
      { ...rsa, use: 'enc' },
      { ...rsa, key_ops: ['sign'] },
      { ...rsa, alg: 'ES256' },
      { ...rsa, d: 'private' },
      createSigner('RS256', 'weak', 1024).jwk,
      { kty: 'oct', k: 'c2VjcmV0' },
      { kty: 'unknown' },
      null,
      'text',
    ];
    const { url } = await startTarget(answering({ keys }));
    const loaded = await fetchKeys(url, signal);
    expect(loaded.keys.map(({ id, algorithms }) => [id, algorithms])).toEqual([
      ['a', ['ES256']],
      ['rsa', ['RS512']],
    ]);
  });

  it.each([
    ['another status', answering({ keys: [] }, 500), /status 500/],
    ['a redirect', answering('', 302, { location: 'http://127.0.0.1:1/' }), /status 302/],
    ['no JSON', answering('<html>secret'), /^SyntaxError: the response is not JSON$/],
    ['no key set', answering({ key: [] }), /not a key set/],
    ['null', answering('null'), /not a key set/],
    ['no key', answering({ keys: [] }), /the key set is empty/],
    [
      'keys that verify nothing',
      answering({
        keys: [
          { kty: 'oct', k: 'c2VjcmV0', kid: 'a' },
          { kty: 'EC', use: 'enc' },
        ],
      }),
      /no key that signatures can be verified with: 'a' is a secret; key 2 is a key for encryption/,
    ],
    [
      'the metadata of an issuer',
      answering({ issuer: 'https://a', jwks_uri: 'https://a/keys' }),
      /the metadata of an issuer — write its URL as discovery/,
    ],
    ['more than 150 kB', answering({ keys: [], padding: 'x'.repeat(150_000) }), /larger than 150000 bytes/],
  ])('fails on %s', async (_, handler, problem) => {
    const { url } = await startTarget(handler);
    await expect(fetchKeys(url, signal).catch(String)).resolves.toMatch(problem);
  });

  it('waits for an answer only so long', async () => {
    const target = await startRawTarget(() => {});
    await expect(fetchJson(target.url, { timeoutMs: 50, signal })).rejects.toThrow();
  });

  it('waits as long as it is told, for metadata too', async () => {
    const { url } = await startRawTarget(() => {});
    await expect(fetchKeys(url, signal, 20)).rejects.toThrow();
    const discovery = { issuer: url, url: undefined, allowHttp: false, timeoutMs: 20 };
    await expect(discoverKeys(discovery, signal)).rejects.toThrow();
  });

  it('reads no answer without end', async () => {
    const target = await startTarget((_, response) => {
      response.write('[');
      const more = (): void => void (response.destroyed || response.write('1,'.repeat(8192), more));
      more();
    });
    await expect(fetchKeys(target.url, signal)).rejects.toThrow('larger than');
    const { socket } = await target.request(0);
    if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
  });
});

/** An issuer whose metadata and keys stand where `paths` say. */
async function startIssuer(paths: (url: string) => Record<string, unknown>) {
  const target = await startTarget((request, response) => {
    const answer = paths(target.url)[request.url ?? ''];
    response.writeHead(answer === undefined ? 404 : 200).end(JSON.stringify(answer));
  });
  return target;
}

describe('a key set by discovery', () => {
  const keys = { keys: [signer.jwk] };
  const OIDC = '/.well-known/openid-configuration';

  it('finds OpenID metadata', async () => {
    const { url } = await startIssuer((self) => ({
      [OIDC]: { issuer: self, jwks_uri: `${self}/keys` },
      '/keys': keys,
    }));
    const loaded = await discoverKeys({ issuer: url, url: undefined, allowHttp: false }, signal);
    expect(loaded).toMatchObject({ issuer: url, keys: [{ id: 'a' }] });
  });

  it('finds OAuth metadata where there is none of OpenID', async () => {
    const { url } = await startIssuer((self) => ({
      '/.well-known/oauth-authorization-server/tenant': {
        issuer: `${self}/tenant`,
        jwks_uri: `${self}/keys`,
      },
      '/keys': keys,
    }));
    const loaded = await discoverKeys({ issuer: `${url}/tenant`, url: undefined, allowHttp: false }, signal);
    expect(loaded.keys).toHaveLength(1);
  });

  it('takes the issuer from metadata whose URL is given, where the two belong together', async () => {
    const { url } = await startIssuer((self) => ({
      [OIDC]: { issuer: `${self}/`, jwks_uri: `${self}/keys` },
      '/keys': keys,
    }));
    const loaded = await discoverKeys({ issuer: undefined, url: url + OIDC, allowHttp: false }, signal);
    expect(loaded.issuer).toBe(`${url}/`);
  });

  it.each([
    ['another issuer', { issuer: 'https://evil.example' }],
    ['an issuer with a slash more', { issuer: 'SELF/' }],
    ['no issuer', { issuer: undefined }],
  ])('refuses metadata that name %s', async (_, { issuer }) => {
    const { url } = await startIssuer((self) => ({
      [OIDC]: { issuer: issuer?.replace('SELF', self), jwks_uri: `${self}/keys` },
      '/keys': keys,
    }));
    const discovery = discoverKeys({ issuer: url, url: undefined, allowHttp: false }, signal);
    await expect(discovery).rejects.toThrow('another issuer');
  });

  it('names the issuer that it found, and that a slash is what is wrong', async () => {
    const { url } = await startIssuer((self) => ({
      [OIDC]: { issuer: `${self}/`, jwks_uri: `${self}/keys` },
    }));
    const discovery = discoverKeys({ issuer: url, url: undefined, allowHttp: false }, signal);
    await expect(discovery).rejects.toThrow(
      `another issuer: ${url}/ — write issuer just so, the slash at the end included`,
    );
  });

  it('refuses metadata of another issuer behind a URL that is given', async () => {
    const { url } = await startIssuer((self) => ({
      [OIDC]: { issuer: 'https://evil.example', jwks_uri: `${self}/keys` },
      '/keys': keys,
    }));
    const discovery = discoverKeys({ issuer: undefined, url: url + OIDC, allowHttp: false }, signal);
    await expect(discovery).rejects.toThrow('another issuer');
  });

  it.each(['http://keys.example.com/', 'file:///etc/passwd', 'keys', 1])(
    'follows no metadata to %s',
    async (uri) => {
      const { url } = await startIssuer((self) => ({ [OIDC]: { issuer: self, jwks_uri: uri } }));
      const discovery = discoverKeys({ issuer: url, url: undefined, allowHttp: false }, signal);
      await expect(discovery).rejects.toThrow('no https URL of a key set');
    },
  );

  it('asks where the standards say', () => {
    expect(metadataUrlsOf('https://id.example.com/')).toEqual([
      'https://id.example.com/.well-known/openid-configuration',
      'https://id.example.com/.well-known/oauth-authorization-server',
    ]);
    expect(metadataUrlsOf('https://id.example.com/a/b/')).toEqual([
      'https://id.example.com/a/b/.well-known/openid-configuration',
      'https://id.example.com/.well-known/oauth-authorization-server/a/b',
    ]);
  });
});
