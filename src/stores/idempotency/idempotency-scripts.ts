import { redisScript } from '../redis-script.ts';

/*
 * Each key is a hash: `f` the fingerprint, `o` the owner while it runs, `r` the record once it is done.
 */

/** Claims or renews: `1`, or fingerprint and record of another one, the latter empty while that runs. */
export const CLAIM_SCRIPT = redisScript(`
local seen = redis.call('HMGET', KEYS[1], 'f', 'o', 'r')
if seen[1] and seen[2] ~= ARGV[1] then return {seen[1], seen[3] or ''} end
redis.call('HSET', KEYS[1], 'f', ARGV[2], 'o', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`);

/** Stores a record: `1`, or `0` where another owner has the key. */
export const FINISH_SCRIPT = redisScript(`
local seen = redis.call('HMGET', KEYS[1], 'f', 'o')
if seen[1] and seen[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'f', ARGV[2], 'r', ARGV[3])
redis.call('HDEL', KEYS[1], 'o')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`);

/** Gives a key back. */
export const RELEASE_SCRIPT = redisScript(`
if redis.call('HGET', KEYS[1], 'o') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`);
