-- active: tell how many messages each active job should have, and take those that ended off the list.
-- KEYS active, then job waiting lease of each job   ARGV shown_ms, then the name of each job
-- Answers for each job its number of messages, `ended` if nothing of it is left to do, or `left` if
-- it ended longer ago than shown_ms and is off the list.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for i = 1, #ARGV - 1 do
  local job = redis.call('HMGET', KEYS[3 * i - 1], 'state', 'ended_ms')
  local waiting = redis.call('ZCARD', KEYS[3 * i])
  local inflight = waiting + redis.call('ZCARD', KEYS[3 * i + 1])
  if inflight > 0 or job[1] == 'running' or job[1] == 'paused' then
    answers[i] = (job[1] == 'paused' or job[1] == 'done') and 0 or waiting
  elseif now - (tonumber(job[2]) or 0) < tonumber(ARGV[1]) then
    answers[i] = 'ended'
  else
    redis.call('SREM', KEYS[1], ARGV[i + 1])
    answers[i] = 'left'
  end
end
return answers
