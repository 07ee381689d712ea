-- heartbeat: renew a lease; tells a worker whose batch was cancelled or given to another.
-- KEYS job lease live batch   ARGV batch_id fence lease_ms live
if redis.call('HGET', KEYS[4], 'fence') ~= ARGV[2] then return 'lost' end
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 'lost' end
local state = redis.call('HGET', KEYS[1], 'state')
if not state or state == 'cancelled' then return 'cancelled' end
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])  -- first: what begins by removing passes a full Redis
redis.call('ZADD', KEYS[2], ends, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
return 'held'
