import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { startServices } from '../../demo/services.ts';
import { startGateway, type TestConfig } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const text = readFileSync(path.resolve(import.meta.dirname, '../../demo/sallyport.yaml'), 'utf8');

it('the home page of the demo is there though one service is slow and one is down', async () => {
  const services = await startServices({ host: LOOPBACK, ports: [0, 0, 0] });
  onTestFinished(() => services.forEach((service: Server) => void service.close()));
  const { upstreams = {}, routes } = parse(text) as TestConfig;
  ['users', 'orders', 'echo'].forEach((name, i) => {
    const { port } = (services[i] as Server).address() as AddressInfo;
    upstreams[name] = { targets: [`http://${LOOPBACK}:${port}`] };
  });
  const { url } = await startGateway({ upstreams, routes: routes ?? [] });
  const response = await fetch(`${url}/home/1`);
  expect([response.status, response.headers.get('x-partial')]).toEqual([200, 'offers']);
  expect(await response.json()).toMatchObject({
    hello: 'Hello Ada Lovelace',
    orders: [{ id: '84', total: 149.9 }],
    offers: [],
    _partial: [{ part: 'offers', code: 'GW_PART_UNAVAILABLE' }],
  });
});
