-- reserve: put the producer's next batch in flight if the job runs and its window has room.
-- KEYS job waiting lease batch   ARGV batch_id stage payload window number
-- The number, counted from 1, tells a call applied twice from the next one, however late it comes,
-- and shows a Redis that has gone back to an earlier state.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'running' then return state or 'unknown' end
local reserved = tonumber(redis.call('HGET', KEYS[1], 'reserved') or 0)
local number = tonumber(ARGV[5])
if number <= reserved then return 'known' end
if number > reserved + 1 then return 'behind' end
local inflight = redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3])
if inflight >= tonumber(ARGV[4]) then return 'full' end
local now = redis.call('TIME')
local first = tonumber(redis.call('HGET', KEYS[1], 'run') or 0, 16) * 2 ^ 20  -- see claim
redis.call('HSET', KEYS[1], 'reserved', number)
redis.call('HSET', KEYS[4], 'stage', ARGV[2], 'payload', ARGV[3], 'attempts', 0, 'fence', first)
redis.call('ZADD', KEYS[2], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])
return 'reserved'
