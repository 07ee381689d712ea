-- claim: give a batch to a worker for one lease, counted as an attempt before any file is opened.
-- KEYS job waiting lease live batch   ARGV batch_id owner lease_ms max_attempts
-- The owner is new for each call: the same call applied twice gets the same answer twice.
-- Fences count from the run's number on, so that no claim of an earlier run passes for one of this.
local lease_ms, max_attempts = tonumber(ARGV[3]) + 0, tonumber(ARGV[4]) + 0
local state = redis.call('HGET', KEYS[1], 'state')
if redis.call('EXISTS', KEYS[5]) == 0 then  -- committed, or lost by a Redis that evicts keys
  local known = redis.call('ZREM', KEYS[2], ARGV[1]) + redis.call('ZREM', KEYS[3], ARGV[1])
  if known > 0 and state then redis.call('HSET', KEYS[1], 'lost', 1) end
  return {'done'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = redis.call('ZSCORE', KEYS[3], ARGV[1])
local leased = deadline and tonumber(deadline) > now
if not leased and (not state or state == 'cancelled') then  -- whoever holds it gives it back
  redis.call('DEL', KEYS[5])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('HDEL', KEYS[4], ARGV[1])
end
if state ~= 'running' then return {'stopped'} end
if leased then
  if redis.call('HGET', KEYS[5], 'owner') ~= ARGV[2] then return {'busy'} end
else
  local before = redis.call('HMGET', KEYS[5], 'fence', 'attempts')
  local fence, attempts = (tonumber(before[1]) or 0) + 1, (tonumber(before[2]) or 0) + 1
  redis.call('ZREM', KEYS[2], ARGV[1])  -- first: what begins by removing passes a full Redis
  redis.call('HSET', KEYS[5], 'fence', fence, 'attempts', attempts, 'owner', ARGV[2])
  redis.call('ZADD', KEYS[3], now + lease_ms, ARGV[1])
end
local batch = redis.call('HMGET', KEYS[5], 'fence', 'attempts', 'payload')
local verdict = (tonumber(batch[2]) or 0) > max_attempts and 'exhausted' or 'claimed'
return {verdict, batch[1], batch[2], batch[3] or ''}
