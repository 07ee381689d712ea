-- set_state: change a job's state if it is in one of the states that allow it.
-- KEYS job share failures faults   ARGV new reason keep_ms allowed...
local keep_ms = string.format('%.0f', tonumber(ARGV[3]))
local state = redis.call('HGET', KEYS[1], 'state')
for i = 4, #ARGV do
  if state == ARGV[i] then
    redis.call('HSET', KEYS[1], 'state', ARGV[1], 'reason', ARGV[2])
    redis.call('DEL', KEYS[4])  -- who resumes a job has mended what was wrong
    if ARGV[1] == 'cancelled' then
      local now = redis.call('TIME')
      redis.call('HSET', KEYS[1], 'ended_ms', now[1] * 1000 + math.floor(now[2] / 1000))
      redis.call('PEXPIRE', KEYS[1], keep_ms)
      redis.call('DEL', KEYS[2], KEYS[3])
    end
    return 'shifted'
  end
end
return state or 'unknown'
