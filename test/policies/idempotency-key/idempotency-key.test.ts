import { describe, expect, it } from 'vitest';
import { readIdempotencyKey } from '../../../src/policies/idempotency-key/idempotent-request.ts';
import { fc } from '../../support/fast-check.ts';
import { RawClient } from '../../support/harness.ts';
import { until } from '../../support/until.ts';
import { makeGate, send, startKeyed, written } from './keyed-gateway.ts';

describe('a repeated idempotency key', () => {
  it('gives the first response again, marked, while the service is asked once', async () => {
    const { post, asked } = await startKeyed({}, (request, response) => {
      request.resume();
      response.writeHead(201, { 'set-cookie': ['a=1', 'b=2'], location: '/orders/7', etag: '"x"' });
      response.end('order 7');
      return true;
    });
    const first = await post();
    const again = await post();
    expect(first).toMatchObject({ status: 201, text: 'order 7' });
    expect(first.headers).not.toHaveProperty('idempotency-replayed');
    expect(again).toMatchObject({ status: 201, text: 'order 7' });
    expect(again.headers).toMatchObject({
      'idempotency-replayed': 'true',
      'set-cookie': ['a=1', 'b=2'],
      location: '/orders/7',
      etag: '"x"',
      'content-length': '7',
    });
    expect(asked).toHaveLength(1);
    expect(asked[0]?.headers['idempotency-key']).toBe('"k-1"');
  });

  it('counts for POST and PATCH, quoted or bare, and not for what may be repeated anyhow', async () => {
    const { post, asked } = await startKeyed({});
    for (const method of ['POST', 'PATCH']) {
      const key = `k-${method}`;
      await post({ method, key: `"${key}"` });
      expect((await post({ method, key })).headers['idempotency-replayed']).toBe('true');
    }
    for (const method of ['PUT', 'DELETE', 'PUT', 'DELETE']) await post({ method });
    await post({ key: undefined });
    await post({ key: undefined });
    expect(asked).toHaveLength(8);
  });

  it.each([
    ['another body', { body: '{"a":2}' }],
    ['another path', { path: '/refunds' }],
    ['another query', { path: '/orders?x=1' }],
    ['another method', { method: 'PATCH' }],
    ['another kind of body', { headers: { 'content-type': 'text/plain' } }],
    ['another host', { headers: { host: 'other.example.com' } }],
  ])('is answered 422 with %s', async (_, other) => {
    const { post, asked } = await startKeyed({});
    await post();
    expect(await post(other)).toMatchObject({ status: 422, code: 'GW_IDEMPOTENCY_KEY_REUSED' });
    expect((await post()).headers['idempotency-replayed']).toBe('true');
    expect(asked).toHaveLength(1);
  });

  it('is answered 409 while the first request runs, however many come at a time', async () => {
    const gate = makeGate();
    const { post, asked } = await startKeyed({}, async () => {
      await gate.opened;
      return undefined;
    });
    const all = Array.from({ length: 30 }, () => post());
    const rejected = Promise.all(all.map(async (one) => (await one).status)).then((statuses) =>
      statuses.sort(),
    );
    await until(() => asked.length === 1);
    const meanwhile = await post();
    expect(meanwhile).toMatchObject({ status: 409, code: 'GW_IDEMPOTENCY_IN_PROGRESS' });
    expect(meanwhile.headers['retry-after']).toBe('1');
    expect(await post({ body: 'other' })).toMatchObject({ status: 422 });
    gate.open();
    const statuses = await rejected;
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(29);
    expect(asked).toHaveLength(1);
  });

  it('runs again once its time is over', async () => {
    const { post, clock, asked } = await startKeyed({ ttl: '1h' });
    await post();
    clock.advance(3_599_000);
    expect((await post()).text).toBe('order 0');
    clock.advance(2000);
    expect((await post()).text).toBe('order 1');
    expect(asked).toHaveLength(2);
  });
});

describe('what is not stored', () => {
  it.each([500, 502, 503, 504, 401, 403, 408, 425, 429])(
    'is a response of status %i: it may be tried again',
    async (status) => {
      const { post } = await startKeyed({}, (request, response, index) => {
        if (index > 0) return undefined;
        request.resume();
        response.writeHead(status).end('no');
        return true;
      });
      expect((await post()).status).toBe(status);
      expect(await post()).toMatchObject({ status: 201, text: 'order 1' });
      expect((await post()).text).toBe('order 1');
    },
  );

  it.each([400, 404, 409, 422, 302])('is not one of status %i, which is the result', async (status) => {
    const { post, asked } = await startKeyed({}, (request, response) => {
      request.resume();
      response.writeHead(status).end('result');
      return true;
    });
    await post();
    expect(await post()).toMatchObject({ status, text: 'result' });
    expect(asked).toHaveLength(1);
  });

  it('is what the gateway itself answers: a limit behind it, a service that is away', async () => {
    const limited = await startKeyed({}, undefined, {
      behind: written({ 'rate-limit': { limit: 1, window: '1m', key: 'ip' } }),
    });
    await limited.post({ key: 'other' });
    expect((await limited.post()).status).toBe(429);
    limited.clock.advance(60_000);
    expect((await limited.post()).status).toBe(201);
    const away = await startKeyed({}, undefined, {
      upstreams: { service: { targets: ['http://127.0.0.1:1'], retries: { max: 0 } } },
    });
    expect((await away.post()).status).toBe(503);
    expect((await away.post()).status).toBe(503);
  });

  it('is a body that is cut, of which the client gets no end either', async () => {
    const { post, asked } = await startKeyed({}, (request, response, index) => {
      if (index > 0) return undefined;
      request.resume();
      response.writeHead(201, { 'content-length': '100' });
      response.write('half', () => response.destroy());
      return true;
    });
    await expect(post()).rejects.toThrow();
    await until(async () => (await post()).status === 201);
    expect(asked).toHaveLength(2);
  });
});

