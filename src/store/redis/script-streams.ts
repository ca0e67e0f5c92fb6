/**
 * The part of the script that keeps streams: their entries, members and cursors. Rows of streams are read
 * once in a call and written back at its end, however many entries the call appends.
 */

export const streamCommands = String.raw`
local loaded, changed = {}, {}

local function touch(s)
  s.isChanged = true
  changed[s.key] = s
end

local function keep(s)
  -- A stream that was last written in another history begins a new epoch: what had been read of the old one
  -- up to its head is still so, what had been read behind it is not. A renewal vouches for nothing.
  if s.era ~= era then
    if renewalOf(s.era) == renewalOf(era) then
      s.past = lastOf(s.past .. s.epoch .. ' ' .. number(s.head) .. '\n', 8)
    else
      s.past = ''
    end
    s.epoch, s.era = newEpoch(), era
    touch(s)
  end
  loaded[s.key] = s
  return s
end

local function find(key)
  local found = loaded[key]
  if found ~= nil then return found end
  local row = redis.call('HMGET', at('s', key), 'id', 'epoch', 'era', 'low', 'head', 'mailbox', 'oldest',
    'orphaned', 'past')
  if not row[1] then
    loaded[key] = false
    return false
  end
  return keep({ key = key, id = row[1], epoch = row[2], era = row[3], low = tonumber(row[4]),
    head = tonumber(row[5]), mailbox = tonumber(row[6]), oldest = tonumber(row[7]),
    orphaned = tonumber(row[8]), past = row[9] })
end

local function resolve(key)
  local found = find(key)
  if found then return found end
  local id = number(redis.call('HINCRBY', at('counts'), 'next', 1) * partitions + partition)
  local s = { key = key, id = id, epoch = newEpoch(), era = era, low = 1, head = 0, mailbox = 0, past = '' }
  redis.call('HSET', at('ids'), id, key)
  loaded[key] = s
  touch(s)
  return s
end

local function headOf(s) return { s.id, s.key, s.epoch, s.low, s.head, s.past } end

local function restless(s)
  if not s.isRestless then redis.call('SADD', at('restless'), s.key) end
  s.isRestless = true
end

-- Each kind of stream becomes due for a sweep at another age of its oldest entry.
local function index(s)
  for kind = 0, 2 do
    if kind == s.mailbox and s.oldest then
      redis.call('ZADD', at('oldest' .. kind), s.oldest, s.key)
    else
      redis.call('ZREM', at('oldest' .. kind), s.key)
    end
  end
  if s.orphaned then
    redis.call('ZADD', at('orphans'), s.orphaned, s.key)
  else
    redis.call('ZREM', at('orphans'), s.key)
  end
end

local function flush()
  for _, s in pairs(changed) do
    -- An entry more is by far the most frequent change.
    if s.isChanged then
      redis.call('HSET', at('s', s.key), 'id', s.id, 'epoch', s.epoch, 'era', s.era,
        'low', number(s.low), 'head', number(s.head), 'mailbox', s.mailbox, 'past', s.past,
        'oldest', s.oldest or '', 'orphaned', s.orphaned or '')
    else
      redis.call('HSET', at('s', s.key), 'head', number(s.head))
    end
    if s.indexed then index(s) end
  end
end

local function indexed(s)
  s.indexed = true
  touch(s)
end

-- The time of an entry is the second half of its id in the log.
local function timeOf(id) return tonumber(string.match(id, '%-(%d+)$')) end

local function oldestOf(s)
  local first = redis.call('XRANGE', at('l', s.key), number(s.low), '+', 'COUNT', 1)
  return first[1] and timeOf(first[1][1])
end

local function trim(s, low, exactly)
  local trimmed = math.min(low, s.head + 1) - s.low
  if trimmed <= 0 then return 0 end
  s.low = s.low + trimmed
  redis.call('XTRIM', at('l', s.key), 'MINID', exactly, number(s.low))
  if s.low > s.head then redis.call('DEL', at('l', s.key)) end
  s.oldest = oldestOf(s)
  added.entries = added.entries - trimmed
  indexed(s)
  return trimmed
end

-- Between sweeps a busy stream grows by an eighth above its limit, and not without one.
local function bound(s, limits)
  local limit = s.mailbox == 0 and limits[1] or limits[2]
  if limit == 0 or s.head - s.low + 1 <= limit + math.max(16, math.floor(limit / 8)) then return end
  local trimmed = trim(s, s.head - limit + 1, '~')
  redis.call('HINCRBY', at('counts'), 'trimmed', trimmed)
end

local function findKnown(key, field, isSession)
  if isSession then return redis.call('HGET', at('k', key), field) end
  return redis.call('GET', at('j', field .. ':' .. key)) or redis.call('HGET', at('y', key), field)
end

local function remember(scope, field, isSession, value, time)
  if isSession then
    redis.call('HSET', at('k', scope), field, value)
    return
  end
  redis.call('SET', at('j', field .. ':' .. scope), value)
  redis.call('ZADD', at('appkeys'), time, 'j' .. field .. ':' .. scope)
end

local function announcement(s, head, payload, time, except, also, request)
  return '[' .. s.id .. ',' .. head .. ',' .. time .. ',"' .. s.epoch .. '",' ..
    (except == '' and 'null' or except) .. ',' .. (also == '' and 'null' or also) .. ',' ..
    (request == '' and 'null' or request) .. ']\n' .. payload
end

local function also(places, own, before)
  local others = before == '' and {} or { before }
  for _, place in ipairs(places) do
    if place[1] ~= own then others[#others + 1] = '[' .. place[1] .. ',' .. number(place[2]) .. ']' end
  end
  return #others == 0 and '' or '[' .. table.concat(others, ',') .. ']'
end

-- One key, or several as JSON: no key begins with a bracket.
local function keysOf(keys) return string.sub(keys, 1, 1) == '[' and split(keys) or { keys } end

local function put(s, payload, time, except, others, request)
  s.head = s.head + 1
  changed[s.key] = s
  if not s.oldest or s.orphaned then
    s.oldest, s.orphaned = s.oldest or tonumber(time), nil
    indexed(s)
  end
  local head = number(s.head)
  local entry = { 'p', payload }
  if except ~= '' then entry[3], entry[4] = 'x', except end
  if others ~= '' then entry[#entry + 1], entry[#entry + 2] = 'o', others end
  if request ~= '' then entry[#entry + 1], entry[#entry + 2] = 'r', request end
  redis.call('XADD', at('l', s.key), head .. '-' .. time, unpack(entry))
  redis.call('SPUBLISH', at('c', s.key), announcement(s, head, payload, time, except, others, request))
  restless(s)
end

-- keys, payload, time, except as JSON, places in streams elsewhere as JSON without its brackets, request as
-- JSON, scope, field, whose key it is ('session', 'application', or what to ask of the session in this
-- partition as JSON), digest, whether other payloads are refused, limits
function commands.append(keys, payload, time, except, before, request, scope, field, whose, digest,
    strict, ordinaryLimit, mailboxLimit)
  if string.sub(whose, 1, 1) == '[' then
    local asked = split(whose)
    local word = commands.owns(scope, asked[1], asked[2], asked[3], '[]')[1]
    if word == 'stale' then return { 'stale' } end
    whose = word == 'ok' and 'session' or 'application'
  end
  local isSession = whose == 'session'
  if field ~= '' then
    local known = findKnown(scope, field, isSession)
    if known then
      if strict == '1' and string.sub(known, 1, 22) ~= digest then return { 'conflict' } end
      return { 'known', string.sub(known, 23) }
    end
  end
  local streams, places, receipts = {}, {}, {}
  for i, key in ipairs(keysOf(keys)) do
    local s = resolve(key)
    streams[i], places[i] = s, { s.id, s.head + 1 }
    receipts[i] = '[' .. s.id .. ',"' .. s.epoch .. '",' .. number(s.head + 1) .. ']'
  end
  for _, s in ipairs(streams) do
    local others = (#streams == 1 and before == '') and '' or also(places, s.id, before)
    put(s, payload, time, except, others, request)
    bound(s, { tonumber(ordinaryLimit), tonumber(mailboxLimit) })
  end
  added.entries = added.entries + #streams
  local all = '[' .. table.concat(receipts, ',') .. ']'
  if field ~= '' then remember(scope, field, isSession, digest .. all, tonumber(time)) end
  return { 'appended', all }
end

function commands.heads(keys)
  local heads = {}
  for i, key in ipairs(keysOf(keys)) do
    local s = find(key)
    heads[i] = s and headOf(s) or {}
  end
  return heads
end

function commands.read(id, after, limit, bytesLimit)
  local key = redis.call('HGET', at('ids'), id)
  local s = key and find(key)
  if not s or s.id ~= id then return {} end
  local entries, bytes = {}, 0
  local from, rest = math.max(s.low, tonumber(after) + 1), tonumber(limit)
  while rest > 0 and from <= s.head do
    local page = redis.call('XRANGE', at('l', s.key), number(from), '+', 'COUNT', math.min(rest, 16))
    for _, entry in ipairs(page) do
      entries[#entries + 1] = entry
      bytes = bytes + #entry[2][2]
      from = tonumber(string.match(entry[1], '^%d+')) + 1
      if bytes >= tonumber(bytesLimit) then return { headOf(s), entries } end
    end
    rest = rest - #page
    if #page == 0 then break end
  end
  return { headOf(s), entries }
end

-- key, session, consumer, kind of the beginning, its number
function commands.enter(key, session, consumer, kind, from)
  local s = resolve(key)
  local base = s.head
  if kind == 'last' then base = math.max(s.low - 1, s.head - tonumber(from)) end
  if kind == 'after' then base = math.min(tonumber(from), s.head) end
  if kind == 'cursor' then
    local known = redis.call('HGET', at('u', key), consumer)
    base = known and tonumber(known) or s.low - 1
    if not known then redis.call('HSET', at('u', key), consumer, number(base)) end
    if s.mailbox == 0 then
      s.mailbox = 1
      indexed(s)
    end
  end
  redis.call('HSET', at('m', key), session, consumer)
  if s.orphaned then
    s.orphaned = nil
    indexed(s)
  end
  touch(s)
  restless(s)
  return { headOf(s), base }
end

function commands.exit(key, session)
  redis.call('HDEL', at('m', key), session)
  local s = find(key)
  if s then restless(s) end
  return {}
end

local function drop(s)
  added.entries = added.entries + s.low - s.head - 1
  redis.call('DEL', at('s', s.key), at('l', s.key), at('u', s.key), at('m', s.key))
  redis.call('HDEL', at('ids'), s.id)
  s.oldest, s.orphaned = nil, nil
  index(s)
  redis.call('SREM', at('restless'), s.key)
  loaded[s.key], changed[s.key] = false, nil
end

local function hasMembers(s) return redis.call('EXISTS', at('m', s.key)) == 1 end

function commands.dropOwn(key)
  local s = find(key)
  if not s then return {} end
  if s.mailbox ~= 0 or hasMembers(s) then restless(s) else drop(s) end
  return {}
end

function commands.move(id, consumer, epoch, offset)
  local key = redis.call('HGET', at('ids'), id)
  local s = key and find(key)
  offset = tonumber(offset)
  if not s or s.epoch ~= epoch or offset > s.head then return {} end
  local stored = redis.call('HGET', at('u', key), consumer)
  if stored and offset > tonumber(stored) then
    redis.call('HSET', at('u', key), consumer, number(offset))
    restless(s)
  end
  return {}
end

function commands.members(key) return redis.call('HKEYS', at('m', key)) end
`;
