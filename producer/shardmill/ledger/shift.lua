-- shift: change a job's state if it is in one of the states that allow it.
-- KEYS job share failures   ARGV new reason keep_ms allowed...
local state = redis.call('HGET', KEYS[1], 'state')
for i = 4, #ARGV do
  if state == ARGV[i] then
    redis.call('HSET', KEYS[1], 'state', ARGV[1], 'reason', ARGV[2])
    if ARGV[1] == 'cancelled' then
      local now = redis.call('TIME')
      redis.call('HSET', KEYS[1], 'ended_ms', now[1] * 1000 + math.floor(now[2] / 1000))
      redis.call('PEXPIRE', KEYS[1], ARGV[3])
      redis.call('DEL', KEYS[2], KEYS[3])
    end
    return 'shifted'
  end
end
return state or 'unknown'
