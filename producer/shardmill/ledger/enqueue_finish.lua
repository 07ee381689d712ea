-- enqueue_finish: once everything is enumerated and committed, put the finish batch in flight, once.
-- KEYS job waiting lease finish   ARGV batch_id payload reason
-- A job that lost a batch is paused with the reason instead: it must not pass for complete.
local job = redis.call('HMGET', KEYS[1], 'state', 'enumerated', 'finishing', 'lost')
if job[1] ~= 'running' or job[2] ~= '1' or job[3] == '1' then return 0 end
if redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]) > 0 then return 0 end
if job[4] then
  redis.call('HSET', KEYS[1], 'state', 'paused', 'reason', ARGV[3])
  return 0
end
local now = redis.call('TIME')
local first = tonumber(redis.call('HGET', KEYS[1], 'run') or 0, 16) * 2 ^ 20  -- see claim
redis.call('HSET', KEYS[1], 'finishing', 1)
redis.call('HSET', KEYS[4], 'stage', 'finish', 'payload', ARGV[2], 'attempts', 0, 'fence', first)
redis.call('ZADD', KEYS[2], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])
return 1
