/**
 * The part of the script that finds what retention may remove. It decides nothing: it shows rows, and carries
 * out what was decided about them.
 */

export const sweepCommands = String.raw`
-- Other limits may concern streams at which nothing has happened.
function commands.noteLimits(limits)
  if redis.call('HGET', at('counts'), 'limits') == limits then return {} end
  redis.call('HSET', at('counts'), 'limits', limits)
  for _, key in ipairs(redis.call('HVALS', at('ids'))) do redis.call('SADD', at('restless'), key) end
  return {}
end

function commands.due(now, sessionsLimit)
  return { redis.call('ZRANGEBYSCORE', at('sessions'), '-inf', now, 'LIMIT', 0, sessionsLimit),
    redis.call('SRANDMEMBER', at('left'), 100) }
end

function commands.forgetOlder(before, limit)
  local keys = redis.call('ZRANGEBYSCORE', at('appkeys'), '-inf', '(' .. before, 'LIMIT', 0, limit)
  for _, key in ipairs(keys) do
    redis.call('DEL', at(string.sub(key, 1, 1), string.sub(key, 2)))
    redis.call('ZREM', at('appkeys'), key)
  end
  return #keys
end

local function firstSince(s, time, limit)
  if not s.oldest or s.oldest >= time then return s.low end
  local from, last = s.low, math.min(s.low + limit - 1, s.head)
  while from <= last do
    local page = redis.call('XRANGE', at('l', s.key), number(from), number(last), 'COUNT', 64)
    if #page == 0 then break end
    for _, entry in ipairs(page) do
      if timeOf(entry[1]) >= time then return tonumber(string.match(entry[1], '^%d+')) end
      from = tonumber(string.match(entry[1], '^%d+')) + 1
    end
  end
  return last + 1
end

-- What every cursor has passed, and whether each member reads with a cursor of its own.
local function readersOf(s)
  if s.mailbox == 0 then return '', 0 end
  local passed
  for _, offset in ipairs(redis.call('HVALS', at('u', s.key))) do
    passed = math.min(passed or tonumber(offset), tonumber(offset))
  end
  local seen, own = {}, 1
  for _, consumer in ipairs(redis.call('HVALS', at('m', s.key))) do
    if consumer == '' or seen[consumer] then own = 0 end
    seen[consumer] = true
  end
  return passed and number(passed) or '', own
end

local function rowOf(s, ordinaryTime, mailboxTime, limit)
  local passed, own = readersOf(s)
  return { s.key, s.id, s.low, s.head, s.mailbox, passed, own, firstSince(s, ordinaryTime, limit),
    firstSince(s, mailboxTime, limit), hasMembers(s) and 1 or 0 }
end

-- Streams that may have something to trim, or that nothing may need any more.
function commands.look(ordinaryTime, mailboxTime, streamsLimit, entriesLimit)
  local ordinary, mailbox = tonumber(ordinaryTime), tonumber(mailboxTime)
  local before = { ordinary, mailbox, math.max(ordinary, mailbox) }
  local keys, isThere = {}, {}
  local function add(some)
    for _, key in ipairs(some) do
      if not isThere[key] and #keys < tonumber(streamsLimit) then
        isThere[key] = true
        keys[#keys + 1] = key
      end
    end
  end
  for kind = 0, 2 do
    add(redis.call('ZRANGEBYSCORE', at('oldest' .. kind), '-inf', '(' .. number(before[kind + 1]), 'LIMIT', 0,
      streamsLimit))
  end
  if #keys < tonumber(streamsLimit) then add(redis.call('SRANDMEMBER', at('restless'), streamsLimit)) end
  local rows = {}
  for _, key in ipairs(keys) do
    local s = find(key)
    if s then rows[#rows + 1] = rowOf(s, ordinary, mailbox, tonumber(entriesLimit))
    else redis.call('SREM', at('restless'), key) end
  end
  return rows
end

-- key, id, the first offset to keep, whether there is more to trim, whether a session of that name lives, now
function commands.tidy(key, id, low, more, isOwn, now)
  local s = find(key)
  if not s or s.id ~= id then return 0 end
  local trimmed = trim(s, tonumber(low), '=')
  local passed = readersOf(s)
  local mailbox = s.mailbox
  if mailbox ~= 0 then mailbox = (passed ~= '' and tonumber(passed) >= s.low) and 2 or 1 end
  local orphaned
  if s.low > s.head and mailbox == 0 and isOwn == '0' and not hasMembers(s) then
    orphaned = s.orphaned or tonumber(now)
  end
  if mailbox ~= s.mailbox or orphaned ~= s.orphaned then
    s.mailbox, s.orphaned = mailbox, orphaned
    indexed(s)
  end
  if more == '0' then redis.call('SREM', at('restless'), key) end
  return trimmed
end

function commands.orphans(before, limit)
  return redis.call('ZRANGEBYSCORE', at('orphans'), '-inf', before, 'LIMIT', 0, limit)
end

function commands.dropOrphan(key, isOwn)
  local s = find(key)
  if not s then
    redis.call('ZREM', at('orphans'), key)
    return 0
  end
  if s.low > s.head and s.mailbox == 0 and isOwn == '0' and not hasMembers(s) then
    drop(s)
    return 1
  end
  s.orphaned = nil
  indexed(s)
  return 0
end

function commands.namespaceOf(session) return redis.call('HGET', at('h', session), 'n') or '' end

-- Streams that were trimmed as they grew count for the next sweep.
function commands.takeTrimmed()
  local trimmed = redis.call('HGET', at('counts'), 'trimmed')
  redis.call('HDEL', at('counts'), 'trimmed')
  return tonumber(trimmed or '0')
end

-- A process that has been silent for an hour does not ask again for the answer to its last call.
function commands.forgetCalls()
  local now = tonumber(redis.call('TIME')[1])
  local all = redis.call('HGETALL', at('done'))
  for i = 1, #all, 2 do
    if tonumber(string.match(all[i + 1], '^%d+')) < now - 3600 then redis.call('HDEL', at('done'), all[i]) end
  end
  return {}
end

function commands.renew()
  redis.call('HINCRBY', at('counts'), 'renewals', 1)
  return redis.call('HLEN', at('ids'))
end

function commands.figures()
  local counts = redis.call('HMGET', at('counts'), 'entries', 'outcomes')
  return { redis.call('HLEN', at('ids')), tonumber(counts[1] or '0'), redis.call('ZCARD', at('sessions')),
    tonumber(counts[2] or '0') }
end
`;
