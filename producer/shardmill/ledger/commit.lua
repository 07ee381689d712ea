-- commit: count a finished batch once and put the batches that follow from it in flight.
-- KEYS job waiting lease live batch share failures faults child...
-- ARGV batch_id fence counters children keep_ms told   (counters, children and told are JSON)
-- With a fence the claim must be the last one; without, a manifest part has decided already.
-- 0: counted before; 1: others are in flight; 2: nothing is, so the job may be complete.
local batch = redis.call('HMGET', KEYS[5], 'stage', 'fence')
if not batch[2] or (ARGV[2] ~= '' and batch[2] ~= ARGV[2]) then return 0 end

-- Whatever may fail comes before the first write, for Redis takes nothing back.
local most = 2 ^ 53  -- beyond it Lua's numbers have gaps
local function sum(key, field, amount)
  local before = tonumber(redis.call('HGET', key, field) or 0) or 0
  return string.format('%.0f', math.max(-most, math.min(most, before + amount)))
end
local counters, children, told = cjson.decode(ARGV[3]), cjson.decode(ARGV[4]), cjson.decode(ARGV[6])
local sums, shares = {}, {}
for name, amount in pairs(counters) do sums[name] = sum(KEYS[1], name, amount) end
for _, name in ipairs({'probed', 'frames'}) do
  local field = name .. ':' .. told[1]
  if told[1] ~= '' and counters[name] then shares[field] = sum(KEYS[6], field, counters[name]) end
end
for _, failure in ipairs(told[2]) do assert(type(failure) == 'string') end
assert(#KEYS == 8 + #children)
for _, child in ipairs(children) do
  assert(type(child[1]) == 'string' and type(child[2]) == 'string' and type(child[3]) == 'string')
end
local keep_ms = string.format('%.0f', tonumber(ARGV[5]))
local job = redis.call('HMGET', KEYS[1], 'state', 'run')
local state, first = job[1], (tonumber(job[2] or '0', 16) or 0) * 2 ^ 20  -- see claim
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('DEL', KEYS[5])  -- first: what begins by removing passes a full Redis
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
if not state then return 1 end  -- forgotten: nobody asks for its numbers
for name, total in pairs(sums) do redis.call('HSET', KEYS[1], name, total) end
if batch[1] == 'finish' and state == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'done', 'ended_ms', now)
  redis.call('PEXPIRE', KEYS[1], keep_ms)
  redis.call('DEL', KEYS[6], KEYS[7], KEYS[8])
  return 1
elseif batch[1] == 'finish' then  -- it paused the job itself: a resumed one is drained again
  redis.call('HDEL', KEYS[1], 'finishing')
end
if state == 'cancelled' then return 1 end
redis.call('HDEL', KEYS[8], told[1])  -- a worker that commits is well
if redis.call('HLEN', KEYS[6]) >= 2000 then redis.call('DEL', KEYS[6]) end  -- workers come and go
for field, total in pairs(shares) do redis.call('HSET', KEYS[6], field, total) end
for _, failure in ipairs(told[2]) do redis.call('LPUSH', KEYS[7], failure) end
redis.call('LTRIM', KEYS[7], 0, 2)
for i, child in ipairs(children) do
  redis.call('HSET', KEYS[8 + i], 'stage', child[2], 'payload', child[3], 'attempts', 0, 'fence', first)
  redis.call('ZADD', KEYS[2], now, child[1])
end
return redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]) > 0 and 1 or 2
