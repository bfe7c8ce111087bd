import type { LimitAlgorithm, LimitCharge, LimitRule, LimitStanding } from '../core/stores/limit-store.ts';
import { MOST_BEHIND_MS } from '../limits/limit-state.ts';
import type { RedisReply } from './redis-link.ts';
import { type RedisScript, redisScript } from './redis-script.ts';

/** Milliseconds since 1970 of the server's clock, which is one for all gateways. */
const SERVER_TIME = `(function()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end)()`;

/** Token and leaky buckets, as in `limits/bucket.ts`. */
const BUCKET = `
local bucket = {
  age = function(s, r)
    if not s then return { at = now, used = 0, former = 0 } end
    if now <= s.at then return s end
    return { at = now, used = max(0, s.used - (now - s.at) * r.limit), former = 0 }
  end,
  add = function(s, r) return { at = s.at, used = min(LARGEST, max(0, s.used + r.cost * r.window)), former = 0 } end,
  wait = function(s, r)
    local over = s.used + r.cost * r.window - r.burst * r.window - r.maxDelay * r.limit
    if over <= 0 then return 0 end
    return max(1, ceil(min(over, s.used) / r.limit))
  end,
  remaining = function(s, r) return max(0, floor((r.burst * r.window + r.maxDelay * r.limit - s.used) / r.window)) end,
  reset = function(s, r) return ceil(s.used / r.limit) end,
  delay = function(s, r) return max(0, ceil((s.used - r.burst * r.window) / r.limit)) end,
}`;

/** Fixed windows and calendar periods, as in `limits/fixed-window.ts`. */
const FIXED_WINDOW = `
local function addUnits(s, r) return { at = s.at, used = min(LARGEST, max(0, s.used + r.cost)), former = s.former } end

local function fixedEnd(s, r) return r.endsAt or s.at + r.window end
local fixed = {
  age = function(s, r)
    if r.startsAt then
      -- A gateway whose clock is wrong counts in the period that the others have begun.
      if s and (s.at >= r.startsAt or isOfFuture(r.startsAt)) then return s end
      return { at = r.startsAt, used = 0, former = 0 }
    end
    if s and now < s.at + r.window then return s end
    return { at = now, used = 0, former = 0 }
  end,
  add = addUnits,
  wait = function(s, r)
    if s.used + r.cost <= r.limit then return 0 end
    return max(1, fixedEnd(s, r) - now)
  end,
  remaining = function(s, r) return max(0, r.limit - s.used) end,
  reset = function(s, r)
    if s.used == 0 then return 0 end
    return max(1, fixedEnd(s, r) - now)
  end,
}`;

/** Sliding windows, as in `limits/sliding-window.ts`. */
const SLIDING_WINDOW = `
local sliding = {
  age = function(s, r)
    if not s or now >= s.at + 2 * r.window then return { at = now, used = 0, former = 0 } end
    if now < s.at + r.window then return s end
    return { at = s.at + r.window, used = 0, former = s.used }
  end,
  add = addUnits,
  wait = function(s, r)
    local passed = max(0, now - s.at)
    local room = (r.limit - s.used - r.cost) * r.window
    if s.former * (r.window - passed) <= room then return 0 end
    if room >= 0 then return max(1, r.window - floor(room / s.former) - passed) end
    local later = max(0, r.limit - r.cost) * r.window
    local gone = s.used == 0 and r.window or min(r.window, floor(later / s.used))
    return max(1, 2 * r.window - gone - passed)
  end,
  remaining = function(s, r)
    local passed = max(0, now - s.at)
    return max(0, floor(((r.limit - s.used) * r.window - s.former * (r.window - passed)) / r.window))
  end,
  reset = function(s, r)
    if s.used > 0 then return s.at + 2 * r.window - now end
    if s.former > 0 then return s.at + r.window - now end
    return 0
  end,
}`;

