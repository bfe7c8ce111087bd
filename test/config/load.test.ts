// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in configurations look like that.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type LoadResult, loadConfig } from '../../src/config/load.ts';
import { configOf, loadText, problemsOf, testPolicies, withRoutes } from './load-text.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-load-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function loadFile(name: string, text: string): Promise<LoadResult> {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return loadConfig(file, { policies: testPolicies, env: { PORT: '8081' } });
}

describe('loading a configuration', () => {
  it('fills in the defaults', async () => {
    const config = await configOf(`
listeners: [{ port: 8080 }]
upstreams: { a: { targets: ["http://127.0.0.1:9001"] } }
routes: [{ id: r, path: /x, upstream: a, policies: [limit] }]
`);
    await expect(`${JSON.stringify(config, null, 2)}\n`).toMatchFileSnapshot('golden/defaults.json.txt');
  });

  it('gives milliseconds, bytes, origins, lower-case names and absolute paths for what is written', async () => {
    const config = await configOf(
      `
listeners:
  - port: 8443
    tls: { certificates: [{ certFile: ./a.pem, keyFile: keys/a.key }], minVersion: "1.3" }
    limits: { headerBytes: 32KiB, headerTimeout: 1.5s }
    allowEncoded: { slash: true }
admin: { port: 0, token: "${'${TOKEN}'}" }
status: {}
trustedProxies: [10.0.0.0/8, "2001:db8::/32", 192.0.2.7]
upstreams:
  a: { targets: ["HTTPS://Orders.example.com:443/", { url: "http://[::1]:9001" }], tls: { serverName: x } }
  b: { app: ./bff.ts }
policies: [limit: { id: all, observe: true, maximum: 7 }]
routes:
  - { id: r, path: "/x/:id", hosts: ["*.Example.com"], headers: { X-A: "1" }, query: { v: "2" }, upstream: a, rewrite: "/v1/{params.id}", timeout: 1m }
  - { id: s, path: /s, respond: { status: 201, headers: { X-B: c }, body: { ok: true } } }
  - { id: t, path: /t/*, redirect: { path: "/x/{params.*}", status: 308 } }
  - { id: u, path: /u/*, upstream: b, stripPrefix: /u, hostHeader: target }
drain: { delay: 0s, timeout: 250ms }
accessLog: false
`,
      { env: { TOKEN: 'correct horse' }, files: { 'a.pem': '', 'keys/a.key': '', 'bff.ts': '' } },
    );
    await expect(`${JSON.stringify(config, null, 2)}\n`).toMatchFileSnapshot('golden/written.json.txt');
  });

  it('reads the same configuration from YAML, JSON and TypeScript', async () => {
    const written = {
      listeners: [{ port: '${PORT}' }],
      upstreams: { a: { targets: ['http://127.0.0.1:9001'], timeouts: { connect: '1s' } } },
      routes: [{ id: 'r', path: '/x/:id', methods: ['GET'], upstream: 'a', policies: ['limit'] }],
    };
    const json = JSON.stringify(written, null, '\t');
    const yaml = `
listeners: [{ port: "${'${PORT}'}" }]
upstreams: { a: { targets: ["http://127.0.0.1:9001"], timeouts: { connect: 1s } } }
routes:
  - id: r
    path: /x/:id
    methods: [GET]
    upstream: a
    policies: [limit]
`;
    const results = await Promise.all([
      loadFile('same.yaml', yaml),
      loadFile('same.json', json),
      loadFile('same.ts', `const gateway: object = ${json};\nexport default gateway;\n`),
    ]);
    const configs = results.map((result) => (result.ok ? result.config : result.problems));
    expect(configs[0]).toMatchObject({ listeners: [{ port: 8081 }] });
    expect(configs[1]).toEqual(configs[0]);
    expect(configs[2]).toEqual(configs[0]);
  });

  it('warns of what is allowed but deserves a look', async () => {
    const result = await loadText(`
listeners: [{ port: 0 }]
upstreams:
  a: { targets: ["https://a.example"], tls: { dangerouslySkipTlsVerification: true } }
`);
    expect(result.ok && result.warnings.map(({ path: place, line }) => `${line} ${place}`)).toEqual([
      '4 upstreams.a',
      '4 upstreams.a.tls.dangerouslySkipTlsVerification',
    ]);
  });
});

