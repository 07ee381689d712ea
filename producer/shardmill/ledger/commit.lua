-- commit: count a finished batch once and put the batches that follow from it in flight.
-- KEYS job inflight lease live batch child...   ARGV batch_id counters children fence
-- counters and children are JSON; a fence that is not empty must be the batch's still.
-- A finish that finds its job no longer running (it has paused it) leaves it to be drained again.
local stage = redis.call('HGET', KEYS[5], 'stage')
if not stage then return 0 end
if ARGV[4] ~= '' and redis.call('HGET', KEYS[5], 'fence') ~= ARGV[4] then return 0 end
for name, amount in pairs(cjson.decode(ARGV[2])) do
  redis.call('HINCRBY', KEYS[1], name, string.format('%.0f', amount))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, child in ipairs(cjson.decode(ARGV[3])) do
  local key = KEYS[5 + i]
  if redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'stage', child[2], 'payload', child[3], 'attempts', 0, 'fence', 0)
    redis.call('ZADD', KEYS[2], now, child[1])
  end
end
redis.call('DEL', KEYS[5])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
if stage == 'finish' then
  if redis.call('HGET', KEYS[1], 'state') == 'running' then
    redis.call('HSET', KEYS[1], 'state', 'done', 'ended_ms', now)
  else
    redis.call('HDEL', KEYS[1], 'finishing')
  end
end
return 1
