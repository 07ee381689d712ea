-- snapshot: tell a job's numbers of one moment; a script, for a full Redis refuses a transaction.
-- KEYS job waiting lease live share failures faults
local time = redis.call('TIME')
return {
  redis.call('HGETALL', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[3]),
  redis.call('HVALS', KEYS[4]), time[1] * 1000 + math.floor(time[2] / 1000),
  redis.call('HGETALL', KEYS[5]), redis.call('LRANGE', KEYS[6], 0, -1)
}
