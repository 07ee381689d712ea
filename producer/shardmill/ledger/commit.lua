-- commit: count a finished batch once and put the batches that follow from it in flight.
-- KEYS job waiting lease live batch share failures faults child...
-- ARGV batch_id fence keep_ms worker counters failures, then name amount ..., failure ...,
-- and id stage payload of each child; `counters` and `failures` are how many of each follow.
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
local keep_ms, worker = string.format('%.0f', tonumber(ARGV[3])), ARGV[4]
local first_failure = 7 + 2 * tonumber(ARGV[5])
local first_child = first_failure + tonumber(ARGV[6])
assert(#ARGV == first_child - 1 + 3 * (#KEYS - 8))
local sums, shares = {}, {}
for i = 7, first_failure - 1, 2 do
  local name, amount = ARGV[i], tonumber(ARGV[i + 1]) + 0
  sums[name] = sum(KEYS[1], name, amount)
  if worker ~= '' and (name == 'probed' or name == 'frames') then
    shares[name .. ':' .. worker] = sum(KEYS[6], name .. ':' .. worker, amount)
  end
end
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
redis.call('HDEL', KEYS[8], worker)  -- a worker that commits is well
if redis.call('HLEN', KEYS[6]) >= 2000 then redis.call('DEL', KEYS[6]) end  -- workers come and go
for field, total in pairs(shares) do redis.call('HSET', KEYS[6], field, total) end
for i = first_failure, first_child - 1 do redis.call('LPUSH', KEYS[7], ARGV[i]) end
redis.call('LTRIM', KEYS[7], 0, 2)
for i = 9, #KEYS do
  local child = first_child + 3 * (i - 9)
  redis.call('HSET', KEYS[i], 'stage', ARGV[child + 1], 'payload', ARGV[child + 2], 'attempts', 0, 'fence', first)
  redis.call('ZADD', KEYS[2], now, ARGV[child])
end
return redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]) > 0 and 1 or 2
