-- The Lua of experiments: the language without what reaches the host, arguments and
-- their mistakes, judging, chance and settings. `core` has the functions that C gives.
-- docs/experiments.md is the manual. A mistake is told with the line of the script in
-- which it is made.
local core = ...
-- What procedure.lua gets of this.
local own = {default_console = "serial0"}

local CONSOLES = {
    serial0 = 0, serial1 = 1, debugcon = 4, parallel = 5,
}

local type, tostring, select = type, tostring, select
local tointeger, math_type, sort = math.tointeger, math.type, table.sort
local format, match, gsub = string.format, string.match, string.gsub
local concat = table.concat
local raw_next, raw_setmetatable = next, setmetatable

-- -- Lua itself: without what reaches the host, or differs from run to run --

for _, name in ipairs {"collectgarbage", "dofile", "load", "loadfile", "next", "pcall",
                       "print", "warn", "xpcall"} do
    _G[name] = nil
end
string.dump = nil
math.randomseed = nil

local function key_order(a, b)
    if type(a) ~= type(b) then
        return type(a) < type(b)
    end
    return a < b
end

local function sorted_keys(t)
    local keys = {}
    for key in raw_next, t do
        local kind = type(key)
        if kind ~= "number" and kind ~= "string" then
            core.raise("pairs: a key is a " .. kind .. "; only numbers and strings "
                       .. "have an order that is the same in each run")
        end
        keys[#keys + 1] = key
    end
    sort(keys, key_order)
    return keys
end

-- In the order of the keys, numbers first.
function pairs(t)
    if type(t) ~= "table" then
        core.raise("pairs: a table is needed, not a " .. type(t))
    end
    local keys, i = sorted_keys(t), 0
    return function()
        repeat
            i = i + 1
        until keys[i] == nil or t[keys[i]] ~= nil
        return keys[i], t[keys[i]]
    end
end

function setmetatable(t, metatable)
    if type(metatable) == "table" and (metatable.__gc or metatable.__close) then
        core.raise("setmetatable: __gc and __close are not allowed in experiments")
    end
    return raw_setmetatable(t, metatable)
end

-- -- arguments --

local function raise(text, ...)
    core.raise(format(text, ...))
end

local function check(what, value, kind)
    if type(value) ~= kind then
        raise("%s: a %s is needed, not %s", what, kind,
                          value == nil and "nothing" or "a " .. type(value))
    end
    return value
end

local function check_integer(what, value)
    local integer = tointeger(value)
    if type(value) ~= "number" or not integer then
        raise("%s: an integer is needed, not %s", what, tostring(value))
    end
    return integer
end

local function check_duration(what, value)
    local ns = core.duration(value)
    if not ns then
        raise('%s: %s is no time; give a number with ns, us, ms, s or min, as in '
                          .. '"1.5 s"', what, tostring(value))
    end
    return ns
end

local function list(names)
    local keys = sorted_keys(names)
    return concat(keys, ", ")
end

-- `known`: the options that there are, and their types.
local function check_options(what, options, known)
    if options == nil then
        return {}
    end
    check(what .. ": options", options, "table")
    for _, key in ipairs(sorted_keys(options)) do
        if not known[key] then
            raise("%s: there is no option '%s'; there are %s", what, tostring(key),
                  list(known))
        end
        if known[key] ~= "duration" and known[key] ~= "any" then
            check(what .. ": " .. key, options[key], known[key])
        end
    end
    return options
end

local function console_number(what, name)
    local number = CONSOLES[name]
    if not number then
        raise("%s: there is no console '%s'; there are %s%s", what, tostring(name),
                          list(CONSOLES), what == "send" and "" or ", and screen")
    end
    if not core.console_exists(number) then
        raise("%s: this machine has no %s; machine {…} can give it one", what, name)
    end
    return number
end

-- -- judging --

local function quote(text)
    return format("%q", text)
end

local function seen_last(name)
    local text
    if name == "screen" then
        text = core.screen() or "(a graphics mode)"
    else
        text = core.tail(CONSOLES[name])
    end
    if text == "" then
        return format("\n%s has shown nothing.", name)
    end
    local indented = gsub("    " .. gsub(text, "\n+$", ""), "\n", "\n    ")
    return format("\nSeen last on %s:\n%s", name, indented)
end


local function fail(outcome_name, message, console)
    local text = core.where() .. ": " .. message
    if core.has_machine then
        text = text .. seen_last(console or own.default_console)
    end
    core.finish(outcome_name, text, false)
end

-- Ends the experiment: it has been carried out, and this is what it has shown.
function outcome(name, detail)
    check("outcome", name, "string")
    if not match(name, "^[%w_.-]+$") or #name > 60 then
        raise("outcome: '%s' is to be a word of letters, digits, - _ and .", name)
    end
    core.finish(name, detail == nil and "" or tostring(detail), true)
end

function expect(condition, message)
    if not condition then
        fail("failed", message and tostring(message) or "expect: it does not hold")
    end
    return condition
end

local function show(value)
    if type(value) == "string" then
        return quote(value)
    end
    return math_type(value) == "integer" and format("%d (0x%x)", value, value)
        or tostring(value)
end

function expect_equal(actual, expected, what)
    if actual ~= expected then
        fail("failed", format("%s: %s was expected, and it is %s",
                              what or "expect_equal", show(expected), show(actual)))
    end
    return actual
end

function note(...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = tostring((select(i, ...)))
    end
    core.print(concat(words, " "))
end
print = note

function record(name, value)
    core.record(check("record", name, "string"), value)
end

-- -- chance, settings --

-- As math.random(), of the experiment's seed.
function random(first, last)
    if first == nil then
        return (core.random_bits() >> 11) * 0x1p-53
    end
    first = check_integer("random", first)
    if last == nil then
        first, last = 1, first
    end
    last = check_integer("random", last)
    if first > last then
        raise("random: there is no number from %d to %d", first, last)
    end
    local count = last - first + 1
    if count <= 0 then -- more than 2^63: most of them all
        return core.random_bits()
    end
    -- Without those that would make some numbers likelier.
    local bits
    repeat
        bits = core.random_bits() >> 1
    until bits - bits % count <= math.maxinteger - count + 1
    return first + bits % count
end
math.random = random

seed = core.seed

-- What --set says, or the default, whose type it gets.
function setting(name, default)
    check("setting", name, "string")
    local text = core.settings[name]
    if text == nil then
        if default == nil then
            raise("setting '%s' is missing: run it with --set %s=VALUE", name, name)
        end
        return default
    end
    if type(default) == "number" then
        local number = tonumber(text)
        if not number then
            raise("setting '%s' is to be a number, not '%s'", name, text)
        end
        return number
    elseif type(default) == "boolean" then
        if text ~= "true" and text ~= "false" then
            raise("setting '%s' is to be true or false, not '%s'", name, text)
        end
        return text == "true"
    end
    return text
end

own.raise, own.check, own.check_integer = raise, check, check_integer
own.check_duration, own.check_options = check_duration, check_options
own.console_number, own.sorted_keys, own.list = console_number, sorted_keys, list
own.fail, own.quote = fail, quote
own.raw_next = raw_next
return own
