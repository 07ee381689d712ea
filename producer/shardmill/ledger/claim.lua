-- claim: give a batch to a worker for one lease, counted as an attempt before any file is opened.
-- KEYS job inflight lease batch   ARGV batch_id owner lease_ms max_attempts
-- The owner is new for each call: the same call applied twice gets the same answer twice.
local stage = redis.call('HGET', KEYS[4], 'stage')
if not stage then return {'done'} end
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'cancelled' then
  redis.call('DEL', KEYS[4])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
end
if state ~= 'running' then return {'stopped'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = redis.call('ZSCORE', KEYS[3], ARGV[1])
if deadline and tonumber(deadline) > now then
  if redis.call('HGET', KEYS[4], 'owner') ~= ARGV[2] then return {'busy'} end
else
  redis.call('HINCRBY', KEYS[4], 'fence', 1)
  redis.call('HINCRBY', KEYS[4], 'attempts', 1)
  redis.call('HSET', KEYS[4], 'owner', ARGV[2])
  redis.call('ZADD', KEYS[3], now + tonumber(ARGV[3]), ARGV[1])
end
local batch = redis.call('HMGET', KEYS[4], 'fence', 'attempts', 'payload')
local verdict = tonumber(batch[2]) > tonumber(ARGV[4]) and 'exhausted' or 'claimed'
return {verdict, batch[1], batch[2], batch[3]}
