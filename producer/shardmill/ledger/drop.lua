-- drop: take out a claimed batch whose payload says nothing; its job can no longer be done whole.
-- KEYS job waiting lease live batch   ARGV batch_id fence
if redis.call('HGET', KEYS[5], 'fence') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[5])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'lost', 1) end
return 1
