-- fault: note that a worker cannot work on a job now, and pause the job once no worker can.
-- KEYS job workers faults   ARGV worker reason keep_ms
local keep_ms = string.format('%.0f', tonumber(ARGV[3]))
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 'stopped' end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[3], keep_ms)
for _, worker in ipairs(redis.call('ZRANGE', KEYS[2], 0, 9999)) do
  if redis.call('HEXISTS', KEYS[3], worker) == 0 then return 'noted' end
end
redis.call('HSET', KEYS[1], 'state', 'paused', 'reason', ARGV[2])
redis.call('DEL', KEYS[3])
return 'paused'
