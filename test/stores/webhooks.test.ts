import { createServer } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { deliverWebhook } from '../../src/stores/jobs/deliver-webhook.ts';
import { findDurabilityProblem } from '../../src/stores/jobs/job-durability.ts';
import { isPublicAddress, lookUpPublic } from '../../src/stores/jobs/public-address.ts';
import { signWebhook } from '../../src/stores/jobs/webhook-signature.ts';
import { LOOPBACK } from '../support/loopback.ts';

/** Finds these addresses for every name. */
const finding =
  (...addresses: string[]): LookupFunction =>
  (_, { all }, callback) => {
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    if (all) callback(null, found);
    else callback(null, addresses[0] as string, 4);
  };

describe('the address of a webhook', () => {
  it.each([
    ['8.8.8.8', true],
    ['2606:4700:4700::1111', true],
    ['127.0.0.1', false],
    ['10.1.2.3', false],
    ['100.64.0.1', false],
    ['169.254.169.254', false],
    ['172.31.255.255', false],
    ['172.32.0.1', true],
    ['192.168.0.1', false],
    ['0.0.0.0', false],
    ['224.0.0.1', false],
    ['255.255.255.255', false],
    ['::1', false],
    ['::', false],
    ['::ffff:127.0.0.1', false],
    ['::ffff:7f00:1', false],
    ['::ffff:8.8.8.8', true],
    ['64:ff9b::7f00:1', false],
    ['2002:7f00:1::', false],
    ['fc00::1', false],
    ['fe80::1', false],
    ['fe80::1%eth0', false],
    ['ff02::1', false],
    ['example.com', false],
    ['', false],
  ])('%s is public: %s', (address, isPublic) => {
    expect(isPublicAddress(address)).toBe(isPublic);
  });

  it('is none where one of those that a name has is not public', async () => {
    const ask = (...addresses: string[]) =>
      new Promise((resolve) =>
        lookUpPublic(finding(...addresses))('partner.example.com', { all: true }, (error, found) =>
          resolve(error?.message ?? found),
        ),
      );
    expect(await ask('8.8.8.8', '10.0.0.1')).toContain('is not public');
    expect(await ask()).toContain('is not public');
    expect(await ask('8.8.8.8')).toEqual([{ address: '8.8.8.8', family: 4 }]);
  });
});

describe('a delivery', () => {
  async function startReceiver(status: number, headers: Record<string, string> = {}) {
    let requests = 0;
    const server = createServer((request, response) => {
      requests++;
      request.resume();
      response.writeHead(status, headers).end('x');
    });
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    return { port, count: () => requests };
  }
  const post = (url: string, allowsPrivate: boolean, lookUp: LookupFunction) =>
    deliverWebhook({ url, headers: {}, body: '{}' }, { allowsPrivate, lookUp });

  it('connects to no private address, whether it is written or found, and where it may to the one that was found', async () => {
    const { port, count } = await startReceiver(204);
    const lookUp = finding(LOOPBACK);
    await expect(post(`http://${LOOPBACK}:${port}/`, false, lookUp)).rejects.toThrow('not public');
    await expect(post(`http://partner.example.com:${port}/`, false, lookUp)).rejects.toThrow('not public');
    await expect(post(`http://[::ffff:127.0.0.1]:${port}/`, false, lookUp)).rejects.toThrow('not public');
    await expect(post(`http://2130706433:${port}/`, false, lookUp)).rejects.toThrow('not public');
    expect(count()).toBe(0);
    expect(await post(`http://partner.example.com:${port}/`, true, lookUp)).toBe(204);
  });

  it('follows no redirect', async () => {
    const other = await startReceiver(204);
    const { port } = await startReceiver(307, { location: `http://${LOOPBACK}:${other.port}/` });
    expect(await post(`http://${LOOPBACK}:${port}/`, true, finding())).toBe(307);
    expect(other.count()).toBe(0);
  });

  it('is signed as Standard Webhooks says', () => {
    const headers = signWebhook(
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1_614_265_330,
      '{"test": 2432232314}',
    );
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });
});

describe('a Redis for jobs', () => {
  const info = (policy: string, maxmemory: number, aof: number) =>
    `# Memory\r\nmaxmemory:${maxmemory}\r\nmaxmemory_policy:${policy}\r\n# Persistence\r\naof_enabled:${aof}\r\n`;

  it.each([
    [info('noeviction', 100, 1), undefined],
    [info('allkeys-lru', 0, 1), undefined],
    [info('allkeys-lru', 100, 1), 'set maxmemory-policy noeviction'],
    [info('volatile-ttl', 100, 1), 'set maxmemory-policy noeviction'],
    [info('noeviction', 0, 0), 'set appendonly yes'],
    ['', 'let this user send INFO'],
  ])('%j', (text, problem) => {
    if (problem === undefined) expect(findDurabilityProblem(text)).toBeUndefined();
    else expect(findDurabilityProblem(text)).toContain(problem);
  });
});
