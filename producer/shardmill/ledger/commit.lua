-- commit: count a finished batch once and put the batches that follow from it in flight.
-- KEYS job waiting lease live batch share failures child...
-- ARGV batch_id fence counters children keep_ms told   (counters, children and told are JSON)
-- With a fence the claim must be the last one; without, a manifest part has decided already.
-- 0: counted before; 1: others are in flight; 2: nothing is, so the job may be complete.
local batch = redis.call('HMGET', KEYS[5], 'stage', 'fence')
if not batch[2] or (ARGV[2] ~= '' and batch[2] ~= ARGV[2]) then return 0 end
redis.call('DEL', KEYS[5])  -- first: what begins by removing passes a full Redis
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 1 end  -- forgotten: nobody asks for its numbers
local counters = cjson.decode(ARGV[3])
for name, amount in pairs(counters) do
  redis.call('HINCRBY', KEYS[1], name, string.format('%.0f', amount))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if batch[1] == 'finish' and state == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'done', 'ended_ms', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('DEL', KEYS[6], KEYS[7])
  return 1
elseif batch[1] == 'finish' then  -- it paused the job itself: a resumed one is drained again
  redis.call('HDEL', KEYS[1], 'finishing')
end
if state == 'cancelled' then return 1 end
local told = cjson.decode(ARGV[6])
for _, name in ipairs({'probed', 'frames'}) do  -- what people see: bounded, never decided by
  if told[1] ~= '' and counters[name] then
    if redis.call('HLEN', KEYS[6]) >= 2000 then redis.call('DEL', KEYS[6]) end  -- workers come and go
    redis.call('HINCRBY', KEYS[6], name .. ':' .. told[1], string.format('%.0f', counters[name]))
  end
end
for _, failure in ipairs(told[2]) do redis.call('LPUSH', KEYS[7], failure) end
redis.call('LTRIM', KEYS[7], 0, 2)
local first = tonumber(redis.call('HGET', KEYS[1], 'run') or 0, 16) * 2 ^ 20  -- see claim
for i, child in ipairs(cjson.decode(ARGV[4])) do
  redis.call('HSET', KEYS[7 + i], 'stage', child[2], 'payload', child[3], 'attempts', 0, 'fence', first)
  redis.call('ZADD', KEYS[2], now, child[1])
end
return redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]) > 0 and 1 or 2
