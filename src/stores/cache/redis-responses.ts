import { createHash } from 'node:crypto';
import type { CachedResource, StoredResponse } from '../../core/stores/cache-store.ts';
import type { RedisConnection } from '../redis-connection.ts';
import { isResponse } from '../redis-failure.ts';
import { redisScript } from '../redis-script.ts';
import { retentionMs } from './retention.ts';
import type { SharedPurges } from './shared-purges.ts';
import { MAX_SHARED_BODY, readShared, type SharedResponse, writeShared } from './stored-format.ts';

/** The largest value: what is sent and got must not take longer than a command may. */
const MAX_VALUE_BYTES = 1024 * 1024;
/** Variants of one resource. Beyond, all of them go, and those come back that are asked for. */
const MAX_VARIANTS = 16;
/** Bodies that are on their way to Redis at a time, in bytes; what is beyond that is stored here only. */
const MAX_WRITING_BYTES = 32 * 1024 * 1024;
/** Questions to Redis at a time; what is beyond that is taken for a miss. */
const MAX_READING = 256;

/** KEYS: a resource. ARGV: variant, value, how long it is kept. What else may stand there makes room. */
export const KEEP_SCRIPT = redisScript(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('UNLINK', KEYS[1]) end
local isKnown = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
if not isKnown and redis.call('HLEN', KEYS[1]) >= ${MAX_VARIANTS} then redis.call('UNLINK', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
`);

/** Keeps responses in Redis, for all gateways: a hash for each resource, of one value for each variant. */
export class RedisResponses {
  private readonly connection: RedisConnection;
  private readonly purges: SharedPurges;
  private readonly now: () => number;
  private readonly reading = new Map<string, Promise<CachedResource | undefined>>();
  /** The latest write of each variant, so that an older one that takes longer does not win. */
  private readonly writing = new Map<string, symbol>();
  /** Writes under way, by key. They tell whether others can find what was written. */
  private readonly writes = new Map<string, Set<Promise<boolean>>>();
  private writingBytes = 0;

  constructor(connection: RedisConnection, purges: SharedPurges, now: () => number) {
    this.connection = connection;
    this.purges = purges;
    this.now = now;
  }

  /** Reads what is stored under `key`. Never rejects: what cannot be had is not there. */
  find(key: string): Promise<CachedResource | undefined> {
    const reading = this.reading.get(key);
    if (reading !== undefined) return reading;
    if (!this.purges.isUsable || this.reading.size >= MAX_READING) return Promise.resolve(undefined);
    const begun = this.read(key)
      .catch(() => undefined)
      .finally(() => this.reading.delete(key));
    this.reading.set(key, begun);
    return begun;
  }

  /** Stores a response behind the caller. */
  keep(key: string, url: string, response: StoredResponse): void {
    const isWritten = this.write(key, url, response).catch(() => false);
    const writes = this.writes.get(key) ?? new Set();
    this.writes.set(key, writes.add(isWritten));
    void isWritten.then(() => {
      writes.delete(isWritten);
      if (writes.size === 0 && this.writes.get(key) === writes) this.writes.delete(key);
    });
  }

  drop(key: string, response: StoredResponse): void {
    const variant = variantOf(response);
    this.writing.delete(`${key} ${variant}`);
    if (this.purges.isUsable) this.forget(this.nameOf(key), [variant]);
  }

  /** Waits for what is being written, under these keys. Tells whether all of it can be found by others. */
  async flushed(keys: Iterable<string> = this.writes.keys()): Promise<boolean> {
    const writes = [...keys].flatMap((key) => [...(this.writes.get(key) ?? [])]);
    return (await Promise.all(writes)).every((isWritten) => isWritten);
  }

  private async read(key: string): Promise<CachedResource | undefined> {
    const name = this.nameOf(key);
    const reply = await this.connection.sendBytes(name, ['HGETALL', name]).catch((error: unknown) => {
      // Something else stands there.
      if (isResponse(error) && this.connection.isAvailable)
        void this.connection.send(name, ['UNLINK', name]).catch(() => {});
      throw error;
    });
    const fields = reply as readonly Buffer[];
    const found: StoredResponse[] = [];
    const useless: string[] = [];
    let url = '';
    for (let i = 0; i < fields.length; i += 2) {
      const shared = await readShared(fields[i + 1] as Buffer);
      const response = shared?.key === key ? this.toOwn(shared) : undefined;
      if (response !== undefined) {
        found.push(response);
        url = (shared as SharedResponse).url;
        // What is only too old for this gateway may do for one that has been there longer.
      } else if (shared?.key !== key || !this.purges.isOfNow(shared))
        useless.push((fields[i] as Buffer).toString('latin1'));
    }
    if (useless.length > 0) this.forget(name, useless);
    if (found.length === 0) return undefined;
    return { url, responses: found.sort((one, other) => other.responseTime - one.responseTime) };
  }

  private async write(key: string, url: string, response: StoredResponse): Promise<boolean> {
    const { length } = response.body;
    const keptMs = retentionMs(response, this.now());
    const point = this.purges.isUsable ? this.purges.pointOf(response.requestedAt) : undefined;
    const isTooMuch = length > MAX_SHARED_BODY || this.writingBytes + length > MAX_WRITING_BYTES;
    if (point === undefined || keptMs <= 0 || isTooMuch) return false;
    const variant = variantOf(response);
    const [name, id, own] = [this.nameOf(key), `${key} ${variant}`, Symbol(variant)];
    this.writing.set(id, own);
    this.writingBytes += length;
    try {
      const bytes = await writeShared({ key, url, ...point, response: this.toShared(response) });
      if (bytes.length > MAX_VALUE_BYTES || this.writing.get(id) !== own) return false;
      await this.connection.runScriptOnBytes(KEEP_SCRIPT, name, [variant, bytes, String(Math.ceil(keptMs))]);
      return true;
    } finally {
      this.writingBytes -= length;
      if (this.writing.get(id) === own) this.writing.delete(id);
    }
  }

  private toShared(response: StoredResponse): StoredResponse {
    const { purges } = this;
    const { responseTime, staleSince } = response;
    return {
      ...response,
      responseTime: purges.toShared(responseTime),
      staleSince: staleSince === undefined ? undefined : purges.toShared(staleSince),
    };
  }

  /** `undefined` for one of which it is not known which purges it has seen. */
  private toOwn({ epoch, seq, response }: SharedResponse): StoredResponse | undefined {
    const { purges } = this;
    const requestedAt = purges.countOf({ epoch, seq });
    if (requestedAt === undefined) return undefined;
    const { responseTime, staleSince } = response;
    return {
      ...response,
      requestedAt,
      responseTime: purges.fromShared(responseTime),
      staleSince: staleSince === undefined ? undefined : purges.fromShared(staleSince),
    };
  }

  private forget(name: string, variants: readonly string[]): void {
    this.connection.send(name, ['HDEL', name, ...variants]).catch(() => {});
  }

  private nameOf(key: string): string {
    return sharedName(this.connection.config.prefix, key);
  }
}

/** Names what is stored under a key. The braces keep it with what else there is about the same key in a Cluster. */
export function sharedName(prefix: string, key: string): string {
  return `${prefix}cache:{${createHash('sha256').update(key).digest('base64url')}}`;
}

function variantOf({ rules, variantKey }: StoredResponse): string {
  return createHash('sha256')
    .update(JSON.stringify([rules.vary, variantKey]))
    .digest('base64url');
}