describe('a file that is not a configuration', () => {
  it('is reported when it is not there', async () => {
    const result = await loadConfig(path.join(folder, 'none.yaml'), { policies: [], env: {} });
    expect(result).toMatchObject({ ok: false, problems: [{ path: '', message: 'cannot be read (ENOENT)' }] });
  });

  it('is reported when its format is not known', async () => {
    expect(await problemsOf('', { name: 'sallyport.toml' })).toEqual([
      'is in no format that is known — name it .yaml, .yml, .json or .ts',
    ]);
  });

  it('is reported when it is empty', async () => {
    expect(await problemsOf('')).toEqual(['is empty where a map is due — write a map']);
  });

  it('has its YAML mistakes reported with their places', async () => {
    expect(await problemsOf('listeners: [{ port: 0 }\nroutes: "x\n')).toEqual([
      expect.stringMatching(/^2:\d+: .+ — correct the YAML$/),
      expect.stringMatching(/^\d+:\d+: .+ — correct the YAML$/),
    ]);
  });

  it('is told to quote a reference that YAML reads as a map', async () => {
    const [problem] = await problemsOf('listeners: [{ port: 0, host: $${HOST} }]\n'.replace('$$', '$'));
    expect(problem).toMatch(/— quote what holds a reference$/);
  });

  it.each([
    ['{\n  "listeners": [,]\n}', '2:17'],
    ['{ "listeners": [ { "port": 0 } ] // no\n}', '1:34'],
    ['{ "listeners": [ { "port": 0 }', '1:31'],
    ['{ listeners: [] }', '1:3'],
  ])('is refused as JSON where %j stops to be JSON', async (text, place) => {
    expect(await problemsOf(text, { name: 'sallyport.json' })).toEqual([
      `${place}: is not valid JSON — correct what stands at this place`,
    ]);
  });

  it('has duplicate keys reported beside its other mistakes', async () => {
    expect(await problemsOf('listeners: [{ port: 0, port: 1 }]\nmetrics: 1\nmetrics: 2\n')).toEqual([
      '1:24 listeners[0].port: this key is there twice — keep one of them',
      expect.stringMatching(/metrics: is a number where true or false is due/),
      '3:1 metrics: this key is there twice — keep one of them',
    ]);
  });

  it('is refused when its aliases would multiply', async () => {
    const bomb = Array.from(
      { length: 9 },
      (_, i) => `k${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`,
    );
    expect(await problemsOf(`k0: &a0 [x]\n${bomb.join('\n')}\n`)).toEqual([
      'is nested too deeply or uses too many aliases — write it out plainly',
    ]);
  });

  it.each([
    ['x-a: &a [*a]', '1:9 x-a[0]: contains itself'],
    ['x-a: &a\n  b: { c: *a }', '2:8 x-a.b.c: contains itself'],
    ['x-a: &a [&b [*a], *b]', '1:9 x-a[0][0]: contains itself'],
  ])('is refused when an alias contains itself: %s', async (text, problem) => {
    const problems = await problemsOf(`${withRoutes('{ id: r, path: /x, respond: {} }')}${text}\n`);
    expect(problems[0]).toBe(
      `${problem.replace(/^\d+/, (line) => `${Number(line) + 4}`)} — write it out, or take the alias away`,
    );
  });

  it('is refused when it holds several documents, in our own words', async () => {
    expect(await problemsOf(`${withRoutes()}---\nlisteners: []\n`)).toEqual([
      expect.stringMatching(/holds more than one document — keep one document a file, and remove the `---`/),
    ]);
  });

  it('is refused when it nests without end', async () => {
    expect((await problemsOf('['.repeat(100_000))).length).toBeLessThanOrEqual(20);
  });

  it('may use a few aliases, whose mistakes are found where they stand', async () => {
    const text = 'listeners:\n  - &l { port: 0, limits: { headerCount: x } }\n  - *l\n';
    expect(await problemsOf(text)).toEqual([
      expect.stringMatching(/^2:42 listeners\[0\].limits.headerCount: /),
      expect.stringMatching(/^2:42 listeners\[1\].limits.headerCount: /),
    ]);
  });

  it('is refused as TypeScript when it holds more than data', async () => {
    const text = `
const ring: unknown[] = [];
ring.push(ring);
export default { listeners: [{ port: () => 1 }], routes: ring, drain: new Date() };
`;
    const result = await loadFile('code.ts', text);
    const plain = 'export plain data only: maps, lists, text, numbers, true and false';
    const words = result.ok ? [] : result.problems;
    expect(words.map(({ path: at, message, remedy }) => `${at}: ${message} — ${remedy}`)).toEqual([
      `listeners[0].port: is a function — ${plain}`,
      'routes[0]: contains itself — write it out, or take the reference to itself away',
      `drain: is an instance of a class — ${plain}`,
    ]);
  });

  it('is refused as TypeScript without a default export, or when it throws', async () => {
    const none = await loadFile('none.ts', 'export const gateway = {};\n');
    const thrown = await loadFile('thrown.ts', 'throw new Error("no such thing");\n');
    expect(none).toMatchObject({ problems: [{ message: 'has no default export' }] });
    expect(thrown).toMatchObject({ problems: [{ message: 'cannot be imported: no such thing' }] });
  });

  it('cannot reach the prototype of objects', async () => {
    const problems = await problemsOf(
      `${withRoutes()}__proto__: { polluted: true }\n`.replace('routes:\n', 'routes: []\n'),
    );
    expect(problems).toEqual([expect.stringContaining("there is no setting '__proto__' here")]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
