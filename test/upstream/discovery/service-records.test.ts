import { type Answer, decode, encode, type Packet, streamEncode } from 'dns-packet';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createQuery, readReply } from '../../../src/upstream/discovery/dns-message.ts';
import { findServiceRecords } from '../../../src/upstream/discovery/service-records.ts';
import { Dnsmasq, type DnsZone } from '../../support/dnsmasq.ts';
import { fc } from '../../support/fast-check.ts';
import { reserveNobody } from '../../support/loopback.ts';
import { askRealDns, type DnsScript, ScriptedDns } from '../../support/scripted-dns.ts';
import { ManualClock } from './manual-clock.ts';

const NAME = '_http._tcp.orders.test';
const ZONE: DnsZone = { services: [`${NAME},a.test,8001,1,3`], ttl: 7 };
const RECORD = { name: 'a.test', port: 8001, priority: 1, weight: 3 };
const TRUNCATED = 0x0200;

function find(...servers: readonly string[]) {
  const clock = new ManualClock();
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const settings = { servers, tries: 2, timeoutMs: 2000, clock, signal: leaving.signal };
  const found = findServiceRecords(NAME, settings);
  // Some tests look at it late.
  found.catch(() => {});
  return { clock, found, leave: () => leaving.abort(new Error('left')) };
}

async function startDns(zone: DnsZone = ZONE): Promise<Dnsmasq> {
  const dns = await Dnsmasq.start(zone);
  onTestFinished(() => dns.close());
  return dns;
}

async function startScript(script: DnsScript): Promise<ScriptedDns> {
  const dns = await ScriptedDns.start(script);
  onTestFinished(() => dns.close());
  return dns;
}

const srv = (target: string, ttl: number, port = 8001): Answer => ({
  type: 'SRV',
  name: NAME,
  ttl,
  data: { target, port, priority: 1, weight: 3 },
});

/** An answer to `query` that holds these records. */
function respondTo(query: Buffer, answers: Answer[], changes: Partial<Packet> = {}): Buffer {
  const { id = 0, questions = [] } = decode(query);
  return encode({ type: 'response', id, questions, answers, ...changes });
}

const withPrefix = (message: Buffer): Buffer => streamEncode(decode(message));

describe('the SRV records of a name', () => {
  it('come with their time to live, which node:dns does not tell', async () => {
    const dns = await startDns();
    expect(await find(dns.server).found).toEqual({ records: [RECORD], ttlSeconds: 7 });
  });

  it('come by TCP where a datagram does not hold them, all of them', async () => {
    const services = Array.from({ length: 80 }, (_, i) => `${NAME},node-${i}.orders.test,8001,1,3`);
    const dns = await startDns({ services, ttl: 7 });
    const { records, ttlSeconds } = await find(dns.server).found;
    expect(new Set(records.map(({ name }) => name)).size).toBe(80);
    expect(ttlSeconds).toBe(7);
    const datagram = await askRealDns(dns.server, createQuery(NAME, true).bytes);
    expect(datagram.readUInt16BE(2) & TRUNCATED).toBe(TRUNCATED);
  });

  it('are good for the shortest time of the answer, that of an alias too', async () => {
    const alias: Answer = { type: 'CNAME', name: NAME, ttl: 30, data: '_http._tcp.other.test' };
    const dns = await startScript((query) => [
      respondTo(query, [alias, srv('a.test', 60), srv('b.test', 90)]),
    ]);
    expect(await find(dns.server).found).toMatchObject({
      records: [{ name: 'a.test' }, { name: 'b.test' }],
      ttlSeconds: 30,
    });
  });

  it('are good for no time where the highest bit is set', async () => {
    const dns = await startScript((query) => [respondTo(query, [srv('a.test', 0x8000_0001)])]);
    expect(await find(dns.server).found).toMatchObject({ ttlSeconds: 0 });
  });
});

describe('an answer to another question', () => {
  const forgeries: [string, (query: Buffer) => Buffer][] = [
    [
      'with another id',
      (query) => respondTo(query, [srv('evil.test', 1)], { id: ((decode(query).id ?? 0) + 1) & 0xffff }),
    ],
    [
      'for another name',
      (query) => respondTo(query, [srv('evil.test', 1)], { questions: [{ type: 'SRV', name: 'evil.test' }] }),
    ],
    [
      'for another type',
      (query) => respondTo(query, [srv('evil.test', 1)], { questions: [{ type: 'A', name: NAME }] }),
    ],
    ['for no question', (query) => respondTo(query, [srv('evil.test', 1)], { questions: [] })],
    ['that is a question itself', (query) => respondTo(query, [srv('evil.test', 1)], { type: 'query' })],
    [
      'that is cut off with another id',
      (query) => respondTo(query, [], { id: ((decode(query).id ?? 0) + 1) & 0xffff, flags: TRUNCATED }),
    ],
    ['that is not a message', () => Buffer.from('hello')],
    ['that ends within a record', (query) => respondTo(query, [srv('evil.test', 1)]).subarray(0, -3)],
  ];

  it.each(forgeries)('is not heard: %s', async (_, forge) => {
    const real = await startDns();
    const forger = await startScript(async (query) => [forge(query), await askRealDns(real.server, query)]);
    expect(await find(forger.server).found).toEqual({ records: [RECORD], ttlSeconds: 7 });
  });

  it('by TCP ends that attempt', async () => {
    const dns = await startScript((query, transport) =>
      transport === 'udp'
        ? [respondTo(query, [], { flags: TRUNCATED })]
        : [
            withPrefix(
              respondTo(query, [srv('evil.test', 1)], { id: ((decode(query).id ?? 0) + 1) & 0xffff }),
            ),
          ],
    );
    await expect(find(dns.server).found).rejects.toMatchObject({ code: 'EBADRESP' });
  });

  it('is hard to forge: each question has a port and an id of its own', async () => {
    const dns = await startScript((query) => [respondTo(query, [srv('a.test', 1)])]);
    for (let i = 0; i < 8; i++) await find(dns.server).found;
    expect(new Set(dns.queries.map(({ port }) => port)).size).toBeGreaterThan(4);
    expect(new Set(dns.queries.map(({ query }) => query.readUInt16BE(0))).size).toBeGreaterThan(4);
  });
});

