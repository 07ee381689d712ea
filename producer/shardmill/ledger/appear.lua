-- appear: tell that a worker is alive, by the server's clock, and forget those not seen for a while.
-- KEYS workers   ARGV worker forget_after_ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.status_reply('OK')
