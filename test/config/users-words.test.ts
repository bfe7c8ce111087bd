import { describe, expect, it } from 'vitest';
import { rateLimit } from '../../src/policies/rate-limit/rate-limit.ts';
import { loadText, problemsOf, withRoutes } from './load-text.ts';

const gateway = (more: string): string => `${withRoutes('{ id: a, path: /a, upstream: a }')}${more}\n`;
const listening = (more: string): string =>
  `listeners: [${more}]\nroutes: [{ id: a, path: /a, respond: {} }]\n`;

describe('a sign that means something to YAML', () => {
  it.each([
    ['hosts: [*.example.com]', /^4:\d+: begins with '\*', which YAML takes for an alias.* — quote it$/],
    ['hosts: ["a.example", *any]', /^4:\d+: begins with '\*'.*called &any — quote it$/],
    ['methods: *', /^4:\d+: begins with '\*'.* — quote it$/],
    ['hosts: [!internal]', /^4:\d+: begins with '!', which YAML takes for a tag — quote it$/],
    ['hosts: [@home]', /^4:\d+: begins with a sign that YAML keeps for itself — quote it$/],
    ['rewrite: %2Fx', /^4:\d+: begins with a sign that YAML keeps for itself — quote it$/],
  ])('has its line, and what to do: %s', async (setting, problem) => {
    const route = setting.startsWith('rewrite') ? `id: a, path: /x, ${setting}` : `id: a, ${setting}`;
    expect((await problemsOf(withRoutes(`{ ${route} }`)))[0]).toMatch(problem);
  });

  it('is not an alias in quotes', async () => {
    const result = await loadText(withRoutes('{ id: a, path: /x, upstream: a, hosts: ["*.example.com"] }'));
    expect(result.ok).toBe(true);
  });
});

describe('a number in the words of elsewhere', () => {
  it.each([
    ['timeout: 30', 'has no unit — write 30s for seconds, 30ms for milliseconds'],
    ['timeout: 1M', 'has the unit M, which is not known — write 1m for minutes'],
    ['timeout: 10sec', 'is not written as durations are here — write 10s'],
    ['timeout: 2w', 'has weeks as its unit — write 14d'],
    ['timeout: 1h30m', 'is made of several parts — write one: 90m'],
    ['timeout: soon', 'is not a duration — write a number and a unit: 250ms, 5s, 1m, 1h or 1d'],
    ['methods: ["*"]', 'stands for every method elsewhere — leave `methods` out for all'],
    ['methods: [any]', 'stands for every method elsewhere — leave `methods` out for all'],
    ['methods: [get]', "is not known here — did you mean 'GET'?"],
  ])('is answered with what to write: %s', async (setting, problem) => {
    const [found, ...more] = await problemsOf(withRoutes(`{ id: a, path: /x, upstream: a, ${setting} }`));
    expect(more).toEqual([]);
    expect(found).toContain(`: ${problem}`);
  });

  it.each([
    ['{ port: "8080" }', 'is text — write 8080 without quotes'],
    ['{ port: 0, limits: { headerBytes: 16KB } }', 'is not written as sizes are here — write 16KiB'],
    ['{ port: 0, limits: { headerBytes: 64 } }', 'has no unit — write 64KiB, or 64B for bytes'],
  ])('of a listener is answered with what to write: %s', async (listener, problem) => {
    const [found, ...more] = await problemsOf(listening(listener));
    expect(more).toEqual([]);
    expect(found).toContain(`: ${problem}`);
  });

  it.each([
    ['targets: [{ url: "http://a:1", weight: 90% }]', 'is a share where a number counts — write 90'],
    ['targets: ["http://x/v1"]', 'write http://x here, and put the path in front with a rewrite'],
    ['targets: ["x:9001"]', 'lacks its scheme — write http://x:9001'],
    ['targets: ["ws://x:9001"]', 'has the scheme of a WebSocket, which http carries too'],
    ['targets: ["http://a:1"], retries: { on: [429] }', 'is nothing that another attempt mends'],
    ['targets: ["http://a:1"], retries: { budget: 0.2 }', 'is a fraction — write a percentage: 20%'],
    ['targets: ["http://a:1"], retries: { budget: 20 }', 'lacks its sign — write 20%'],
  ])('of an upstream is answered with what to write: %s', async (upstream, problem) => {
    const text = `listeners: [{ port: 0 }]\nupstreams: { a: { ${upstream} } }\nroutes: [{ id: a, path: /a, upstream: a }]\n`;
    const [found, ...more] = await problemsOf(text);
    expect(more).toEqual([]);
    expect(found).toContain(problem);
  });

  it('that is none brings no second problem with it', async () => {
    const text = gateway('policies: [{ rate-limit: { limit: 10, window: 1M } }]');
    const problems = await problemsOf(text, { policies: [rateLimit] });
    expect(problems).toEqual([expect.stringContaining('window: has the unit M')]);
  });
});

