-- commit: count a finished batch once and put the batches that follow from it in flight.
-- KEYS job waiting lease live batch child...
-- ARGV batch_id fence counters children keep_ms   (counters and children are JSON)
-- With a fence the claim must be the last one; without, a manifest part has decided already.
local batch = redis.call('HMGET', KEYS[5], 'stage', 'fence')
if not batch[2] or (ARGV[2] ~= '' and batch[2] ~= ARGV[2]) then return 0 end
redis.call('DEL', KEYS[5])  -- first: what begins by removing passes a full Redis
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 1 end  -- forgotten: nobody asks for its numbers
for name, amount in pairs(cjson.decode(ARGV[3])) do
  redis.call('HINCRBY', KEYS[1], name, string.format('%.0f', amount))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if batch[1] == 'finish' and state == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'done', 'ended_ms', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
elseif batch[1] == 'finish' then  -- it paused the job itself: a resumed one is drained again
  redis.call('HDEL', KEYS[1], 'finishing')
end
if state == 'cancelled' then return 1 end
local first = tonumber(redis.call('HGET', KEYS[1], 'run') or 0, 16) * 2 ^ 20  -- see claim
for i, child in ipairs(cjson.decode(ARGV[4])) do
  redis.call('HSET', KEYS[5 + i], 'stage', child[2], 'payload', child[3], 'attempts', 0, 'fence', first)
  redis.call('ZADD', KEYS[2], now, child[1])
end
return 1
