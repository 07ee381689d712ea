-- sweep: take expired leases back and return the batches whose message must be sent again.
-- KEYS job inflight lease live   ARGV messages_missing grace_ms limit
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit = tonumber(ARGV[3])
local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, limit)
for _, batch in ipairs(due) do
  redis.call('ZREM', KEYS[3], batch)
  redis.call('HDEL', KEYS[4], batch)
end
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'running' and state ~= 'cancelled' then return {} end  -- a claim drops cancelled ones
if ARGV[1] == '1' then
  local old = now - tonumber(ARGV[2])
  for _, batch in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', old, 'LIMIT', 0, limit)) do
    if not redis.call('ZSCORE', KEYS[3], batch) then due[#due + 1] = batch end
  end
end
for _, batch in ipairs(due) do redis.call('ZADD', KEYS[2], 'XX', now, batch) end
return due
