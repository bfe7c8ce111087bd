import { expect, it } from 'vitest';
import { RawClient, startGatewayTo, startTarget } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { hasResponses } from '../support/raw-responses.ts';

it('metrics tell how many connections are open, to clients and to targets', async () => {
  const target = await startTarget((_, response) => response.end('x'));
  const { port, adminPort } = await startGatewayTo(target);
  const client = await RawClient.connect(port);
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until(hasResponses(1));
  const text = await (await fetch(`http://${LOOPBACK}:${adminPort}/metrics`)).text();
  expect(text).toContain('gateway_open_connections{side="client"} 1');
  expect(text).toContain('gateway_open_connections{side="target"} 1');
});
