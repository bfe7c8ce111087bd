import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { MergedMetrics } from '../../src/supervisor/merged-metrics.ts';

const COUNTER = '# HELP requests_total Requests.\n# TYPE requests_total counter\n';

/** What one worker would say that has sent so many requests to a target. */
async function workerText(requests: number, target = 'a:1'): Promise<string> {
  const metrics = createMetrics({ version: '1' });
  const route = metrics.route('orders');
  const recorder = metrics.upstreamTarget('service', target);
  metrics.gauge('gateway_upstream_target_healthy', 'Health.', { upstream: 'service', target }, () => 1);
  metrics.watchConnections('client', () => requests);
  for (let i = 0; i < requests; i++) {
    route.record('GET', 200, 0.01);
    recorder.record(200, 0.01);
  }
  metrics.setConfigVersion(3);
  const { text } = await metrics.render();
  metrics.close();
  return text;
}

function linesOf(text: string, start: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(start));
}

describe('merged metrics', () => {
  it('add counters and histograms, and gauges by what they mean', async () => {
    const texts = [await workerText(2), await workerText(3)];
    const text = await new MergedMetrics().render(() => texts);
    expect(linesOf(text, 'http_server_request_duration_seconds_count')).toEqual([
      'http_server_request_duration_seconds_count{route="orders",method="GET",status="200"} 5',
    ]);
    expect(linesOf(text, 'http_client_request_duration_seconds_bucket')).toContain(
      'http_client_request_duration_seconds_bucket{upstream="service",target="a:1",status="200",le="+Inf"} 5',
    );
    expect(linesOf(text, 'gateway_open_connections')).toEqual(['gateway_open_connections{side="client"} 5']);
    expect(linesOf(text, 'gateway_config_version')).toEqual(['gateway_config_version 3']);
    expect(linesOf(text, 'gateway_upstream_target_healthy')).toEqual([
      'gateway_upstream_target_healthy{upstream="service",target="a:1"} 1',
    ]);
    expect(linesOf(text, '# TYPE http_server_request_duration_seconds ')).toHaveLength(1);
  });

  it('give one alone as it was', async () => {
    const text = await workerText(4);
    const sorted = (each: string): string[] =>
      each
        .split('\n')
        .filter((line) => line !== '')
        .sort();
    expect(sorted(await new MergedMetrics().render(() => [text]))).toEqual(sorted(text));
  });

  it('say that something is wrong where one of them says so', async () => {
    const health = (value: number): string =>
      `# TYPE gateway_upstream_target_healthy gauge\ngateway_upstream_target_healthy{target="a"} ${value}\n`;
    const text = await new MergedMetrics().render(() => [health(1), health(0), health(1)]);
    expect(linesOf(text, 'gateway_upstream_target_healthy')).toEqual([
      'gateway_upstream_target_healthy{target="a"} 0',
    ]);
  });

  it('do not fall when a process ends, of which gauges are forgotten', async () => {
    const merged = new MergedMetrics();
    merged.keep(`${COUNTER}requests_total 5\n# TYPE open gauge\nopen 2\n`);
    merged.keep(`${COUNTER}requests_total 1\n`);
    const text = await merged.render(() => [`${COUNTER}requests_total 3\n`]);
    expect(linesOf(text, 'requests_total')).toEqual(['requests_total 9']);
    expect(linesOf(text, 'open')).toEqual([]);
    expect(await merged.render(() => [`${COUNTER}requests_total 4\n`])).toContain('requests_total 10\n');
  });

  it('forget routes and targets that are no more', async () => {
    const merged = new MergedMetrics();
    merged.keep(await workerText(1, 'gone:1'));
    merged.keep(await workerText(1, 'a:1'));
    const running = await workerText(1);
    const text = await merged.render(() => [running]);
    expect(text).not.toContain('gone:1');
    expect(linesOf(text, 'http_client_request_duration_seconds_count')).toEqual([
      'http_client_request_duration_seconds_count{upstream="service",target="a:1",status="200"} 2',
    ]);
    merged.forgetRoutesBut(new Set(['other']));
    expect(await merged.render(() => [])).not.toContain('route="orders"');
  });
});
