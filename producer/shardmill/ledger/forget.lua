-- forget: take a job of which nothing is left off the list.
-- KEYS jobs job waiting lease live share failures   ARGV name
if redis.call('EXISTS', KEYS[2], KEYS[3], KEYS[4]) == 0 then
  redis.call('SREM', KEYS[1], ARGV[1])
  redis.call('DEL', unpack(KEYS, 5))
end
return redis.status_reply('OK')
