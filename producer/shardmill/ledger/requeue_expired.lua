-- requeue_expired: take expired leases back and return the batches whose message must be sent again.
-- KEYS job waiting lease live   ARGV messages_missing grace_ms limit
-- Whoever waits longest comes first, and waits anew: the next call finds those beyond the limit.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local old, limit = now - tonumber(ARGV[2]), tonumber(ARGV[3]) + 0
local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, limit)
for _, batch in ipairs(due) do
  redis.call('ZREM', KEYS[3], batch)
  redis.call('HDEL', KEYS[4], batch)
  redis.call('ZADD', KEYS[2], 0, batch)
end
local state = redis.call('HGET', KEYS[1], 'state')
if state and state ~= 'running' and state ~= 'cancelled' then return {} end
local longest = ARGV[1] == '1' and old or 0
due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', longest, 'LIMIT', 0, limit)
for _, batch in ipairs(due) do redis.call('ZADD', KEYS[2], now, batch) end
return due
