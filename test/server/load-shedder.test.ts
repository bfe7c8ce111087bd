import { describe, expect, it } from 'vitest';
import { LoadShedder } from '../../src/server/load-shedder.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { ADMIN_TOKEN, startGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const HEALTH = { id: 'all', path: '/*', respond: { status: 200, body: 'ok' } };

/** The share that is refused after ticks that came so late. */
function shareRefused(...delaysMs: number[]): number {
  const clock = new StubClock();
  let next = 0;
  const shedder = new LoadShedder(100, clock, () => (next++ % 100) / 100);
  for (const delayMs of delaysMs) clock.advance(50 + delayMs);
  return Array.from({ length: 100 }, () => shedder.refuses()).filter(Boolean).length / 100;
}

const late = (ms: number) => new Array<number>(10).fill(ms);

describe('load shedding', () => {
  it('refuses nothing while the event loop is in time', () => {
    expect(shareRefused(...late(0))).toBe(0);
    expect(shareRefused(...late(95))).toBe(0);
  });

  it('refuses a share that grows with the delay, up to all', () => {
    expect(shareRefused(...late(150))).toBeCloseTo(0.5, 1);
    expect(shareRefused(...late(250))).toBe(1);
  });

  it('forgives a single pause up to twice the limit, and ends soon after the delay', () => {
    expect(shareRefused(...late(0), 190)).toBe(0);
    expect(shareRefused(...late(400), 0, 0, 0)).toBe(0);
  });

  it('answers 503 with Retry-After, but for probes and the admin port', async () => {
    const clock = new StubClock();
    const { url, adminPort } = await startGateway(
      { loadShedding: { maxDelay: '100ms' }, routes: [HEALTH] },
      { clock },
    );
    expect((await fetch(url)).status).toBe(200);
    clock.advance(850);
    const response = await fetch(url);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ code: 'GW_OVERLOADED' });
    for (const path of ['/healthz', '/readyz', '/metrics', '/api/upstreams']) {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
      expect((await fetch(`http://${LOOPBACK}:${adminPort}${path}`, { headers })).status).toBe(200);
    }
  });
});
