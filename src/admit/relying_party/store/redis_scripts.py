"""What is done to a `RedisSessionStore` in one step each.

A session is a hash of its own: `s` what is sealed, `p` the person, `o` the provider's session, `i` and `e` when it
idles and expires, `v` its version, `l` until when it is leased, by Redis's own clock, `c` by which call, and `h` by
whom. Each of these steps has that one key, so that a cluster spreads sessions over its masters.

Clients send a step again whose answer was lost on its way, so a step may be taken twice. The second time it says what
it said the first: what one call wins carries a number of that call, by which it knows its own.

What is said of people and of the provider's sessions lies together, under one hash tag: `over:…` (a hash: `until`,
`told`) and `of:…` (a sorted set of the sessions that hang on that name, by when they expire).
"""

from typing import Final

ADD: Final = """
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 's', ARGV[2], 'p', ARGV[3], 'o', ARGV[4], 'i', ARGV[5], 'e', ARGV[6], 'v', ARGV[7], 'l', 0)
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
"""Keep a session for ARGV[1] milliseconds. Nobody has its cookie yet."""

ENTER: Final = """
for i = 1, 2 do
  local kept = redis.call('HMGET', KEYS[i], 'until', 'told')
  if kept[1] and tonumber(ARGV[1]) < tonumber(kept[1]) and tonumber(ARGV[2]) <= tonumber(kept[2]) then return 0 end
end
for i = 3, 4 do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ARGV[1])
  redis.call('ZADD', KEYS[i], ARGV[4], ARGV[3])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
end
return 1
"""
"""Have session ARGV[3] found by its two names until ARGV[4], for ARGV[5] ms; ARGV[1] is now.

0: what was issued at ARGV[2] is over.
"""

TOUCH: Final = """
local idle = redis.call('HGET', KEYS[1], 'i')
if not idle or tonumber(idle) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'i', ARGV[1])
local left = redis.call('PTTL', KEYS[1])
local more = math.floor((tonumber(ARGV[1]) - tonumber(idle)) * 1000)
return redis.call('PEXPIRE', KEYS[1], string.format('%d', left + more))
"""
"""It idles until ARGV[1], and is kept for as much longer as that is later."""

_NOW: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
"""

LEASE: Final = (
    _NOW
    + """
local held = redis.call('HMGET', KEYS[1], 'v', 'l', 'c')
if held[1] ~= ARGV[1] then return 0 end
if now < tonumber(held[2]) then return held[3] == ARGV[4] and 1 or 0 end
redis.call('HSET', KEYS[1], 'l', string.format('%d', now + tonumber(ARGV[2])), 'h', ARGV[3], 'c', ARGV[4])
return 1
"""
)
"""Lease version ARGV[1] for ARGV[2] ms to ARGV[3], by call ARGV[4]. The clock is Redis's: those of the nodes need not
agree.
"""

RELEASE: Final = """
local held = redis.call('HMGET', KEYS[1], 'v', 'h')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'l', 0)
return 1
"""
"""Give back the lease of version ARGV[1], if ARGV[2] has it."""

REPLACE: Final = """
local held, after = redis.call('HMGET', KEYS[1], 'v', 's'), string.format('%d', tonumber(ARGV[1]) + 1)
if held[1] == after and held[2] == ARGV[2] then return 1 end
if held[1] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 's', ARGV[2], 'v', after, 'l', 0)
return 1
"""
"""What is sealed becomes ARGV[2], if the version still is ARGV[1]. A session that is gone has none."""

END: Final = """
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
"""End a session whose version still is ARGV[1]."""

TELL: Final = """
local spent = redis.call('GET', KEYS[1])
if spent and tonumber(ARGV[1]) < tonumber(string.match(spent, '^%S+')) then return {} end
local found = {}
for i = 2, #KEYS, 2 do
  local says, told = ARGV[3 + i / 2], redis.call('HGET', KEYS[i], 'told')
  if told and tonumber(told) > tonumber(says) then says = told end
  redis.call('HSET', KEYS[i], 'until', ARGV[2], 'told', says)
  redis.call('PEXPIRE', KEYS[i], ARGV[3])
  for _, one in ipairs(redis.call('ZRANGE', KEYS[i + 1], 0, -1)) do found[#found + 1] = one end
end
return found
"""
"""A provider's word, unless KEYS[1] was spent: until ARGV[2] nothing begins that hangs on the names and was issued no
later than the word, ARGV[4] and on. The sessions that hang on them."""

SPEND: Final = """
local spent, mine = redis.call('GET', KEYS[1]), ARGV[2] .. ' ' .. ARGV[4]
if spent == mine then return 1 end
if spent and tonumber(ARGV[1]) < tonumber(string.match(spent, '^%S+')) then return 0 end
redis.call('SET', KEYS[1], mine, 'PX', ARGV[3])
return 1
"""
"""Spend a name until ARGV[2], for ARGV[3] ms, by call ARGV[4]; 0 where another did."""
