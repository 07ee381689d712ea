-- open: begin a job or take it up again; counters start from what its manifest holds already.
-- KEYS job jobs   ARGV name, then field value ...
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('SADD', KEYS[2], ARGV[1])
return redis.status_reply('OK')
