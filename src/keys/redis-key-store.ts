import { randomUUID } from 'node:crypto';
import {
  type FoundKey,
  type KeyChanges,
  type KeyPosition,
  type KeyStore,
  KeyStoreRejection,
  type StoredKey,
} from './key-store.ts';

export type RedisValue = string | number | null | readonly RedisValue[];

/** As much of Redis as keys need: a script runs on the server as one step. */
export interface KeyRedis {
  /** Rejects where Redis is away, or does not respond before the timeout. */
  run(script: string, keys: readonly string[], args: readonly string[]): Promise<RedisValue>;
  close(): void | Promise<void>;
}

/** How many changes are remembered one by one. Who has missed more forgets all that it knew. */
const REMEMBERED_CHANGES = 10_000;
/** How many keys one response holds where all are asked for, so that none takes long. */
const PAGE = 200;

/** Makes a store of the keys below `prefix`. `fingerprint` is that of the pepper they are hashed with. */
export function createRedisKeyStore(redis: KeyRedis, prefix: string, fingerprint: string): KeyStore {
  return new RedisKeyStore(redis, prefix, fingerprint);
}

class RedisKeyStore implements KeyStore {
  private readonly redis: KeyRedis;
  /** In a Cluster the braces keep all of them on one node, so that a script may use them together. */
  private readonly names: readonly string[];
  private readonly fingerprint: string;
  /** For a store that has none yet. */
  private readonly newEpoch = randomUUID();

  constructor(redis: KeyRedis, prefix: string, fingerprint: string) {
    this.redis = redis;
    this.fingerprint = fingerprint;
    this.names = ['stored', 'used', 'changes', 'settings'].map((name) => `${prefix}{api-keys}:${name}`);
  }

  async find(id: string): Promise<FoundKey | undefined> {
    const [stored, usedAt] = listOf(await this.run(FIND, id));
    return stored === null || stored === undefined ? undefined : readKey(stored, usedAt);
  }

  async list(): Promise<readonly FoundKey[]> {
    const found = new Map<string, FoundKey>();
    let cursor = '0';
    do {
      const [next, rows] = listOf(await this.run(LIST, cursor, PAGE));
      for (const row of listOf(rows ?? [])) {
        const [stored, usedAt] = listOf(row);
        const key = readKey(stored ?? null, usedAt);
        // A page may repeat what one before it held.
        found.set(key.record.id, key);
      }
      cursor = String(next);
    } while (cursor !== '0');
    return [...found.values()];
  }

  async insert(key: StoredKey): Promise<boolean> {
    return (await this.run(WRITE, key.record.id, JSON.stringify(key), '', REMEMBERED_CHANGES)) === 1;
  }

  async replace(key: StoredKey, revision: number): Promise<boolean> {
    const { id } = key.record;
    return (await this.run(WRITE, id, JSON.stringify(key), revision, REMEMBERED_CHANGES)) === 1;
  }

  async delete(id: string): Promise<boolean> {
    return (await this.run(DELETE, id, REMEMBERED_CHANGES)) === 1;
  }

  async markUsed(uses: ReadonlyMap<string, number>): Promise<void> {
    const flat = [...uses].flatMap(([id, usedAt]) => [usedAt, id]);
    for (let i = 0; i < flat.length; i += 2 * PAGE) await this.run(MARK_USED, ...flat.slice(i, i + 2 * PAGE));
  }

  async changesSince(position: KeyPosition | undefined): Promise<KeyChanges> {
    const { epoch: known = '', revision: since = -1 } = position ?? {};
    const [epoch, revision, ids] = listOf(await this.run(CHANGES_SINCE, known, since));
    return {
      position: { epoch: String(epoch), revision: Number(revision) },
      ids: Array.isArray(ids) ? ids.map(String) : 'all',
    };
  }

  async close(): Promise<void> {
    await this.redis.close();
  }

