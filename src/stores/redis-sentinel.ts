import { explainFailure } from './redis-failure.ts';
import { type LinkOptions, openServer, type RedisLink, type RedisReply, withinMs } from './redis-link.ts';
import { loginOf, placeName, type RedisPlace } from './redis-settings.ts';

/**
 * Opens a connection to the server that the Sentinels name: the first of them that answers is asked, and the server
 * itself whether it takes writes, since a Sentinel may be behind.
 */
export async function openBySentinel(options: LinkOptions): Promise<RedisLink> {
  const { username, password, database, tls } = options.config;
  const place = await findServer(options);
  const login = loginOf(username, password);
  const server = { place, login, database, usesTls: tls !== undefined };
  const link = await openServer(server, options);
  try {
    const role = await callBeforeTimeout(link, ['ROLE'], options);
    if (Array.isArray(role) && role[0] !== 'master')
      throw new Error(`READONLY ${placeName(place)} is a replica`);
    return link;
  } catch (error) {
    link.destroy();
    throw error;
  }
}

async function findServer(options: LinkOptions): Promise<RedisPlace> {
  const { sentinel, tls } = options.config;
  const { master = '', nodes = [], username, password } = sentinel ?? {};
  const login = loginOf(username, password);
  const faults: string[] = [];
  for (const place of nodes) {
    try {
      const asked = { place, login, database: 0, usesTls: tls !== undefined };
      const link = await openServer(asked, { ...options, onLost: () => {} });
      const question = ['SENTINEL', 'get-master-addr-by-name', master];
      const address = await callBeforeTimeout(link, question, options).finally(() => link.destroy());
      if (Array.isArray(address)) return { host: String(address[0]), port: Number(address[1]) };
      faults.push(`${placeName(place)} knows no '${master}'`);
    } catch (error) {
      faults.push(`${placeName(place)} ${explainFailure(error, options.config)}`);
    }
  }
  throw new Error(`no Sentinel says where '${master}' is: ${faults.join('; ')}`);
}

/** A server that is mute must not keep us from asking another one. */
function callBeforeTimeout(
  link: RedisLink,
  command: readonly string[],
  options: LinkOptions,
): Promise<RedisReply> {
  return withinMs(options, link.send('', command), () => link.destroy());
}
