/**
 * The part of the script that keeps sessions. One hash holds a session but for its chunks: fields of one
 * letter, `o:` outcomes, `u:` how many chunks of an upload there are, `r:` rooms.
 *
 * `d` digest of the token, `n` namespace, `p` principal, `g` generation, `w` node, `i` and `t` instance and
 * attempt of the holder, `e` the generation in which the client was heard last, `k` that of the last
 * takeover, `c` that of the first one since, `a` data, `x` when it expires, `l` the low-water mark, `f` what
 * is forgotten below, `z` the highest sequence of which anything was ever known, `q` partitions that hold its
 * idempotency keys.
 */

export const sessionCommands = String.raw`
local claimFields = { 'g', 'w', 'e', 'l', 'z', 'k', 'c', 'x' }

local function isHeld(session, generation, node)
  local row = redis.call('HMGET', at('h', session), 'g', 'w')
  return row[1] == generation and row[2] == node
end

local function raise(session, field, value)
  local stored = redis.call('HGET', at('h', session), field)
  if stored and tonumber(value) <= tonumber(stored) then return end
  redis.call('HSET', at('h', session), field, value)
end

-- Every write of the holder begins with it.
local function holds(session, generation, node, heard)
  if not isHeld(session, generation, node) then return false end
  raise(session, 'e', heard)
  return true
end

function commands.peek(session)
  return redis.call('HMGET', at('h', session), 'd', 'n', 'p', 'g', 'w', 'a', 'x')
end

-- session, the namespace's membership as JSON, when it expires, then fields and values
function commands.open(session, membership, expiresAt, ...)
  if redis.call('EXISTS', at('h', session)) == 1 then return { 'taken' } end
  redis.call('HSET', at('h', session), 'g', '1', 'e', '1', 'k', '0', 'c', '0', 'l', '0', 'f', '0', 'z', '0',
    'q', '', 'x', expiresAt, 'r:', membership, ...)
  redis.call('ZADD', at('sessions'), expiresAt, session)
  return { 'opened' }
end

function commands.whole(session) return redis.call('HGETALL', at('h', session)) end

-- session, what the claim was judged by, then fields and values: refused when that has changed since
function commands.take(session, judged, expiresAt, ...)
  local row = redis.call('HMGET', at('h', session), unpack(claimFields))
  for i, value in ipairs(split(judged)) do
    if (row[i] or '') ~= value then return { 'changed' } end
  end
  redis.call('HSET', at('h', session), 'x', expiresAt, ...)
  redis.call('ZADD', at('sessions'), expiresAt, session)
  return { 'taken' }
end

function commands.hear(session, generation, node, heard)
  return { holds(session, generation, node, heard) and 'ok' or 'stale' }
end

function commands.saveData(session, generation, node, heard, data)
  if not holds(session, generation, node, heard) then return { 'stale' } end
  redis.call('HSET', at('h', session), 'a', data)
  return { 'ok' }
end

function commands.touch(session, generation, node, expiresAt)
  if not isHeld(session, generation, node) then return { 'stale' } end
  redis.call('HSET', at('h', session), 'x', expiresAt)
  redis.call('ZADD', at('sessions'), expiresAt, session)
  return { 'ok' }
end

-- Returns the stored membership of a room, if there is one.
function commands.lookUp(session, generation, node, heard, room)
  if not holds(session, generation, node, heard) then return { 'stale' } end
  return { 'ok', redis.call('HGET', at('h', session), 'r:' .. room) or '' }
end

-- Returns the membership that another process has stored since this one looked and saw "seen", if it has:
-- what was published behind that one is to be shown, so it stays.
function commands.addRoom(session, generation, node, heard, room, seen, membership)
  if not holds(session, generation, node, heard) then return { 'stale' } end
  local stored = redis.call('HGET', at('h', session), 'r:' .. room)
  if stored and stored ~= seen then return { 'kept', stored } end
  redis.call('HSET', at('h', session), 'r:' .. room, membership)
  return { 'ok' }
end

function commands.removeRoom(session, generation, node, heard, room)
  if not holds(session, generation, node, heard) then return { 'stale' } end
  local membership = redis.call('HGET', at('h', session), 'r:' .. room) or ''
  redis.call('HDEL', at('h', session), 'r:' .. room)
  return { 'ok', membership }
end

-- Returns the memberships that were taken from the session, for the streams to know.
function commands.withdraw(session, namespace, rooms)
  local taken = {}
  if redis.call('HGET', at('h', session), 'n') ~= namespace then return taken end
  for _, room in ipairs(split(rooms)) do
    local membership = redis.call('HGET', at('h', session), 'r:' .. room)
    if membership then
      taken[#taken + 1] = membership
      redis.call('HDEL', at('h', session), 'r:' .. room)
    end
  end
  return taken
end

function commands.absent(session, namespace, rooms)
  local missing = {}
  if redis.call('HGET', at('h', session), 'n') ~= namespace then return missing end
  for _, room in ipairs(split(rooms)) do
    if redis.call('HEXISTS', at('h', session), 'r:' .. room) == 0 then missing[#missing + 1] = room end
  end
  return missing
end

-- Returns the membership as it is now: the session may have joined by itself meanwhile.
function commands.enroll(session, namespace, room, membership)
  if redis.call('HGET', at('h', session), 'n') ~= namespace then return {} end
  redis.call('HSETNX', at('h', session), 'r:' .. room, membership)
  return { redis.call('HGET', at('h', session), 'r:' .. room) }
end

-- Before an append under the key of a session's event: whether the session still owns it. Notes the
-- sequence, so that no copy of the client uses it again, and which other partitions will hold the key.
function commands.owns(session, sequence, generation, heard, holders)
  local row = redis.call('HMGET', at('h', session), 'l', 'k', 'z', 'q')
  if not row[1] then return { 'unknown' } end
  if tonumber(sequence) < tonumber(row[1]) then return { 'stale' } end
  if generation ~= '' then
    if tonumber(generation) < tonumber(row[2]) then return { 'stale' } end
    raise(session, 'e', heard)
  end
  if tonumber(sequence) > tonumber(row[3]) then redis.call('HSET', at('h', session), 'z', sequence) end
  local known = row[4]
  for _, holder in ipairs(split(holders)) do
    if not string.find(known, ',' .. holder .. ',', 1, true) then known = known .. ',' .. holder .. ',' end
  end
  if known ~= row[4] then redis.call('HSET', at('h', session), 'q', known) end
  return { 'ok' }
end

local function forgetUpload(session, sequence)
  local count = tonumber(redis.call('HGET', at('h', session), 'u:' .. sequence) or '0')
  for i = 0, count - 1 do redis.call('HDEL', at('v', session), sequence .. ':' .. i) end
  redis.call('HDEL', at('h', session), 'u:' .. sequence)
end

function commands.forgetKeys(session, low)
  for _, field in ipairs(redis.call('HKEYS', at('k', session))) do
    local sequence = tonumber(string.match(field, '^%d+'))
    if sequence < tonumber(low) then redis.call('HDEL', at('k', session), field) end
  end
  return {}
end

local function forget(session, low)
  for _, field in ipairs(redis.call('HKEYS', at('h', session))) do
    local kind, sequence = string.match(field, '^([ou]):(%d+)$')
    if kind and tonumber(sequence) < low then
      if kind == 'u' then forgetUpload(session, sequence) end
      if kind == 'o' then
        redis.call('HDEL', at('h', session), field)
        added.outcomes = added.outcomes - 1
      end
    end
  end
  commands.forgetKeys(session, low)
  redis.call('HSET', at('h', session), 'f', number(low))
end

-- Returns the outcome that is recorded, and the partitions in which keys may be forgotten now.
function commands.record(session, generation, node, heard, sequence, outcome, inboxLow, data)
  local row = redis.call('HMGET', at('h', session), 'g', 'w', 'e', 'l', 'f', 'q', 'z', 'o:' .. sequence,
    'u:' .. sequence)
  if row[1] ~= generation or row[2] ~= node then return { 'stale' } end
  local written = {}
  local function set(field, value)
    written[#written + 1] = field
    written[#written + 1] = value
  end
  if tonumber(heard) > tonumber(row[3]) then set('e', heard) end
  local low, recorded, elsewhere = tonumber(row[4]), row[8] or outcome, ''
  if not row[8] and tonumber(sequence) >= low then
    set('o:' .. sequence, outcome)
    added.outcomes = added.outcomes + 1
    if tonumber(sequence) > tonumber(row[7]) then set('z', sequence) end
    if row[9] then forgetUpload(session, sequence) end
  end
  if data ~= '' then set('a', data) end
  if tonumber(inboxLow) > low then
    low = tonumber(inboxLow)
    set('l', inboxLow)
  end
  if #written > 0 then redis.call('HSET', at('h', session), unpack(written)) end
  -- In steps, because looking through the session costs more than recording an outcome.
  if low - tonumber(row[5]) >= 32 then
    forget(session, low)
    elsewhere = row[6]
  end
  return { 'ok', recorded, elsewhere }
end

function commands.putChunk(session, generation, node, heard, sequence, place, text)
  if not holds(session, generation, node, heard) then return { 'stale' } end
  local row = redis.call('HMGET', at('h', session), 'l', 'o:' .. sequence, 'u:' .. sequence)
  if tonumber(sequence) < tonumber(row[1]) or row[2] then return { 'ok', 0 } end
  local count = tonumber(row[3] or '0')
  if tonumber(place) ~= count then return { 'ok', count } end
  redis.call('HSET', at('v', session), sequence .. ':' .. place, text)
  redis.call('HSET', at('h', session), 'u:' .. sequence, number(count + 1))
  raise(session, 'z', sequence)
  return { 'ok', count + 1 }
end

function commands.upload(session, generation, node, sequence)
  if not isHeld(session, generation, node) then return { 'stale' } end
  local texts = {}
  local count = tonumber(redis.call('HGET', at('h', session), 'u:' .. sequence) or '0')
  for i = 0, count - 1 do texts[i + 1] = redis.call('HGET', at('v', session), sequence .. ':' .. i) end
  return { 'ok', count, texts }
end

-- A session that ends leaves a note of the streams that have to learn of it, until they have: a process
-- that dies in between leaves the note to the next sweep. How it ended says what becomes of its keys: those
-- of one that has not expired stay until it would have, because a handler may still be running.
function commands.finish(session, ifBefore, ownKey)
  local row = redis.call('HMGET', at('h', session), 'x', 'n', 'q')
  if not row[1] or (ifBefore ~= '' and tonumber(row[1]) > tonumber(ifBefore)) then return {} end
  local rooms, outcomes = {}, 0
  local all = redis.call('HGETALL', at('h', session))
  for i = 1, #all, 2 do
    local kind = string.sub(all[i], 1, 2)
    if kind == 'r:' then rooms[#rooms + 1] = all[i + 1] end
    if kind == 'o:' then outcomes = outcomes + 1 end
  end
  local keepUntil = ifBefore == '' and row[1] or ''
  local memberships = '[' .. table.concat(rooms, ',') .. ']'
  local note = cjson.encode({ session, row[2], keepUntil, row[3], ownKey, memberships })
  redis.call('SADD', at('left'), note)
  redis.call('DEL', at('h', session), at('v', session))
  redis.call('ZREM', at('sessions'), session)
  added.outcomes = added.outcomes - outcomes
  return { note }
end

function commands.finished(note)
  redis.call('SREM', at('left'), note)
  return {}
end

-- What a session that is over leaves behind of its keys: nothing, or all of them until a time.
function commands.retireKeys(session, keepUntil)
  if redis.call('EXISTS', at('k', session)) == 0 then return {} end
  if keepUntil == '' then
    redis.call('DEL', at('k', session))
  else
    redis.call('RENAME', at('k', session), at('y', session))
    redis.call('ZADD', at('appkeys'), keepUntil, 'y' .. session)
  end
  return {}
end
`;
