import { redisScript } from '../redis-script.ts';

/** So many purges are known one by one; what was stored before the oldest of them is not used any more. */
export const STORED_PURGES = 10_000;
/** How many purges are read at a time. */
export const PURGES_AT_ONCE = 1000;
/** How long a gateway counts after it was last heard, in milliseconds: a purge that it does not confirm did not reach all. */
export const COUNTED_MS = 60_000;
/** Longer than anything is stored. */
const RETENTION_MS = 31 * 86_400_000;

/**
 * The state of the purges: an epoch, the number of the last purge, and that of the last one that is not kept. Where any
 * part of it is gone, or behind what a gateway has seen, as in a Redis that was restarted, emptied or replaced by a
 * replica, a new epoch begins, in which nothing counts that was stored before.
 *
 * KEYS: state, log, gateways. ARGV: an epoch to begin, and the epoch, number and token of the last purge that is known.
 */
const OPEN = `
local state = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'floor')
local epoch, seq, floor = state[1], tonumber(state[2] or '0'), tonumber(state[3] or '0')
local isWhole = epoch and redis.call('XLEN', KEYS[2]) == seq - floor
local known = tonumber(ARGV[3])
if isWhole and ARGV[2] == epoch then
  if known > seq then
    isWhole = false
  elseif known > floor then
    local id = string.format('%.0f-0', known)
    local entry = redis.call('XRANGE', KEYS[2], id, id)[1]
    isWhole = entry and entry[2][2] == ARGV[4]
  end
end
if not isWhole then
  epoch, seq, floor = ARGV[1], 0, 0
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', 0, 'floor', 0)
end
`;

/**
 * Gives the purges that a gateway does not know, and who else is there; notes up to which purge it knows all.
 * ARGV, further: its name.
 */
export const PULSE_SCRIPT = redisScript(`${OPEN}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] ~= epoch then known = 0 end
redis.call('HSET', KEYS[3], ARGV[5], string.format('%s %.0f %.0f', epoch, known, now))
local gateways = redis.call('HGETALL', KEYS[3])
for i = 2, #gateways, 2 do
  local heard = tonumber(string.match(gateways[i], '%d+$'))
  if now - heard > ${COUNTED_MS} then redis.call('HDEL', KEYS[3], gateways[i - 1]) end
end
for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], ${RETENTION_MS}) end
local entries = redis.call('XRANGE', KEYS[2], string.format('(%.0f-0', known), '+', 'COUNT', ${PURGES_AT_ONCE})
return { epoch, seq, floor, string.format('%.0f', now), gateways, entries }
`);

/** Notes a purge. ARGV, further: a token that tells it from all others, and the purge. */
export const PURGE_SCRIPT = redisScript(`${OPEN}
seq = seq + 1
redis.call('XADD', KEYS[2], string.format('%.0f-0', seq), 't', ARGV[5], 'p', ARGV[6])
redis.call('HSET', KEYS[1], 'seq', seq)
if seq - floor > ${STORED_PURGES} then
  redis.call('XTRIM', KEYS[2], 'MAXLEN', ${STORED_PURGES})
  redis.call('HSET', KEYS[1], 'floor', seq - ${STORED_PURGES})
end
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], ${RETENTION_MS}) end
return { epoch, seq }
`);
