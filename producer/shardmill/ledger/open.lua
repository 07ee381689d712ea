-- open: begin a job or take it up again; counters start from what its manifest holds already.
-- KEYS job jobs active waiting lease live share failures faults
-- ARGV name batch_prefix limit, then field value ...
-- Of an earlier opening it removes so many batches at most: `again` means that there are more.
local limit = tonumber(ARGV[3]) - 1
assert(#ARGV >= 5 and #ARGV % 2 == 1)  -- before the first write, for Redis takes nothing back
for i = 4, 5 do
  for _, batch in ipairs(redis.call('ZRANGE', KEYS[i], 0, limit)) do
    redis.call('DEL', ARGV[2] .. batch)
    redis.call('ZREM', KEYS[i], batch)
  end
end
if redis.call('EXISTS', KEYS[4], KEYS[5]) > 0 then return 'again' end
redis.call('DEL', KEYS[1], unpack(KEYS, 4))
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
return 'opened'