  /** Every step checks first that the keys are hashed with our pepper: else all of them would seem wrong. */
  private async run(script: string, ...args: readonly (string | number)[]): Promise<RedisValue> {
    const reply = await this.redis.run(SHARED + script, this.names, [
      this.fingerprint,
      this.newEpoch,
      ...args.map(String),
    ]);
    if (reply === 'other pepper') throw new KeyStoreRejection(OTHER_PEPPER);
    return reply;
  }
}

const OTHER_PEPPER =
  'the API keys in Redis were made with another apiKeys.pepper: give all gateways the same one';

function listOf(reply: RedisValue): readonly RedisValue[] {
  if (!Array.isArray(reply)) throw new TypeError('Redis answered something else than a list');
  return reply;
}

function readKey(stored: RedisValue, usedAt: RedisValue | undefined): FoundKey {
  const text = String(stored);
  const space = text.indexOf(' ');
  const key = JSON.parse(text.slice(space + 1)) as StoredKey;
  return {
    ...key,
    revision: Number(text.slice(0, space)),
    lastUsedAt: typeof usedAt === 'string' ? Number(usedAt) : undefined,
  };
}

/** A key is stored behind its revision and a space. `changes` ranks ids by the revision that changed them last. */
const SHARED = `
local stored, used, changes, settings = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local pepper = redis.call('HGET', settings, 'pepper')
if pepper and pepper ~= ARGV[1] then return 'other pepper' end
local function change(id, remembered)
  if not pepper then redis.call('HSET', settings, 'pepper', ARGV[1], 'epoch', ARGV[2]) end
  local revision = redis.call('HINCRBY', settings, 'revision', 1)
  redis.call('ZADD', changes, revision, id)
  local surplus = redis.call('ZCARD', changes) - tonumber(remembered)
  if surplus > 0 then
    local forgotten = redis.call('ZRANGE', changes, surplus - 1, surplus - 1, 'WITHSCORES')
    redis.call('HSET', settings, 'forgotten', forgotten[2])
    redis.call('ZREMRANGEBYRANK', changes, 0, surplus - 1)
  end
  return revision
end
`;

const FIND = `
return { redis.call('HGET', stored, ARGV[3]), redis.call('HGET', used, ARGV[3]) }
`;

const LIST = `
local page = redis.call('HSCAN', stored, ARGV[3], 'COUNT', ARGV[4])
local rows = {}
for i = 1, #page[2], 2 do
  rows[#rows + 1] = { page[2][i + 1], redis.call('HGET', used, page[2][i]) }
end
return { page[1], rows }
`;

/** Writes where the key is as it was found: at that revision, or, where none is given, not there. */
const WRITE = `
local id, text, expected = ARGV[3], ARGV[4], ARGV[5]
local former = redis.call('HGET', stored, id)
if expected == '' then
  if former then return 0 end
elseif not former or string.sub(former, 1, #expected + 1) ~= expected .. ' ' then
  return 0
end
redis.call('HSET', stored, id, change(id, ARGV[6]) .. ' ' .. text)
return 1
`;

const DELETE = `
local removed = redis.call('HDEL', stored, ARGV[3])
if removed == 0 then return 0 end
redis.call('HDEL', used, ARGV[3])
change(ARGV[3], ARGV[4])
return 1
`;

const MARK_USED = `
for i = 3, #ARGV, 2 do
  local id, at = ARGV[i + 1], ARGV[i]
  if redis.call('HEXISTS', stored, id) == 1 then
    local former = redis.call('HGET', used, id)
    if not former or tonumber(former) < tonumber(at) then redis.call('HSET', used, id, at) end
  end
end
return 1
`;

const CHANGES_SINCE = `
local since = tonumber(ARGV[4])
local epoch = redis.call('HGET', settings, 'epoch') or ''
local last = tonumber(redis.call('HGET', settings, 'revision') or '0')
local forgotten = tonumber(redis.call('HGET', settings, 'forgotten') or '0')
if epoch ~= ARGV[3] or since < 0 or since > last or since < forgotten then return { epoch, last, 'all' } end
if since == last then return { epoch, last, {} } end
return { epoch, last, redis.call('ZRANGEBYSCORE', changes, '(' .. since, '+inf') }
`;
