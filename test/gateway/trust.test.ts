import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { KNOWN_FIELDS } from '../../src/core/field-kind.ts';
import { isClaimedField, isOverrideField } from '../../src/core/fields/claimed-fields.ts';
import { rawRequest, startGatewayTo, startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { readOnly } from '../support/raw-responses.ts';

/** The guide's tables, which hold for the gateway: a line that is changed there is tried as it then stands. */
const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/guide/trust.md'), 'utf8');

function tableIn(section: string): string[][] {
  const [, rest = ''] = page.split(`\n## ${section}\n`);
  const lines = (rest.split('\n## ')[0] as string).split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const rows = tableIn('Fields of a request').map(([names = '', anybody, trusted, named, why = '']) => ({
  names: [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string),
  outcomes: { anybody, trusted, named } as Record<Peer, string>,
  isAllowable: why.includes('`allowOverrides`'),
}));
const fields = rows.flatMap(({ names, ...row }) => names.map((name) => ({ name, ...row })));

type Peer = 'anybody' | 'trusted' | 'named';
const HOST = 'shop.example:8080';
const policy = join(root, 'test/gateway/fixtures/seen-fields-policy.ts');
const writes = fields.filter(({ outcomes }) => outcomes.named !== 'rejected').map(({ name }) => name);
const USUAL = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-port'];
const PEERS: Record<Peer, TestConfig> = {
  anybody: {},
  trusted: { trustedProxies: [`${LOOPBACK}/32`, '127.0.0.1'] },
  named: { trustedProxies: { addresses: [`${LOOPBACK}/32`, '127.0.0.1'], writes } },
};

/** Values that are well formed for what the gateway reads. */
const CLAIMS: Readonly<Record<string, string>> = {
  host: 'other.example',
  'x-forwarded-for': '192.0.2.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-port': '8443',
  'x-forwarded-host': 'public.example',
};
/** What the gateway says itself, where it says something. */
const OWN: Readonly<Record<string, RegExp>> = {
  'x-forwarded-for': /^127\.[\d.]+$/,
  'x-forwarded-proto': /^http$/,
  'x-forwarded-host': /^shop\.example:8080$/,
};

type Field = readonly [name: string, value: string];
interface Outcome {
  readonly sent: readonly Field[];
  readonly seen: readonly Field[];
}

async function startTrying(config: TestConfig) {
  const target = await startTarget((_, response) => response.end('x'));
  const gateway = await startGatewayTo(target, {
    ...config,
    customPolicies: { 'test/seen': policy },
    policies: ['test/seen'],
  } as TestConfig);
  const close = () => Promise.all([gateway.close(), target.close()]);
  const send = async (name: string, value: string): Promise<Outcome> => {
    const others = name === 'host' ? '' : `Host: ${HOST}\r\n`;
    const upgrade = name === 'upgrade' || name === 'te' ? `Connection: close, ${name}` : 'Connection: close';
    const answer = readOnly(
      await rawRequest(gateway.port, `GET / HTTP/1.1\r\n${others}${upgrade}\r\n${name}: ${value}\r\n\r\n`),
    );
    const raw = target.requests.at(-1)?.rawHeaders ?? [];
    const sent = raw.flatMap((each, i): Field[] =>
      i % 2 === 0 ? [[each.toLowerCase(), raw[i + 1] as string]] : [],
    );
    return { sent, seen: JSON.parse(Buffer.from(answer.headers['x-seen'] ?? '', 'base64').toString()) };
  };
  return { send, close };
}

const valuesOf = (list: readonly Field[], name: string): string[] =>
  list.filter(([other]) => other === name).map(([, value]) => value);

function judge(outcome: string, name: string, claim: string, { sent, seen }: Outcome): void {
  const [values, seenValues] = [valuesOf(sent, name), valuesOf(seen, name)];
  switch (outcome) {
    case 'dropped':
      expect(values).toEqual([]);
      expect(seenValues).toEqual([]);
      return;
    case 'replaced':
      expect(values).toEqual([expect.stringMatching(OWN[name] as RegExp)]);
      // Nothing, or what is sent.
      expect(values).toEqual(expect.arrayContaining(seenValues));
      return;
    case 'extended':
      expect(values.join(', ')).toMatch(new RegExp(`^${claim}, .`));
      expect(seenValues).toEqual([claim]);
      return;
    case 'believed':
    case 'passed on':
      expect(values).toEqual([claim]);
      expect(seenValues).toEqual([claim]);
      return;
    default:
      throw new Error(`the table says '${outcome}' of ${name}, which is not an outcome`);
  }
}

describe.each(Object.keys(PEERS) as Peer[])('from %s', (peer) => {
  let gateway: Awaited<ReturnType<typeof startTrying>>;
  beforeAll(async () => {
    gateway = await startTrying(PEERS[peer]);
    return gateway.close;
  });

  it.each(fields.filter(({ outcomes }) => outcomes[peer] !== 'rejected'))(
    'what becomes of $name is what the page says',
    async ({ name, outcomes }) => {
      const claim = CLAIMS[name] ?? 'claim-1';
      judge(outcomes[peer], name, claim, await gateway.send(name, claim));
    },
  );

  it.each(
    fields.filter(({ outcomes }) => outcomes.anybody !== 'passed on' && outcomes.anybody !== 'believed'),
  )('no other spelling of $name passes', async ({ name }) => {
    for (const sign of ['_', '.']) {
      const spelt = name.replace('-', sign);
      if (spelt === name) continue;
      const { sent, seen } = await gateway.send(spelt.toUpperCase(), 'claim-2');
      expect([...sent, ...seen].filter(([, value]) => value.includes('claim-2'))).toEqual([]);
    }
  });
});

describe('what anybody may send where `allowOverrides` names it', () => {
  const allowed = fields.filter(({ isAllowable }) => isAllowable).map(({ name }) => name);
  let gateway: Awaited<ReturnType<typeof startTrying>>;
  beforeAll(async () => {
    gateway = await startTrying({ allowOverrides: allowed });
    return gateway.close;
  });

  it.each(allowed)('%s', async (name) =>
    judge('passed on', name, 'claim-1', await gateway.send(name, 'claim-1')),
  );

  it('is no other field', async () => {
    for (const name of ['x-real-ip', 'x-forwarded-host', 'x-ssl-client-cert', 'x-auth-subject'])
      judge(
        name === 'x-forwarded-host' ? 'replaced' : 'dropped',
        name,
        'claim-1',
        await gateway.send(name, 'claim-1'),
      );
  });
});

describe('`writes`', () => {
  it.each(fields.filter(({ outcomes }) => outcomes.named === 'rejected').map(({ name }) => name))(
    'refuses %s',
    async (name) => {
      const target = await startTarget();
      const trustedProxies = { addresses: ['127.0.0.1'], writes: [name] };
      await expect(startGatewayTo(target, { trustedProxies })).rejects.toMatchObject({
        problems: [{ path: 'trustedProxies.writes[0]', message: expect.stringContaining('is not a field') }],
      });
    },
  );

  it('is, where only addresses are written, what the page says', () => {
    const usual = fields.filter(({ outcomes: { anybody, trusted, named } }) => {
      return trusted === named && trusted !== anybody;
    });
    expect(usual.map(({ name }) => name).sort()).toEqual([...USUAL].sort());
  });
});

describe('the page', () => {
  const known = Object.keys(KNOWN_FIELDS).filter(isClaimedField);

  it.each(known)('names %s', (name) => expect(fields.map((field) => field.name)).toContain(name));

  it('says of every override that `allowOverrides` lets it through, and of nothing else', () => {
    for (const { name, isAllowable } of fields) expect([name, isAllowOf(name)]).toEqual([name, isAllowable]);
  });

  it.each(
    [...tableIn('The rest of a request'), ...tableIn('From the other sides')].map((row) => [row[0], row]),
  )('says of %s who may set it, what is checked and what is dropped, and names the test', (_, row) => {
    expect(row).toHaveLength(5);
    const [, who, checked = '', dropped = '', test = ''] = row;
    expect(who).not.toBe('');
    expect(checked + dropped).not.toBe('');
    expect(existsSync(join(root, test.replaceAll('`', ''))), test).toBe(true);
  });
});

const isAllowOf = (name: string): boolean => isOverrideField(name);

it('`Destination` and `_method` are the service’s to judge', async () => {
  const target = await startTarget((_, response) => response.end('x'));
  const { port } = await startGatewayTo(target);
  await rawRequest(
    port,
    `MOVE /a?_method=DELETE HTTP/1.1\r\nHost: a\r\nConnection: close\r\nDestination: /b\r\n\r\n`,
  );
  expect(target.requests[0]?.headers.destination).toBe('/b');
  expect(target.requests[0]?.url).toBe('/a?_method=DELETE');
});