/** Reads charges, and reads and writes counters. */
const COUNTERS = `
local countings = { b = bucket, f = fixed, s = sliding }

local function readCharge(text)
  local kind, limit, window, burst, maxDelay, cost, observed, startsAt, endsAt =
    string.match(text, '^(%l) (%d+) (%d+) (%d+) (%d+) (-?%d+) ([01]) ?(%d*) ?(%d*)$')
  return countings[kind], {
    limit = tonumber(limit), window = tonumber(window), burst = tonumber(burst), maxDelay = tonumber(maxDelay),
    cost = tonumber(cost), isObserved = observed == '1', startsAt = tonumber(startsAt), endsAt = tonumber(endsAt),
  }
end

local function readState(key)
  local value = redis.call('GET', key)
  if not value then return nil end
  local at, used, former = string.match(value, '^(%d+) (%d+) (%d+)$')
  if not at or isOfFuture(tonumber(at)) then return nil end
  return { at = tonumber(at), used = tonumber(used), former = tonumber(former) }
end

local function writeState(key, counting, s, r)
  local value = string.format('%.0f %.0f %.0f', s.at, s.used, s.former)
  -- A request of another period is counted in the one that has begun, which must not end with that.
  if r.startsAt and s.at ~= r.startsAt then return redis.call('SET', key, value, 'KEEPTTL') end
  local ttl = r.endsAt and max(0, r.endsAt - now) + ${MOST_BEHIND_MS} or counting.reset(s, r)
  if ttl <= 0 then return redis.call('DEL', key) end
  redis.call('SET', key, value, 'PX', string.format('%.0f', ttl))
end`;

/** Decides about all charges, then counts them. */
const DECISION = `
local mustCount = ARGV[1] == 'count'
local entries, isPassed = {}, true
for i, key in ipairs(KEYS) do
  local counting, r = readCharge(ARGV[i + 1])
  local before = counting.age(readState(key), r)
  local wait = (mustCount or r.cost <= 0) and 0 or counting.wait(before, r)
  if wait > 0 and not r.isObserved then isPassed = false end
  entries[i] = { counting = counting, r = r, before = before, wait = wait }
end

local reply = {}
for i, key in ipairs(KEYS) do
  local e = entries[i]
  local s, counting, r = e.before, e.counting, e.r
  if isPassed and e.wait == 0 and r.cost ~= 0 then
    s = counting.add(s, r)
    writeState(key, counting, s, r)
  end
  local isQueued = isPassed and r.cost > 0 and r.maxDelay > 0 and counting.delay
  table.insert(reply, e.wait)
  table.insert(reply, counting.remaining(s, r))
  table.insert(reply, counting.reset(s, r))
  table.insert(reply, isQueued and counting.delay(s, r) or 0)
end
return reply
`;

/**
 * Makes the script that decides about all charges of one request, or counts them whatever their limits say. It counts as
 * `limits/` does, operation by operation: both have the numbers of IEEE 754, so both come to the same.
 *
 * KEYS: the counters. ARGV[1]: `charge` or `count`; then one text for each counter, see `chargeText`.
 * A counter is kept as `at used former`, until it is as new.
 */
export function limitScript(time = SERVER_TIME): RedisScript {
  const start = `
local LARGEST = 9007199254740991
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local now = ${time}

-- How far clocks may differ. What was counted later than that was counted by a clock that was wrong.
local function isOfFuture(at) return at > now + ${MOST_BEHIND_MS} end`;
  return redisScript([start, BUCKET, FIXED_WINDOW, SLIDING_WINDOW, COUNTERS, DECISION].join('\n'));
}

const KINDS: Readonly<Record<LimitAlgorithm, string>> = {
  'token-bucket': 'b',
  'leaky-bucket': 'b',
  'fixed-window': 'f',
  'sliding-window': 's',
};

/** Rules are compiled once and charged often. */
const ruleTexts = new WeakMap<LimitRule, string>();

/** Writes a charge as the script reads it. */
export function chargeText({ rule, cost, isObserved, period }: LimitCharge): string {
  let text = ruleTexts.get(rule);
  if (text === undefined) {
    const { algorithm, limit, windowMs, burst, maxDelayMs } = rule;
    text = `${KINDS[algorithm]} ${limit} ${windowMs} ${burst} ${maxDelayMs} `;
    ruleTexts.set(rule, text);
  }
  const rest = period === undefined ? '' : ` ${period.startsAt} ${period.endsAt}`;
  return `${text}${cost} ${isObserved === true ? 1 : 0}${rest}`;
}

const NUMBERS_OF_STANDING = 4;

/** Reads the standings of `count` charges out of the script's reply. */
export function readStandings(reply: RedisReply, count: number): LimitStanding[] {
  const numbers = reply as readonly number[];
  if (!Array.isArray(reply) || numbers.length !== count * NUMBERS_OF_STANDING)
    throw new TypeError('the script gives no standings');
  const standings: LimitStanding[] = [];
  for (let i = 0; i < numbers.length; i += NUMBERS_OF_STANDING) {
    const retryAfterMs = numbers[i] as number;
    standings.push({
      isAllowed: retryAfterMs === 0,
      remaining: numbers[i + 1] as number,
      resetMs: numbers[i + 2] as number,
      retryAfterMs,
      delayMs: numbers[i + 3] as number,
    });
  }
  return standings;
}
