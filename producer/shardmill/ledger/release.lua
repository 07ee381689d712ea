-- release: give a batch back unfinished; the attempt is not charged.
-- KEYS job waiting lease live batch   ARGV batch_id fence
if redis.call('HGET', KEYS[5], 'fence') ~= ARGV[2] then return 0 end
local attempts = (tonumber(redis.call('HGET', KEYS[5], 'attempts') or 0) or 0) - 1
if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[4], ARGV[1])
local state = redis.call('HGET', KEYS[1], 'state')
if not state or state == 'cancelled' then
  redis.call('DEL', KEYS[5])
else
  redis.call('HSET', KEYS[5], 'attempts', attempts)
  redis.call('ZADD', KEYS[2], 0, ARGV[1])  -- its message is gone
end
return 1
