"""What is done to a `RedisEndStore` in one step each.

`head` is a hash: `epoch` is drawn anew whenever the data are begun, `seq` is the place of the last end in `log`,
`count` how many there are, `since` from when on none can be missing. `log` is a sorted set: ends by their place. A log
that is not as long as `count` says was lost apart from its head, as by eviction.
"""

_WHOLE = """
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'since', 'count')
local whole = head[1] and redis.call('ZCARD', KEYS[2]) == tonumber(head[4])
"""

_OF_MASTER = """
local asked = redis.pcall('PERSIST', KEYS[1])
local refused = type(asked) == 'table' and asked.err or ''
if string.find(refused, 'READONLY') or string.find(refused, 'NOREPLICAS') then return asked end
"""
"""Nothing is written, but only a master that may be written to takes it: a replica that is cut off, and a master that
lost its replicas where `min-replicas-to-write` is set, do not know what they lack."""

READ = (
    _OF_MASTER
    + _WHOLE
    + """
if not whole or tonumber(ARGV[1]) > tonumber(head[2]) then return {} end
if ARGV[3] ~= '' and redis.call('ZSCORE', KEYS[2], ARGV[3]) ~= ARGV[4] then return {} end
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local ends, last, mark = {}, head[2], ARGV[4]
for i = 1, #found, 2 do
  ends[#ends + 1] = found[i]
  last = found[i + 1]
  mark = last
end
if #ends < tonumber(ARGV[2]) then last = head[2] end
return {head[1], head[2], head[3], last, ends, mark}
"""
)
"""After place ARGV[1] at most ARGV[2] ends: epoch, seq, since, the place reached, the ends, the place of the last.

Nothing: not whole, or not what it was: the last end that the caller read (ARGV[3], empty for none) does not stand at
its place (ARGV[4]). It was forgotten meanwhile, or Redis lost its last writes and gave their places out again.
"""

BEGIN = (
    _WHOLE
    + """
if whole then return 0 end
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', last[2] or 0, 'since', ARGV[2],
  'count', redis.call('ZCARD', KEYS[2]))
return 1
"""
)
"""Begin an epoch ARGV[1] in which nothing is missing since ARGV[2], unless the data are whole."""

ADD = (
    _WHOLE
    + """
if not whole or head[1] ~= ARGV[1] then return -1 end
local new = {}
for i = 3, #ARGV do
  if not redis.call('ZSCORE', KEYS[2], ARGV[i]) then new[#new + 1] = ARGV[i] end
end
if tonumber(head[4]) + #new > tonumber(ARGV[2]) then return -2 end
for i, member in ipairs(new) do
  redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'seq', 1), member)
end
redis.call('HINCRBY', KEYS[1], 'count', #new)
return #new
"""
)
"""Add ends in epoch ARGV[1] up to ARGV[2] in all; how many were new. -1: not that epoch. -2: no room."""

LOWER = """
local since = redis.call('HGET', KEYS[1], 'since')
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] and tonumber(since) > tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'since', ARGV[2])
end
return 0
"""
"""Everything since ARGV[2] was written back in epoch ARGV[1]."""

DROP = """
local gone = redis.call('ZREM', KEYS[2], unpack(ARGV))
if gone > 0 then redis.call('HINCRBY', KEYS[1], 'count', -gone) end
return gone
"""
"""Forget these ends."""
