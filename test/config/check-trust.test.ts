import { describe, expect, it } from 'vitest';
import { loadText } from './load-text.ts';

async function load(written: string) {
  const result = await loadText(`listeners: [{ port: 0 }]\n${written}\n`, {});
  return result.ok
    ? { config: result.config, told: result.warnings.map(({ path, message }) => `${path}: ${message}`) }
    : { told: result.problems.map(({ path, message }) => `${path}: ${message}`) };
}

describe('trusted proxies', () => {
  it.each([
    ['trustedProxies: [10.0.0.0/8]', ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-port']],
    [
      'trustedProxies: { addresses: [10.0.0.0/8] }',
      ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-port'],
    ],
    [
      'trustedProxies: { addresses: [10.0.0.0/8], writes: [X-Forwarded-Host, x-real-ip] }',
      ['x-forwarded-host', 'x-real-ip'],
    ],
    ['trustedProxies: { addresses: [10.0.0.0/8], writes: [] }', []],
  ])('%s say what they write', async (written, writes) => {
    const { config, told } = await load(written);
    expect(told).toEqual([]);
    expect(config?.trustedProxies).toEqual({ addresses: ['10.0.0.0/8'], writes });
  });

  it.each([
    ['trustedProxies: [0.0.0.0/0, 10.0.0.0/8]', 'trustedProxies[0]'],
    ['trustedProxies: { addresses: [10.0.0.0/8, "::/0"] }', 'trustedProxies.addresses[1]'],
    ['trustedProxies: [0.0.0.0/1]', 'trustedProxies[0]'],
    ['trustedProxies: ["2000::/3"]', 'trustedProxies[0]'],
  ])('%s deserve a look, since clients are among them', async (written, place) => {
    expect((await load(written)).told).toEqual([
      `${place}: trusts clients as well, who then say for themselves which address they have`,
    ]);
  });

  it('may be whole private networks', async () => {
    const { told } = await load(
      'trustedProxies: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, "fc00::/7", 192.0.2.7]',
    );
    expect(told).toEqual([]);
  });
});

describe('a mistake', () => {
  it.each([
    ['trustedProxies: { writes: [x-real-ip] }', 'trustedProxies.addresses: is missing'],
    [
      'trustedProxies: { addresses: [10.0.0.0/8], writes: [authorization] }',
      'trustedProxies.writes[0]: is not a field',
    ],
    ['trustedProxies: { addresses: [x], writes: [] }', 'trustedProxies.addresses[0]: is not an address'],
    [
      'trustedProxies: { addresses: [], write: [] }',
      "trustedProxies.write: there is no setting 'write' here",
    ],
    [
      'allowOverrides: [x-real-ip]',
      'allowOverrides[0]: is not a field that is dropped for taking another method',
    ],
  ])('in %s is told in its place', async (written, problem) => {
    expect((await load(written)).told).toEqual([expect.stringContaining(problem)]);
  });
});
