-- reserve: put a batch in flight if the job runs and its window has room.
-- KEYS job inflight batch   ARGV batch_id stage payload window
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'running' then return state or 'unknown' end
if redis.call('EXISTS', KEYS[3]) == 1 then return 'known' end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then return 'full' end
local now = redis.call('TIME')
redis.call('HSET', KEYS[3], 'stage', ARGV[2], 'payload', ARGV[3], 'attempts', 0, 'fence', 0)
redis.call('ZADD', KEYS[2], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])
return 'reserved'
