-- close: tell that every input is enumerated, if every batch the producer sent is known.
-- KEYS job   ARGV number
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'unknown' end
if (redis.call('HGET', KEYS[1], 'reserved') or '0') ~= ARGV[1] then return 'behind' end
redis.call('HSET', KEYS[1], 'enumerated', 1)
return 'closed'
