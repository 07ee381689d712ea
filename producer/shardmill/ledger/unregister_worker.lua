-- unregister_worker: tell that a worker is leaving.
-- KEYS workers slots   ARGV worker
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.status_reply('OK')
