-- drain: once everything is enumerated and committed, put the finish batch in flight, once.
-- KEYS job inflight finish   ARGV batch_id payload
local job = redis.call('HMGET', KEYS[1], 'state', 'enumerated', 'finishing')
if job[1] ~= 'running' or job[2] ~= '1' or job[3] == '1' then return 0 end
if redis.call('ZCARD', KEYS[2]) > 0 then return 0 end
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'finishing', 1)
redis.call('HSET', KEYS[3], 'stage', 'finish', 'payload', ARGV[2], 'attempts', 0, 'fence', 0)
redis.call('ZADD', KEYS[2], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])
return 1
