import { afterEach, describe, expect, it } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import type { HttpTargetOptions } from '../../src/proxy/pool-options.ts';
import { poolFor, type TestPool } from '../support/pool.ts';
import { type RawConnection, type RawTarget, startRaw } from '../support/raw-target.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Answers by who is logged in on the connection, as NTLM has it: `challenge` until a request has `credentials`. */
function byConnection(credentials: RegExp, challenge: string) {
  return async (connection: RawConnection): Promise<void> => {
    let name = '';
    for (;;) {
      const head = await connection.takeHead();
      name = credentials.exec(head)?.[1] ?? name;
      connection.write(
        name === ''
          ? `HTTP/1.1 401 Unauthorized\r\n${challenge}\r\nContent-Length: 2\r\n\r\nno`
          : `HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`,
      );
    }
  };
}

async function start(
  serve: (connection: RawConnection) => unknown = byConnection(
    /authorization: \S+ (\w+)/i,
    'WWW-Authenticate: NTLM',
  ),
  options: Partial<HttpTargetOptions> = {},
): Promise<TestPool & { raw: RawTarget }> {
  const raw = await startRaw(serve);
  const pool = poolFor(raw.port, options);
  closers.push(() => raw.close());
  closers.push(() => pool.target.close());
  return { ...pool, raw };
}

const as = (credentials: string) => HeaderList.from({ authorization: credentials });

describe('a connection that a client logged in', () => {
  it.each(['NTLM', 'Negotiate', 'negotiate', 'Kerberos'])(
    'is never the next client’s (%s)',
    async (scheme) => {
      const { send, raw } = await start();
      const [anna, bob] = [{}, {}];
      expect(await send({ login: anna, headers: as(`${scheme} anna`) }).outcome).toMatchObject({
        body: 'anna',
      });
      expect(await send({ login: bob }).outcome).toMatchObject({ status: 401 });
      expect(raw.connections).toHaveLength(2);
    },
  );

  it('stays with its client, whose next requests need no credentials', async () => {
    const { send, raw } = await start();
    const anna = {};
    await send({ login: anna, headers: as('NTLM anna') }).outcome;
    expect(await send({ login: anna }).outcome).toMatchObject({ body: 'anna' });
    expect(await send({ login: {} }).outcome).toMatchObject({ status: 401 });
    expect(await send({ login: anna }).outcome).toMatchObject({ body: 'anna' });
    expect(raw.connections).toHaveLength(2);
  });

  it('stays with its client from the challenge on, so that a login in three steps comes about', async () => {
    const { send, raw } = await start();
    const anna = {};
    expect(await send({ login: anna }).outcome).toMatchObject({ status: 401 });
    expect(await send({ login: anna, headers: as('NTLM anna') }).outcome).toMatchObject({ body: 'anna' });
    expect(raw.connections).toHaveLength(1);
  });

  it.each([
    ['WWW-Authenticate: Basic realm="a"\r\nWWW-Authenticate: Negotiate'],
    ['WWW-Authenticate: Basic realm="a", NTLM'],
    ['Proxy-Authenticate: Negotiate dGVzdA=='],
  ])('is one from this challenge on: %j', async (challenge) => {
    const { send, raw } = await start(byConnection(/authorization: \S+ (\w+)/i, challenge));
    await send({ login: {} }).outcome;
    await send({ login: {} }).outcome;
    expect(raw.connections).toHaveLength(2);
  });

  it('is closed behind the answer where it cannot be told whose it is', async () => {
    const { send, raw } = await start();
    await send({ headers: as('NTLM anna') }).outcome;
    await raw.connections[0]?.closed();
    expect(await send().outcome).toMatchObject({ status: 401 });
  });

  it('makes way when the pool is full', async () => {
    const { send, raw, target } = await start(undefined, { maxConnections: 2 });
    const [anna, bob, carl] = [{}, {}, {}];
    for (const login of [anna, bob, carl]) await send({ login, headers: as('NTLM x') }).outcome;
    expect(await send({ login: {} }).outcome).toMatchObject({ status: 401 });
    await raw.connections[0]?.closed();
    await raw.connections[1]?.closed();
    expect(target.openConnections).toBeLessThanOrEqual(2);
  });

  it('is closed when it was idle for as long as others', async () => {
    const { send, raw, clock } = await start();
    await send({ login: {}, headers: as('NTLM anna') }).outcome;
    clock.advance(4300);
    await raw.connections[0]?.closed();
  });

  it.each(['Basic YTpi', 'Bearer ntlm', 'Digest username="negotiate"', 'DPoP x'])(
    'is one only by schemes of that kind, not by %s',
    async (credentials) => {
      const { send, raw } = await start();
      await send({ login: {}, headers: as(credentials) }).outcome;
      // The target of this test answers by connection whatever the scheme, but no challenge of it came.
      await send({ login: {} }).outcome;
      expect(raw.connections).toHaveLength(1);
    },
  );
});
