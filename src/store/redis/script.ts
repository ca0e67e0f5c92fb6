/**
 * The script that does all the work in Redis: one call carries a list of commands for one partition, whose
 * keys share a hash slot, and carries them out in order and in one step.
 *
 * Three things are decided before the commands run.
 *
 * - **Once.** A call that writes has a number, counted by the process that makes it. A number that has been
 *   carried out is answered with the answer it got. So a call whose answer was lost may be made again, by
 *   another connection and to another server: it is carried out by the one that has not seen it.
 * - **Which history.** A server that is promoted, or that restarts, has another replication id: what its
 *   predecessor had taken last may be missing. The first call that sees it begins a new era; each stream then
 *   begins a new epoch when it is next touched, and remembers up to where the old one holds.
 * - **Enough memory.** Only sweeps run when `maxmemory` is reached (`allow-oom`): they make room.
 */

import { createHash } from "node:crypto";
import { sessionCommands } from "./script-sessions.ts";
import { streamCommands } from "./script-streams.ts";
import { sweepCommands } from "./script-sweep.ts";

export type Script = { readonly body: string; readonly digest: string };

const frame = String.raw`
local base = string.match(KEYS[1], '^(.*):counts$')
local partition, partitions = tonumber(ARGV[1]), tonumber(ARGV[2])
local process, call, fresh = ARGV[3], ARGV[4], ARGV[5]

local function at(kind, name)
  if name then return base .. ':' .. kind .. ':' .. name end
  return base .. ':' .. kind
end

-- Lua would write large numbers with an exponent.
local function number(value) return string.format('%d', value) end

local function split(list) return cjson.decode(list) end

-- What the call has added to the counts, written once.
local added = { entries = 0, outcomes = 0 }

local function lastOf(lines, count)
  local all = {}
  for line in string.gmatch(lines, '[^\n]+') do all[#all + 1] = line end
  local kept = {}
  for i = math.max(1, #all - count + 1), #all do kept[#kept + 1] = all[i] .. '\n' end
  return table.concat(kept)
end

local function renewalOf(era) return string.match(era, '%.(%d+)$') end

local epochs = 0
local function newEpoch()
  epochs = epochs + 1
  return fresh .. '.' .. epochs
end

if call ~= '' then
  local done = redis.call('HGET', at('done'), process)
  if done then
    local time, last, answer = string.match(done, '^(%d+) (%d+) (.*)$')
    -- It is written once more, so that whoever waits for replicas waits for the first time as well.
    if last == call then
      redis.call('HSET', at('done'), process, done)
      return cmsgpack.unpack(answer)
    end
    if tonumber(last) > tonumber(call) then return redis.error_reply('LATE this call has been given up') end
  end
end

local replication = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local seen = redis.call('HMGET', at('counts'), 'era', 'renewals')
local era = string.sub(replication, 1, 16) .. '.' .. (seen[2] or '0')
if seen[1] ~= era then
  redis.call('HSET', at('counts'), 'era', era)
  -- Numbers of streams that the lost end of the old history had given out are not given out again.
  if seen[1] then redis.call('HINCRBY', at('counts'), 'next', 1000000) end
end

local commands = {}
`;

const end = String.raw`
local answers, place = {}, 6
while place <= #ARGV do
  local name, count = ARGV[place], tonumber(ARGV[place + 1])
  answers[#answers + 1] = commands[name](unpack(ARGV, place + 2, place + 1 + count))
  place = place + 2 + count
end
flush()
for name, count in pairs(added) do
  if count ~= 0 then redis.call('HINCRBY', at('counts'), name, count) end
end
if call ~= '' then
  local packed = cmsgpack.pack(answers)
  redis.call('HSET', at('done'), process, redis.call('TIME')[1] .. ' ' .. call .. ' ' .. packed)
end
return answers
`;

function scriptWith(flags: string): Script {
  const body = `#!lua${flags}${frame}${streamCommands}${sessionCommands}${sweepCommands}${end}`;
  return { body, digest: createHash("sha1").update(body).digest("hex") };
}

export const script = scriptWith("");

/** For calls that only make room or read. */
export const scriptWithoutRoom = scriptWith(" flags=allow-oom");
