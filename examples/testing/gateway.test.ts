// Tests of a configuration, without a port or a service: node --test gateway.test.ts
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { createGateway } from 'sallyport';

const gateway = await createGateway({
  configFile: path.join(import.meta.dirname, 'sallyport.yaml'),
  env: { PARTNERS: '192.0.2.0/24' },
  logLevel: 'silent',
});
after(() => gateway.close());

test('partners get in', async () => {
  const { status, headers, body } = await gateway.inject({
    url: '/partners/hello',
    remoteAddress: '192.0.2.7',
    headers: { origin: 'https://partner.example' },
  });
  assert.equal(status, 200);
  assert.equal(headers.get('access-control-allow-origin'), 'https://partner.example');
  assert.deepEqual(JSON.parse(body.toString()), { hello: 'partner' });
});

test('others do not', async () => {
  const { status, body } = await gateway.inject({ url: '/partners/hello', remoteAddress: '198.51.100.7' });
  assert.equal(status, 403);
  assert.equal(JSON.parse(body.toString()).code, 'GW_IP_DENIED');
});

test('uploads are bounded', async () => {
  const upload = { method: 'POST', url: '/partners/hello', remoteAddress: '192.0.2.7' };
  assert.equal((await gateway.inject({ ...upload, body: 'x'.repeat(2000) })).status, 413);
});
