import type { RedisConfig } from '../../config/schema/redis-schema.ts';
import { systemClock } from '../../core/clock.ts';
import { openServer, type RedisLink } from '../../stores/redis-link.ts';
import { describeRedis, serverOf } from '../../stores/redis-settings.ts';
import type { Check, Findings } from './finding.ts';

const OLDEST_MAJOR = 6;
const PROBES = 10;

/** Looks at version, persistence, eviction and latency of Redis. */
export function redisCheck(config: RedisConfig): Check {
  return { check: 'redis', subject: describeRedis(config), look: (findings) => lookAt(config, findings) };
}

async function lookAt(config: RedisConfig, findings: Findings): Promise<void> {
  const link = await open(config).catch((error: unknown) => error as Error);
  if (link instanceof Error) {
    const why = (link as NodeJS.ErrnoException).code ?? link.message;
    return findings.problem(
      `does not respond (${why})`,
      'start it, or correct redis: place, user, password, tls',
    );
  }
  try {
    const infos = await readInfos(link);
    for (const info of infos) lookAtServer(info, findings);
    await lookAtLatency(link, config.commandTimeout, findings);
    if (findings.found.length === 0)
      findings.ok(`version ${infos[0]?.get('redis_version')}, keeps what it is given`);
  } finally {
    link.destroy();
  }
}

async function open(config: RedisConfig): Promise<RedisLink> {
  const options = { config, clock: systemClock, onLost: () => {} };
  if (config.sentinel !== undefined)
    return (await import('../../stores/redis-sentinel.ts')).openBySentinel(options);
  if (config.cluster !== undefined)
    return (await import('../../stores/redis-cluster.ts')).openCluster(options);
  return openServer(serverOf(config), options);
}

/** What each server says of itself: one, or each of a cluster that takes writes. */
async function readInfos(link: RedisLink): Promise<ReadonlyMap<string, string>[]> {
  const texts = await link.sendToAll(['INFO']);
  return texts.map((text) => {
    const lines = String(text).matchAll(/^([a-z0-9_]+):(.*?)\r?$/gm);
    return new Map([...lines].map(([, name = '', value = '']) => [name, value]));
  });
}

function lookAtServer(info: ReadonlyMap<string, string>, findings: Findings): void {
  const version = info.get('redis_version') ?? '0';
  if (Number.parseInt(version, 10) < OLDEST_MAJOR)
    findings.problem(`version ${version} is too old`, `install Redis ${OLDEST_MAJOR}.2 or later, or Valkey`);
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction' && info.get('maxmemory') !== '0')
    findings.warn(
      `evicts by ${policy} when memory is full: quotas and API keys may be lost`,
      'set maxmemory-policy to noeviction, or give caches another server',
    );
  const savesNothing =
    info.get('aof_enabled') === '0' &&
    Number(info.get('rdb_last_save_time') ?? 1) === Number(info.get('server_start_time') ?? 0);
  if (info.get('aof_enabled') === '0')
    findings.warn(
      savesNothing
        ? 'writes nothing to disk'
        : 'writes to disk now and then only: a crash loses quotas and API keys of the last minutes',
      'set appendonly to yes',
    );
  if (info.get('rdb_last_bgsave_status') === 'err' || info.get('aof_last_write_status') === 'err')
    findings.problem('its last write to disk failed', 'look at its log and its disk');
}

async function lookAtLatency(link: RedisLink, commandTimeoutMs: number, findings: Findings): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < PROBES; i++) {
    const from = performance.now();
    await link.send('sallyport', ['PING']);
    times.push(performance.now() - from);
  }
  const [median = 0] = times.sort((a, b) => a - b).slice(PROBES / 2);
  if (median > commandTimeoutMs / 4)
    findings.warn(
      `answers in ${median.toFixed(1)} ms, of the ${commandTimeoutMs} ms of commandTimeout`,
      'bring it nearer, or raise redis.commandTimeout',
    );
}
