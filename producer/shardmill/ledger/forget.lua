-- forget: take a job of which nothing is left off both lists.
-- KEYS jobs active job waiting lease live share failures faults   ARGV name
if redis.call('EXISTS', KEYS[3], KEYS[4], KEYS[5]) == 0 then
  redis.call('SREM', KEYS[1], ARGV[1])
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('DEL', unpack(KEYS, 6))
end
return redis.status_reply('OK')
