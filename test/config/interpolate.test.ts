// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in configurations look like that.
import { describe, expect, it } from 'vitest';
import { interpolate } from '../../src/config/document/interpolate.ts';
import { redactConfig } from '../../src/config/secrets.ts';
import { fc } from '../support/fast-check.ts';
import { configOf, loadText, problemsOf, withRoutes } from './load-text.ts';

async function replaced(text: string, env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const readFile = async (path: string) =>
    files[path] ?? Promise.reject(Object.assign(new Error(), { code: 'ENOENT' }));
  const { data, faults } = await interpolate({ text }, { env, folder: '/etc', readFile });
  return faults.length > 0 ? faults.map((fault) => fault.text) : (data as { text: string }).text;
}

describe('references', () => {
  it.each([
    ['${A}', 'one'],
    ['x-${A}-${B}', 'x-one-two'],
    ['${NONE:-}', ''],
    ['${NONE:-http://x:1/a-b}', 'http://x:1/a-b'],
    ['${EMPTY:-other}', 'other'],
    ['${EMPTY}', ''],
    ['$${A}', '${A}'],
    ['$$${A}', '$${A}'],
    ['$A $', '$A $'],
    ['${file:/run/secret}', 's3cret'],
    ['${file:here/secret}', 'two\n'],
    ['${RAW}', '${A}'],
  ])('%s becomes %s', async (text, expected) => {
    const env = { A: 'one', B: 'two', EMPTY: '', RAW: '${A}' };
    expect(await replaced(text, env, { '/run/secret': 's3cret\n', '/etc/here/secret': 'two\n\n' })).toBe(
      expected,
    );
  });

  it.each(['${NONE}', '${file:/none}', '${', '${1A}', '${A', '${}'])('%s is refused', async (text) => {
    expect(await replaced(text)).toEqual([expect.stringContaining(' — ')]);
  });

  it('are replaced once: whatever a value holds arrives as it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string(),
        fc.string(),
        fc.string({ unit: fc.constantFrom('$', '{', '}', 'A', ':') }),
        async (before, after, value) => {
          const plain = (text: string) => text.replaceAll('$', '');
          const text = `${plain(before)}\${A}${plain(after)}`;
          expect(await replaced(text, { A: value })).toBe(`${plain(before)}${value}${plain(after)}`);
        },
      ),
    );
  });

  it('leave text as it is when every ${ in it is doubled', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: fc.constantFrom('{', '}', 'A', ':', ' ', '${') }), async (text) => {
        expect(await replaced(text.replaceAll('${', () => '$${'))).toBe(text);
      }),
    );
  });
});

describe('a value that is one whole reference', () => {
  const text = (port: string) =>
    `listeners: [{ port: "${port}" }]\nmetrics: "\${METRICS}"\nroutes: [{ id: "\${ID}", path: /x, respond: { status: "\${STATUS}" }, policies: [limit: { maximum: "\${MAX:-9}" }] }]\n`;
  const env = { PORT: '8081', METRICS: 'false', ID: '42', STATUS: '201', MAX: '7' };

  it('takes the type of its place', async () => {
    const config = await configOf(text('${PORT}'), { env });
    expect(config).toMatchObject({
      listeners: [{ port: 8081 }],
      metrics: false,
      routes: [{ id: '42', respond: { status: 201 }, policies: [{ options: { maximum: 7 } }] }],
    });
  });

  it('is refused, unseen, when it cannot have that type', async () => {
    const problems = await problemsOf(text('${PORT}'), { env: { ...env, PORT: 'eighty-eighty' } });
    expect(problems).toEqual([
      '1:21 listeners[0].port: is not a port — write a whole number from 0 to 65535',
    ]);
  });

  it('stays text when it is only a part', async () => {
    expect(await problemsOf(text('8${PORT}'), { env })).toHaveLength(1);
  });
});

describe('a missing variable', () => {
  it('is reported once, whatever its place asks for', async () => {
    const text = `listeners: [{ port: "\${PORT}" }]\ntrustedProxies: ["\${LB}"]\nroutes: [{ id: r, path: "\${P}", upstream: "\${U}" }]\n`;
    expect(await problemsOf(text)).toEqual([
      '1:21 listeners[0].port: the environment has no variable PORT — set it, or write ${PORT:-default}',
      '2:18 trustedProxies[0]: the environment has no variable LB — set it, or write ${LB:-default}',
      '3:25 routes[0].path: the environment has no variable P — set it, or write ${P:-default}',
      '3:43 routes[0].upstream: the environment has no variable U — set it, or write ${U:-default}',
    ]);
  });
});

describe('a secret', () => {
  const SECRET = 'hunter2hunter2';

  it('is in no message, wherever it is wrong', async () => {
    const everywhere = `
listeners: [{ port: "\${S}", host: "\${S} ", limits: { headerBytes: "\${S}" }, tls: { certificates: [{ certFile: "\${S}", keyFile: "\${S}" }] } }]
trustedProxies: ["\${S}"]
upstreams: { a: { targets: ["\${S}"], balance: "\${S}" }, b: "\${S}" }
policies: ["\${S}", limit: { maximum: "\${S}", id: 5 }]
customPolicies: { acme/x: "\${S}" }
routes:
  - { id: "\${S}", path: "\${S}", methods: ["\${S}"], upstream: "\${S}", rewrite: "\${S}", timeout: "\${S}" }
  - { id: "\${S}", path: "/\${S}/:x", upstream: "\${S}", rewrite: "/{params.\${S}}" }
  - { id: c, path: "/\${S}/:x", redirect: { path: "/{\${S}}", status: "\${S}", scheme: "\${S}" } }
`;
    const problems = await problemsOf(everywhere, { env: { S: SECRET } });
    expect(problems.length).toBeGreaterThan(20);
    expect(problems.join('\n')).not.toContain(SECRET);
  });

  it.each(['S', 'SHORT'])('is in no message of a policy that quotes what it was given (%s)', async (name) => {
    const env = { S: SECRET, SHORT: 'abc' };
    const problems = await problemsOf(`listeners: [{ port: 0 }]\npolicies: ["\${${name}}"]\n`, { env });
    expect(problems).toEqual([expect.stringContaining('policies[0]: is not valid — ')]);
  });

  it('is in no description of what runs', async () => {
    const result = await loadText(
      `listeners: [{ port: 0 }]\nadmin: { token: written-in-the-file }\nroutes: [{ id: r, path: /x, respond: { headers: { X-Key: "Key \${S}" }, body: plain } }]\n`,
      { env: { S: SECRET } },
    );
    if (!result.ok) throw new Error('the configuration is bad');
    const described = JSON.stringify(redactConfig(result.config, result.secrets));
    expect(described).not.toMatch(/hunter2|written-in-the-file/);
    expect(described).toContain('plain');
  });
});

describe('text', () => {
  it.each(['1', 'true', '{params.id}'])(
    'is asked to be quoted where YAML reads %s as something else',
    async (value) => {
      const [problem] = await problemsOf(withRoutes(`{ id: r, path: /:id, upstream: a, rewrite: ${value} }`));
      expect(problem).toMatch(/routes\[0\].rewrite: is .+ where text is due — quote it$/);
    },
  );
});