describe('a response that is too large', () => {
  it.each([
    ['with its length', true],
    ['without its length', false],
  ])(
    '%s reaches its client whole, and repeats hear that the request was carried out',
    async (_, hasLength) => {
      const body = 'x'.repeat(300_000);
      const { post, asked } = await startKeyed({ maxResponse: '4KiB' }, (request, response) => {
        request.resume();
        response.writeHead(201, hasLength ? { 'content-length': body.length } : {});
        response.end(body);
        return true;
      });
      expect((await post()).text).toHaveLength(300_000);
      const again = await post();
      expect(again).toMatchObject({ status: 409, code: 'GW_IDEMPOTENCY_NOT_STORED' });
      expect(again.text).toContain('201');
      expect(await post({ body: 'other' })).toMatchObject({ status: 422 });
      expect(asked).toHaveLength(1);
    },
  );
});

describe('a key', () => {
  it('is asked for where it is required, of POST and PATCH alone', async () => {
    const { post, asked } = await startKeyed({ required: true });
    expect(await post({ key: undefined })).toMatchObject({ status: 400, code: 'GW_IDEMPOTENCY_KEY_MISSING' });
    expect((await post({ key: undefined, method: 'PUT' })).status).toBe(201);
    expect((await post()).status).toBe(201);
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['that is empty', ''],
    ['that is an empty string', '""'],
    ['of two', ['a', 'b']],
    ['of two in one field', 'a, b'],
    ['with parameters', '"a";b=1'],
    ['whose quotes do not end', '"a'],
    ['that is too long', 'x'.repeat(256)],
    ['beyond ASCII', '"\u00e9"'],
  ])('%s is answered 400', async (_, key) => {
    const { post, asked } = await startKeyed({});
    const got = await post({ key: undefined, headers: { 'idempotency-key': key } });
    expect(got).toMatchObject({ status: 400, code: 'GW_IDEMPOTENCY_KEY_INVALID' });
    expect(asked).toHaveLength(0);
  });

  it('is the same quoted and bare, and what is read is what was written', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 255, unit: 'grapheme-ascii' }), (text) => {
        const isVisible = /^[\x20-\x7e]*$/.test(text);
        const quoted = `"${text.replace(/["\\]/g, '\\$&')}"`;
        expect(readIdempotencyKey(quoted)).toBe(isVisible ? text : undefined);
        if (/^[\w.-]+$/.test(text)) expect(readIdempotencyKey(text)).toBe(text);
      }),
    );
  });
});

describe('a request body', () => {
  it('above maxBody is answered 413 before anything is claimed', async () => {
    const { post, asked } = await startKeyed({ maxBody: '1KiB' });
    const body = 'x'.repeat(2000);
    expect(await post({ body })).toMatchObject({ status: 413, code: 'GW_BODY_TOO_LARGE' });
    expect((await post()).status).toBe(201);
    expect(asked).toHaveLength(1);
  });

  it('that never comes whole claims nothing', async () => {
    const { post, gateway, asked } = await startKeyed({});
    const half = await RawClient.connect(gateway.port);
    half.write('POST /orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k-1\r\nContent-Length: 7\r\n\r\n{"a"');
    expect((await post()).status).toBe(201);
    half.destroy();
    expect(asked).toHaveLength(1);
  });
});

describe('a client that leaves', () => {
  it.each(['before the response', 'in the midst of it'])('%s finds it when it asks again', async (when) => {
    const gate = makeGate();
    const { post, gateway, asked } = await startKeyed({}, async (request, response) => {
      request.resume();
      if (when !== 'before the response') response.writeHead(201).write('one ');
      await gate.opened;
      if (when === 'before the response') response.writeHead(201).write('one ');
      response.end('two');
      return true;
    });
    const { leave, got } = send(gateway.port);
    await until(() => asked.length === 1);
    leave();
    await expect(got).rejects.toThrow();
    await until(() => gateway.accessLog().length === 1);
    expect((await post()).status).toBe(409);
    gate.open();
    await until(async () => (await post()).status === 201);
    expect(await post()).toMatchObject({ text: 'one two' });
    expect(asked).toHaveLength(1);
  });

  it('lets its claim go on being renewed while the work runs', async () => {
    const gate = makeGate();
    const { post, gateway, clock, asked } = await startKeyed({}, async () => {
      await gate.opened;
      return undefined;
    });
    const { leave } = send(gateway.port);
    await until(() => asked.length === 1);
    leave();
    await until(() => gateway.accessLog().length === 1);
    for (let i = 0; i < 8; i++) {
      clock.advance(10_000);
      expect((await post()).status).toBe(409);
    }
    gate.open();
    await until(async () => (await post()).status === 201);
    expect(asked).toHaveLength(1);
  });
});