describe('an answer by TCP', () => {
  const startTruncating = (script: (answer: Buffer) => readonly Buffer[]) =>
    startScript((query, transport) => {
      if (transport === 'udp') return [respondTo(query, [], { flags: TRUNCATED })];
      return script(withPrefix(respondTo(query, [srv('a.test', 7)])));
    });

  it('may come in any pieces', async () => {
    const dns = await startTruncating((answer) => Array.from(answer, (_, i) => answer.subarray(i, i + 1)));
    expect(await find(dns.server).found).toEqual({ records: [RECORD], ttlSeconds: 7 });
  });

  it('that ends too soon is none', async () => {
    const dns = await startTruncating((answer) => [answer.subarray(0, -1)]);
    await expect(find(dns.server).found).rejects.toMatchObject({ code: 'EBADRESP' });
  });

  it('is waited for as long as one by UDP, and no connection stays open', async () => {
    const dns = await startTruncating(() => []);
    const { clock, found } = find(dns.server);
    for (const messages of [2, 4]) {
      await dns.asked(messages);
      await clock.pass(2000);
    }
    await expect(found).rejects.toMatchObject({ code: 'ETIMEOUT' });
    while (dns.openStreams > 0) await new Promise(setImmediate);
    expect(clock.planned()).toEqual([]);
  });
});

describe('a server', () => {
  it('that is silent hands over to the next one, after its time', async () => {
    const silent = await startScript(() => []);
    const { clock, found } = find(silent.server, (await startDns()).server);
    await silent.asked(1);
    await clock.pass(2000);
    expect(await found).toEqual({ records: [RECORD], ttlSeconds: 7 });
    expect(silent.queries).toHaveLength(1);
    expect(clock.planned()).toEqual([]);
  });

  it('that is not there hands over at once', async () => {
    const gone = (await reserveNobody()).url.replace('http://', '');
    const { clock, found } = find(gone, (await startDns()).server);
    expect(await found).toMatchObject({ records: [RECORD] });
    expect(clock.planned()).toEqual([]);
  });

  it.each([
    ['fails', 2],
    ['does not know the kind of question', 4],
    ['refuses', 5],
  ])('that %s hands over at once', async (_, code) => {
    const bad = await startScript((query) => [respondTo(query, [], { flags: code })]);
    expect(await find(bad.server, (await startDns()).server).found).toMatchObject({ records: [RECORD] });
  });

  it('that does not know EDNS is asked without it', async () => {
    const old = await startScript((query) =>
      (decode(query).additionals ?? []).length > 0
        ? [respondTo(query, [], { flags: 1 })]
        : [respondTo(query, [srv('a.test', 7)])],
    );
    expect(await find(old.server).found).toEqual({ records: [RECORD], ttlSeconds: 7 });
    expect(old.queries).toHaveLength(2);
  });

  it('that does not know the name is believed', async () => {
    const [knowing, other] = [await startDns({}), await startScript(() => [])];
    await expect(find(knowing.server, other.server).found).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(other.queries).toHaveLength(0);
  });

  it('that knows the name but no service is believed', async () => {
    const dns = await startDns({ hosts: [`127.0.0.2 ${NAME}`] });
    await expect(find(dns.server).found).rejects.toMatchObject({ code: 'ENODATA' });
  });

  it('is asked twice before it counts as silent', async () => {
    const silent = await startScript(() => []);
    const { clock, found } = find(silent.server);
    for (const times of [1, 2]) {
      await silent.asked(times);
      await clock.pass(2000);
    }
    await expect(found).rejects.toMatchObject({ code: 'ETIMEOUT' });
    expect(silent.queries).toHaveLength(2);
  });

  it('is left at once when nobody wants to know any more', async () => {
    const silent = await startScript(() => []);
    const { clock, found, leave } = find(silent.server);
    await silent.asked(1);
    leave();
    await expect(found).rejects.toThrow('left');
    expect(clock.planned()).toEqual([]);
  });
});

describe('whatever bytes come', () => {
  const query = createQuery(NAME, true);
  const whole = respondTo(query.bytes, [srv('a.test', 7), srv('b.test', 7)]);

  it('reading them throws nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        expect(readReply(Buffer.from(bytes), query)).toBe('foreign');
      }),
    );
  });

  it('neither does an answer of which some are others', () => {
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.nat(whole.length),
        (changes, length) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of changes) bytes[at] = value;
          readReply(bytes.subarray(0, length), query);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
