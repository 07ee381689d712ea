-- release: give a batch back unfinished; the attempt is not charged.
-- KEYS job inflight lease live batch   ARGV batch_id fence
if redis.call('HGET', KEYS[5], 'fence') ~= ARGV[2] then return 0 end
if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[4], ARGV[1])
if redis.call('HGET', KEYS[1], 'state') == 'cancelled' then
  redis.call('DEL', KEYS[5])
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('HINCRBY', KEYS[5], 'attempts', -1)
end
return 1
