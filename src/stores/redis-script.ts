import { createHash } from 'node:crypto';

/** A Lua script that the server keeps under the hash of its text. */
export interface RedisScript {
  readonly source: string;
  readonly sha1: string;
}

export function redisScript(source: string): RedisScript {
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}
