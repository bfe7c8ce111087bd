import { afterEach, describe, expect, it } from 'vitest';
import { type ConsulSettings, createConsulSource } from '../../../src/upstream/discovery/consul-source.ts';
import { type ConsulEntry, FakeConsul } from '../../support/fake-consul.ts';
import { LOOPBACK } from '../../support/loopback.ts';
import { ManualClock } from './manual-clock.ts';
import { ObservedSource } from './observed-source.ts';

const WAIT_MS = 60_000;
/** Until a question counts as lost: the wait, a sixteenth that Consul adds, and ten seconds. */
const LOST_MS = 73_750;

const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function startConsul() {
  const clock = new ManualClock();
  const consul = await FakeConsul.start(clock);
  stops.push(() => consul.stop().catch(() => {}));
  const discover = (settings: Partial<ConsulSettings> = {}) => {
    const services = { clock, random: () => 0 };
    const source = new ObservedSource(
      createConsulSource({ url: consul.url, service: 'orders', ...settings }, services),
    );
    stops.push(() => source.close());
    return source;
  };
  return { clock, consul, discover };
}

const entry = (Address: string, Port = 80): ConsulEntry => ({ Service: { Address, Port } });

/** A Consul with one instance, found, and a question that waits for changes. */
async function startBlocked() {
  const started = await startConsul();
  started.consul.set([entry('10.0.0.1')]);
  const source = started.discover();
  await source.nextHosts();
  await started.consul.calls.next();
  await started.clock.pass(1000);
  await started.consul.calls.next();
  return { ...started, source };
}

describe('Consul discovery', () => {
  it('asks for the passing instances, then waits for what comes after the index it got', async () => {
    const { clock, consul, discover } = await startConsul();
    consul.set([entry('10.0.0.1', 8001)], 42);
    const source = discover();
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8001']);
    expect(await consul.calls.next()).toEqual({
      path: '/v1/health/service/orders',
      query: { passing: '1' },
      token: undefined,
    });
    await clock.pass(1000);
    expect(await consul.calls.next()).toMatchObject({ query: { passing: '1', index: '42', wait: '60s' } });
    consul.set([entry('10.0.0.2', 8002)]);
    expect(await source.nextHosts()).toEqual(['10.0.0.2:8002']);
  });

  it('sends token, tag and datacenter', async () => {
    const { consul, discover } = await startConsul();
    discover({ service: 'orders/eu', token: 'secret', tag: 'v2', datacenter: 'dc1' });
    expect(await consul.calls.next()).toEqual({
      path: '/v1/health/service/orders%2Feu',
      query: { passing: '1', tag: 'v2', dc: 'dc1' },
      token: 'secret',
    });
  });

  it('takes the address of the node where the service has none, and the weight for passing', async () => {
    const { consul, discover } = await startConsul();
    const Weights = { Passing: 3, Warning: 1 };
    consul.set([{ Node: { Address: '10.0.0.9' }, Service: { Address: '', Port: 80, Weights } }]);
    expect(await discover().next()).toEqual({ found: [{ host: '10.0.0.9', port: 80, weight: 3 }] });
  });

  it('leaves out an instance without a port, and says so', async () => {
    const { consul, discover } = await startConsul();
    consul.set([entry('10.0.0.1'), entry('10.0.0.2', 0)]);
    expect(await discover().next()).toEqual({
      found: [{ host: '10.0.0.1', port: 80 }],
      remark: "an instance of 'orders' has no address or port — correct its registration",
    });
  });

  it('says so when no instance passes', async () => {
    const { discover } = await startConsul();
    expect(await discover().next()).toEqual({
      found: [],
      remark: "Consul lists no passing instance of 'orders' — check its name and checks",
    });
  });
});

describe('a blocking query', () => {
  it('that comes back unchanged is asked again with the same index', async () => {
    const { clock, consul } = await startBlocked();
    await clock.pass(WAIT_MS);
    // More than a second ago: the next one may go at once.
    await clock.pass(0);
    expect((await consul.calls.next()).query.index).toBe('11');
  });

  it.each([
    ['goes back, as after a restore', 3],
    ['is 0', 0],
  ])('begins again without an index when it %s', async (_, index) => {
    const { clock, consul, source } = await startBlocked();
    consul.set([entry('10.0.0.2')], index);
    expect(await source.nextHosts()).toEqual(['10.0.0.2:80']);
    await clock.pass(1000);
    expect((await consul.calls.next()).query).toEqual({ passing: '1' });
  });

  it('is asked at most once a second, though every one is answered at once', async () => {
    const { clock, consul, source } = await startBlocked();
    for (let i = 0; i < 5; i++) {
      consul.set([entry('10.0.0.1'), entry(`10.0.1.${i}`)]);
      await source.nextHosts();
      await clock.until(1000);
      expect(consul.calls.pending).toEqual([]);
      clock.advance(1000);
      await consul.calls.next();
    }
  });

  it('that is never answered is given up', async () => {
    const { clock, consul, source } = await startBlocked();
    consul.hangs = true;
    consul.answerBlocked();
    await source.nextHosts();
    await clock.pass(1000);
    await consul.calls.next();
    await clock.pass(LOST_MS);
    expect(await source.nextFailure()).toContain('no response within');
    await clock.until(1000);
  });
});

describe('a Consul that refuses or is away', () => {
  it('is asked again with growing pauses, and from the beginning when it is back', async () => {
    const { clock, consul, source } = await startBlocked();
    const port = await consul.stop();
    await source.nextFailure();
    await clock.pass(1000);
    expect(await source.nextFailure()).toBe(
      `Consul at http://${LOOPBACK}:${port}: cannot be reached (ECONNREFUSED) — check the URL`,
    );
    await clock.until(2000);
    await consul.listen(port);
    clock.advance(2000);
    expect(await source.nextHosts()).toEqual(['10.0.0.1:80']);
    expect((await consul.calls.next()).query.index).toBeUndefined();
  });

  it.each([
    [403, 'ACL not found', 'rejects the token (403) — give it service:read'],
    [500, 'No cluster leader', 'answers 500 (No cluster leader) — see its log'],
    [200, '<html>', 'the response does not come from Consul — check the URL'],
    [200, '{}', 'the response does not come from Consul'],
    [200, '[null]', 'the response does not come from Consul'],
  ])('is named when it answers %i %s', async (status, body, words) => {
    const { clock, consul, discover } = await startConsul();
    consul.reply = { status, body };
    expect(await discover({ token: 'secret' }).nextFailure()).toContain(words);
    await clock.until(1000);
  });
});

describe('a closed Consul discovery', () => {
  it('ends the question that waits and its timers, and reports nothing', async () => {
    const { clock, consul, source } = await startBlocked();
    source.close();
    await consul.allClosed();
    expect(clock.planned()).toEqual([]);
    expect(source.reports.pending).toEqual([]);
  });
});
