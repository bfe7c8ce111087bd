import { describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startGateway, type TestConfig, type TestGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const CONFIG: TestConfig = {
  routes: ['a', 'b'].map((id) => ({ id, path: `/${id}`, respond: {}, policies: ['api-key'] })),
};

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask(gateway: TestGateway, method: string, path = '', body?: unknown): Promise<Answer> {
  const response = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/api/keys${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: typeof body === 'string' ? body : (JSON.stringify(body) ?? null),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

async function useKey({ url }: TestGateway, key: unknown): Promise<number> {
  const response = await fetch(`${url}/a`, { headers: { 'x-api-key': String(key) } });
  return response.status;
}

describe('/api/keys', () => {
  it('makes a key, shows it this once, and all about it from then on', async () => {
    const gateway = await startGateway(CONFIG);
    const settings = {
      owner: 'acme',
      roles: ['partner'],
      permissions: ['orders:read'],
      plan: 'gold',
      routes: ['a'],
      ips: ['127.0.0.0/8'],
      metadata: { contract: 4711 },
      expiresAt: '2100-01-31T01:00:00+01:00',
    };
    const { status, body } = await ask(gateway, 'POST', '', settings);
    expect(status).toBe(201);
    expect(await useKey(gateway, body.key)).toBe(200);
    const { key, id, ...shown } = body;
    expect(key).toMatch(/^sp_live_/);
    expect(shown).toEqual({
      ...settings,
      expiresAt: '2100-01-31T00:00:00.000Z',
      disabled: false,
      createdAt: expect.any(String),
    });
    expect(await ask(gateway, 'GET', `/${id}`)).toEqual({ status: 200, body: { id, ...shown } });
    expect(await ask(gateway, 'GET')).toEqual({ status: 200, body: { keys: [{ id, ...shown }] } });
  });

  it('refuses a key that could open nothing: for a route that is not there, or that has ended before it began', async () => {
    const gateway = await startGateway(CONFIG);
    const settings = { owner: 'acme', routes: ['a', 'typo'], expiresAt: '2020-01-01T00:00:00Z' };
    const { status, body } = await ask(gateway, 'POST', '', settings);
    expect([status, body.problems]).toEqual([
      422,
      [
        "routes[1] the configuration has no route 'typo' — add it there first",
        'expiresAt has passed — name a time to come, or leave it out',
      ],
    ]);
    expect((await ask(gateway, 'GET')).body).toEqual({ keys: [] });
    const { id } = (await ask(gateway, 'POST', '', { owner: 'acme' })).body;
    expect((await ask(gateway, 'PATCH', `/${id}`, { routes: ['typo'] })).status).toBe(422);
    expect((await ask(gateway, 'PATCH', `/${id}`, { expiresAt: '2020-01-01T00:00:00Z' })).status).toBe(200);
  });

  it('changes a key, which holds at once', async () => {
    const gateway = await startGateway(CONFIG);
    const { id, key } = (await ask(gateway, 'POST', '', { owner: 'acme', plan: 'gold', routes: ['b'] })).body;
    expect(await useKey(gateway, key)).toBe(403);
    const change = { owner: 'Acme Inc.', plan: null, routes: null, roles: ['r'] };
    const { body } = await ask(gateway, 'PATCH', `/${id}`, change);
    expect(body).toMatchObject({ id, owner: 'Acme Inc.', roles: ['r'] });
    expect(body).not.toHaveProperty('plan');
    expect(await useKey(gateway, key)).toBe(200);
    await ask(gateway, 'PATCH', `/${id}`, { disabled: true });
    expect(await useKey(gateway, key)).toBe(401);
    await ask(gateway, 'PATCH', `/${id}`, { disabled: false });
    expect(await useKey(gateway, key)).toBe(200);
  });

  it('rotates a key, beside which the former one goes on for a day unless told otherwise', async () => {
    const gateway = await startGateway(CONFIG);
    const { id, key: first } = (await ask(gateway, 'POST', '', { owner: 'acme' })).body;
    const { status, body } = await ask(gateway, 'POST', `/${id}/rotate`);
    expect([status, body.id]).toEqual([200, id]);
    const left = Date.parse(String(body.formerEndsAt)) - Date.now();
    expect(left / 3_600_000).toBeCloseTo(24, 0);
    expect([await useKey(gateway, first), await useKey(gateway, body.key)]).toEqual([200, 200]);
    const { key: last } = (await ask(gateway, 'POST', `/${id}/rotate`, { grace: '0s' })).body;
    const statuses = [first, body.key, last].map((key) => useKey(gateway, key));
    expect(await Promise.all(statuses)).toEqual([401, 401, 200]);
  });

  it('deletes a key, which holds at once', async () => {
    const gateway = await startGateway(CONFIG);
    const { id, key } = (await ask(gateway, 'POST', '', { owner: 'acme' })).body;
    expect(await useKey(gateway, key)).toBe(200);
    expect((await ask(gateway, 'DELETE', `/${id}`)).status).toBe(204);
    expect(await useKey(gateway, key)).toBe(401);
    expect((await ask(gateway, 'DELETE', `/${id}`)).status).toBe(404);
  });

  it('logs each change with the id, and never with the key', async () => {
    const gateway = await startGateway(CONFIG);
    const { id, key } = (await ask(gateway, 'POST', '', { owner: 'acme' })).body;
    await ask(gateway, 'PATCH', `/${id}`, { roles: ['r'] });
    const { key: second } = (await ask(gateway, 'POST', `/${id}/rotate`)).body;
    await ask(gateway, 'DELETE', `/${id}`);
    const lines = gateway.log.lines().filter(({ audit }) => audit === 'api-keys');
    expect(lines.map(({ action }) => action)).toEqual(['created', 'changed', 'rotated', 'deleted']);
    for (const line of lines)
      expect(line).toMatchObject({ keyId: id, owner: 'acme', client: expect.any(String) });
    for (const secret of [key, second]) expect(gateway.log.text).not.toContain(secret);
  });

  it.each([
    ['GET', '/nobody'],
    ['PATCH', '/nobody'],
    ['POST', '/nobody/rotate'],
    ['DELETE', '/nobody'],
  ])('answers 404 to %s of a key that is not there', async (method, path) => {
    const gateway = await startGateway(CONFIG);
    expect((await ask(gateway, method, path)).status).toBe(404);
  });

  it.each([
    ['no owner', {}, "owner is missing — add 'owner'"],
    ['an owner that is not text', { owner: 7 }, 'owner is a number where text is due — quote it'],
    ['an empty owner', { owner: '' }, 'owner is empty — write whom the key is for'],
    [
      'an owner that fits in no header',
      { owner: 'a\r\nb' },
      'owner holds a control character — leave it out',
    ],
    [
      'a setting that there is not',
      { owner: 'a', role: 'x' },
      "role there is no setting 'role' here — did you mean 'roles'?",
    ],
    ['a list that is text', { owner: 'a', roles: 'x' }, 'roles is text where a list is due — write a list'],
    [
      'no routes at all',
      { owner: 'a', routes: [] },
      'routes is empty, which would open nothing — name at least one, or write null for all',
    ],
    [
      'an address that is none',
      { owner: 'a', ips: ['home'] },
      /^ips\[0\] is not an address or range — write it like /,
    ],
    [
      'a time that is none',
      { owner: 'a', expiresAt: 'tomorrow' },
      'expiresAt is not a time — write one such as 2027-01-31T00:00:00Z',
    ],
    ['a list that is none', [], /^is not a JSON object — write one, of owner, roles, /],
  ])('refuses %s with what is wrong and a remedy', async (_, settings, problem) => {
    const gateway = await startGateway(CONFIG);
    const { status, body } = await ask(gateway, 'POST', '', settings);
    expect(status).toBe(422);
    expect(body.problems).toEqual([typeof problem === 'string' ? problem : expect.stringMatching(problem)]);
    expect((await ask(gateway, 'GET')).body).toEqual({ keys: [] });
  });

  it('says in the same words what is wrong with a change and a rotation', async () => {
    const gateway = await startGateway(CONFIG);
    const { id } = (await ask(gateway, 'POST', '', { owner: 'acme' })).body;
    expect((await ask(gateway, 'PATCH', `/${id}`, { disabled: 'yes' })).body.problems).toEqual([
      'disabled is text where true or false is due — write true or false',
    ]);
    expect((await ask(gateway, 'POST', `/${id}/rotate`, { grace: 'a day' })).body.problems).toEqual([
      'grace is not a duration — write a number and a unit: 250ms, 5s, 1m, 1h or 1d',
    ]);
  });

  it.each([
    ['text/plain', '{"owner":"a"}', 415, 'send it with content-type: application/json'],
    ['application/x-www-form-urlencoded', 'owner=a', 415, 'send it with content-type: application/json'],
    ['application/json', '{', 400, 'The body cannot be read as JSON: correct it'],
  ])('answers a body of %s that it cannot read with what to send', async (type, sent, expected, detail) => {
    const gateway = await startGateway(CONFIG);
    const response = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/api/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': type },
      body: sent,
    });
    expect(response.status).toBe(expected);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining(detail) });
    expect((await ask(gateway, 'GET')).body).toEqual({ keys: [] });
  });

  it.each(['{', '{"owner":"a","__proto__":{}}', ''])('refuses the body %j', async (text) => {
    const gateway = await startGateway(CONFIG);
    expect((await ask(gateway, 'POST', '', text)).status).toBeGreaterThanOrEqual(400);
  });

  it('takes nothing without the token, however it asks', async () => {
    const gateway = await startGateway(CONFIG);
    const url = `http://${LOOPBACK}:${gateway.adminPort}/api/keys`;
    const headers = { 'content-type': 'application/json' };
    const body = '{"owner":"mallory"}';
    const asked = [
      fetch(url),
      fetch(url, { method: 'POST', headers, body }),
      fetch(`${url}/x`, { method: 'PATCH', headers, body }),
      fetch(`${url}/x`, { method: 'DELETE' }),
    ];
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    expect((await ask(gateway, 'GET')).body).toEqual({ keys: [] });
  });
});