describe('a path in the words of elsewhere', () => {
  it.each([
    ['/orders/[0-9]+$', 'looks like a regular expression'],
    ['/orders/.*', 'looks like a regular expression'],
    ['/v(1|2)/orders', 'looks like a regular expression'],
    ['~ ^/orders', 'looks like a regular expression'],
    ['/orders/{id}', 'holds braces — write parameters as :name'],
  ])('is told so: %s', async (path, problem) => {
    const [found] = await problemsOf(withRoutes(`{ id: a, path: '${path}', upstream: a }`));
    expect(found).toContain(problem);
  });

  it('may hold the signs that paths do have', async () => {
    const paths = ['/users/(me)', '/a+b', '/price/$5', '/v1.0/items', '/@scope/name', '/files/a.tar.gz'];
    for (const path of paths) {
      const result = await loadText(withRoutes(`{ id: a, path: '${path}', upstream: a }`));
      expect([path, result.ok]).toEqual([path, true]);
    }
  });
});

describe('the URL of a Redis', () => {
  it.each([
    ['redis://:100%sure@h:1', "holds a '%' in its user or password", '%25'],
    ['redis://:a%FFb@h:1', "holds a '%' in its user or password", '%25'],
    ['redis://:a#b@h:1', "holds '#' in its user or password", '%23'],
    ['rediss://u:a/b@h:1', "holds '/' in its user or password", '%2F'],
  ])(
    'whose password is not percent-encoded is refused with what to write: %s',
    async (url, problem, remedy) => {
      const [found, ...more] = await problemsOf(gateway(`redis: { url: '${url}' }`));
      expect(more).toEqual([]);
      expect(found).toContain(problem);
      expect(found).toContain(remedy);
      expect(found).not.toContain('sure');
    },
  );
});

describe('a byte order mark', () => {
  const json = '{"listeners":[{"port":0}],"routes":[{"id":"a","path":"/a","respond":{}}]}';

  it('in front of a JSON or YAML configuration does no harm', async () => {
    expect((await loadText(`\ufeff${json}`, { name: 'sallyport.json' })).ok).toBe(true);
    expect((await loadText(`\ufeff${json}`, { name: 'sallyport.yml' })).ok).toBe(true);
  });

  it('leaves the places of problems as they are', async () => {
    const bad = `\ufeff${json.replace('/a"', '/a" x')}`;
    expect((await problemsOf(bad, { name: 'sallyport.json' }))[0]).toContain('1:59: is not valid JSON');
  });
});

describe('the value of a reference', () => {
  const admin = gateway(`admin: { token: "\${TOKEN}" }`);

  it.each([
    ['\ufeffabcdefghijklmnop', 'holds a byte order mark'],
    ['abcdefghijklmnop\r', 'holds a carriage return'],
    ['abcdefgh\u0000ijklmnop', 'holds control characters'],
    ['$ADMIN_TOKEN', 'is itself a placeholder'],
    ['{{ .Values.token }}', 'is itself a placeholder'],
    ['<no value>', 'is itself a placeholder'],
  ])('that cannot be meant is refused, and not quoted (%#)', async (value, problem) => {
    const problems = await problemsOf(admin, { env: { TOKEN: value } });
    expect(problems).toEqual([expect.stringContaining(`the variable TOKEN ${problem}`)]);
    expect(problems[0]).not.toContain(value);
  });

  it.each([' abcdefghijklmnopq', 'abcdefghijklmnopq\t', 'abcdefghijklmnopq\n'])(
    'with spaces around it is warned of (%#)',
    async (value) => {
      const result = await loadText(admin, { env: { TOKEN: value } });
      const warnings = result.ok ? result.warnings.map(({ message }) => message) : [];
      expect(warnings).toContainEqual(expect.stringContaining('begins or ends with spaces'));
    },
  );

  it('out of a file with the line ends of Windows is the line', async () => {
    const text = gateway(`admin: { token: "\${file:token}" }`);
    const result = await loadText(text, { files: { token: 'abcdefghijklmnopqrstuvwxyz012345\r\n' } });
    expect(result.ok && result.config.admin?.token).toBe('abcdefghijklmnopqrstuvwxyz012345');
  });

  it('may be several lines, as a key is', async () => {
    const text = withRoutes(`{ id: a, path: /a, respond: { body: "\${PEM}" } }`);
    expect((await loadText(text, { env: { PEM: 'line\r\nline\nline' } })).ok).toBe(true);
  });
});

describe('a placeholder that was written into the configuration', () => {
  it('is refused as a secret', async () => {
    const problems = await problemsOf(gateway('admin: { token: "$ADMIN_TOKEN" }'));
    expect(problems).toEqual([
      expect.stringContaining(
        `admin.token: is a placeholder that nothing fills in — write a reference, such as \${ADMIN_TOKEN}`,
      ),
    ]);
  });

  it('is warned of elsewhere', async () => {
    const result = await loadText(withRoutes('{ id: a, path: /a, respond: { body: "{{ .Values.x }}" } }'));
    const warnings = result.ok ? result.warnings.map(({ message }) => message) : [];
    expect(warnings).toContain('looks like a placeholder that nothing fills in');
  });
});
