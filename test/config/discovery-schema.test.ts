import { describe, expect, it } from 'vitest';
import { configOf, problemsOf } from './load-text.ts';

const FILES = { 'kube.yaml': '', 'app.ts': '' };

const gateway = (upstream: string): string =>
  `listeners: [{ port: 0 }]\nroutes: [{ id: r, path: /, upstream: x }]\nupstreams:\n  x: ${upstream}\n`;

async function discoveryOf(discovery: string): Promise<unknown> {
  const config = await configOf(gateway(`{ discovery: ${discovery} }`), { files: FILES });
  return config.upstreams.x?.discovery;
}

describe('discovery', () => {
  it.each([
    ['{ dns: { name: orders.test, port: 80 } }', { dns: { name: 'orders.test', type: 'A', port: 80 } }],
    [
      '{ dns: { name: _http._tcp.orders.test, type: SRV, servers: ["10.0.0.53", "[::1]:5353"], refresh: 30s } }',
      {
        dns: {
          name: '_http._tcp.orders.test',
          type: 'SRV',
          servers: ['10.0.0.53', '[::1]:5353'],
          refresh: 30_000,
        },
      },
    ],
    [
      '{ kubernetes: { namespace: shop, service: orders, port: http } }',
      { kubernetes: { namespace: 'shop', service: 'orders', port: 'http' } },
    ],
    [
      '{ kubernetes: { namespace: shop, service: orders, port: 8080, zone: a, kubeconfig: ./kube.yaml } }',
      {
        kubernetes: {
          namespace: 'shop',
          service: 'orders',
          port: 8080,
          zone: 'a',
          kubeconfig: '/etc/sallyport/kube.yaml',
        },
      },
    ],
    [
      '{ consul: { url: "http://127.0.0.1:8500", service: orders, tag: v2 } }',
      { consul: { url: 'http://127.0.0.1:8500', service: 'orders', tag: 'v2' } },
    ],
    ['{ file: ./targets.yaml }', { file: '/etc/sallyport/targets.yaml' }],
  ])('may be %s', async (discovery, meaning) => {
    expect(await discoveryOf(discovery)).toEqual(meaning);
  });

  it.each([
    ['{}', /discovery: needs exactly one kind — set one of dns, kubernetes, consul and file/],
    ['{ file: ./a.json, dns: { name: a, port: 80 } }', /discovery: needs exactly one kind/],
    ['{ file: ./targets.txt }', /discovery\.file: is in no format that is known — name it \.yaml or \.json/],
    ['{ dns: { name: "a..b", port: 80 } }', /dns\.name: is not a DNS name — write it like orders\.internal/],
    [`{ dns: { name: ${'a'.repeat(64)}.test, port: 80 } }`, /dns\.name: is not a DNS name/],
    [`{ dns: { name: ${'a.'.repeat(127)}test, port: 80 } }`, /dns\.name: is not a DNS name/],
    ['{ dns: { name: a } }', /dns\.port: is missing — set the port of the targets/],
    [
      '{ dns: { name: a, type: SRV, port: 80 } }',
      /dns\.port: has no effect, since SRV records carry their own/,
    ],
    ['{ dns: { name: a, port: 0 } }', /dns\.port: is not a port — write a whole number from 1 to 65535/],
    ['{ dns: { name: "http://a", port: 80 } }', /dns\.name: is not a DNS name/],
    ['{ dns: { name: a, port: 80, servers: [resolver] } }', /servers\[0\]: is not a name server/],
    ['{ dns: { name: a, port: 80, refresh: 1h } }', /refresh: is not between 1s and 5m/],
    ['{ kubernetes: { namespace: shop, service: "a/b", port: http } }', /service: is not a Kubernetes name/],
    ['{ kubernetes: { namespace: shop, service: a, port: "80" } }', /port: is not a port/],
    ['{ kubernetes: { namespace: shop, service: a } }', /kubernetes\.port: is missing/],
    [
      '{ kubernetes: { namespace: shop, service: a, port: 1, kubeconfig: ./gone } }',
      /kubeconfig: names a file that cannot be read \(ENOENT\)/,
    ],
    ['{ consul: { url: "127.0.0.1:8500", service: a } }', /consul\.url: is not the URL of Consul/],
    ['{ cosul: {} }', /there is no setting 'cosul' here — did you mean 'consul'\?/],
  ])('is refused with its place: %s', async (discovery, problem) => {
    const problems = await problemsOf(gateway(`{ discovery: ${discovery} }`), { files: FILES });
    expect(problems.join('\n')).toMatch(problem);
  });

  it.each([
    ['targets', 'targets: ["http://a:1"], discovery: { file: ./a.json }', 'discovery: stands beside targets'],
    ['an app', 'discovery: { file: ./a.json }, app: ./app.ts', 'app: stands beside discovery'],
  ])('does not stand beside %s', async (_, settings, problem) => {
    const problems = await problemsOf(gateway(`{ ${settings} }`), { files: FILES });
    expect(problems.join('\n')).toContain(problem);
  });
});
