-- open: begin a job or take it up again; counters start from what its manifest holds already.
-- KEYS job jobs active waiting lease live share failures faults   ARGV name batch_prefix, then field value ...
assert(#ARGV >= 4 and #ARGV % 2 == 0)  -- before the first write, for Redis takes nothing back
for i = 4, 5 do
  for _, batch in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
    redis.call('DEL', ARGV[2] .. batch)
  end
end
redis.call('DEL', KEYS[1], unpack(KEYS, 4))
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
return redis.status_reply('OK')
