-- What scripts of experiments can call, made of the functions in `core`, which C gives.
-- docs/experiments.md is the manual. A mistake is told with the line of the script in
-- which it is made.
local core = ...

local DEFAULT_TIMEOUT = "60 s"
local SCREEN_INTERVAL = "10 ms" -- between two looks at the screen
local KEY_TIME = "20 ms" -- that a key is held, and that is between two keys
local CONSOLES = {
    serial0 = 0, serial1 = 1, debugcon = 4, parallel = 5,
}

local type, tostring, select = type, tostring, select
local tointeger, sort = math.tointeger, table.sort
local format, match, find, byte = string.format, string.match, string.find, string.byte
local raw_next, raw_setmetatable = next, setmetatable
local gmatch, gsub, sub, insert_row = string.gmatch, string.gsub, string.sub, table.insert
local concat, utf8_codes = table.concat, utf8.codes

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
            core.raise("pairs: a key is a " .. kind .. "; only numbers and strings have an "
                       .. "order that is the same in each run")
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

local function check(what, value, kind)
    if type(value) ~= kind then
        core.raise(format("%s: a %s is needed, not %s", what, kind,
                          value == nil and "nothing" or "a " .. type(value)))
    end
    return value
end

local function check_integer(what, value)
    local integer = tointeger(value)
    if type(value) ~= "number" or not integer then
        core.raise(format("%s: an integer is needed, not %s", what, tostring(value)))
    end
    return integer
end

local function check_duration(what, value)
    local ns = core.duration(value)
    if not ns then
        core.raise(format('%s: %s is no time; give a number with ns, us, ms, s or min, as in '
                          .. '"1.5 s"', what, tostring(value)))
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
            core.raise(format("%s: there is no option '%s'; there are %s", what, tostring(key),
                              list(known)))
        end
        if known[key] ~= "duration" then
            check(what .. ": " .. key, options[key], known[key])
        end
    end
    return options
end

local function console_number(what, name)
    local number = CONSOLES[name]
    if not number then
        core.raise(format("%s: there is no console '%s'; there are %s%s", what, tostring(name),
                          list(CONSOLES), what == "send" and "" or ", and screen"))
    end
    if not core.console_exists(number) then
        core.raise(format("%s: this machine has no %s; machine {…} can give it one", what, name))
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

local default_console = "serial0"

local function fail(outcome_name, message, console)
    local text = core.where() .. ": " .. message
    if core.has_machine then
        text = text .. seen_last(console or default_console)
    end
    core.finish(outcome_name, text, false)
end

-- Ends the experiment: it has been carried out, and this is what it has shown.
function outcome(name, detail)
    check("outcome", name, "string")
    if not match(name, "^[%w_.-]+$") or #name > 60 then
        core.raise("outcome: '" .. name .. "' is to be a word of letters, digits, - _ and .")
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
    return math.type(value) == "integer" and format("%d (0x%x)", value, value) or tostring(value)
end

function expect_equal(actual, expected, what)
    if actual ~= expected then
        fail("failed", format("%s: %s was expected, and it is %s", what or "expect_equal",
                              show(expected), show(actual)))
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
        core.raise(format("random: there is no number from %d to %d", first, last))
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
            core.raise(format("setting '%s' is missing: run it with --set %s=VALUE", name, name))
        end
        return default
    end
    if type(default) == "number" then
        local number = tonumber(text)
        if not number then
            core.raise(format("setting '%s' is to be a number, not '%s'", name, text))
        end
        return number
    elseif type(default) == "boolean" then
        if text ~= "true" and text ~= "false" then
            core.raise(format("setting '%s' is to be true or false, not '%s'", name, text))
        end
        return text == "true"
    end
    return text
end

-- -- the machine --

-- Options of the command line, and what they may be here.
local MACHINE = {
    append = "string", bios = "string", boot = "string", cdrom = "string",
    debugcon = "boolean", device = "list", drive = "list", engine = "string", fda = "string",
    fdb = "string", hda = "string", hdb = "string", hdc = "string", hdd = "string",
    initrd = "string", kernel = "string", m = "size", machine = "string", memory = "size",
    name = "string", netdev = "list", nic = "list", no_reboot = "boolean",
    nodefaults = "boolean", parallel = "boolean", rtc = "string", watchdog_action = "string",
    media = "table", console = "string",
}
local WORDS = {memory = "-m", no_reboot = "-no-reboot", watchdog_action = "-watchdog-action"}
local CONSOLE_WORDS = {debugcon = true, parallel = true}

local function add_words(words, key, kind, value)
    local word = WORDS[key] or "-" .. key
    if kind == "list" then
        for _, text in ipairs(type(value) == "table" and value or {value}) do
            insert_row(words, word)
            insert_row(words, check("machine: " .. key, text, "string"))
        end
    elseif kind == "boolean" then
        if check("machine: " .. key, value, "boolean") then
            insert_row(words, word)
            if CONSOLE_WORDS[key] then
                insert_row(words, "null")
            end
        end
    elseif kind == "size" and type(value) == "number" then
        insert_row(words, word)
        insert_row(words, tostring(check_integer("machine: " .. key, value)))
    else
        insert_row(words, word)
        insert_row(words, check("machine: " .. key, value, "string"))
    end
end

-- Switches a machine on.
function machine(description)
    check("machine: its description", description, "table")
    local words = {"-clock", "counted", "-display", "none", "-serial", "null"}
    for _, key in ipairs(sorted_keys(description)) do
        local kind = MACHINE[key]
        if not kind then
            core.raise(format("machine: there is no '%s'; there are %s", tostring(key),
                              list(MACHINE)))
        end
        if key ~= "media" and key ~= "console" then
            add_words(words, key, kind, description[key])
        end
    end
    local media = description.media or {}
    check("machine: media", media, "table")
    for _, name in ipairs(sorted_keys(media)) do
        core.medium(tostring(name), check("machine: media: " .. name, media[name], "string"))
    end
    core.create_machine(words)
    core.has_machine = true
    if description.console then
        if description.console ~= "screen" then
            console_number("machine: console", description.console)
        end
        default_console = description.console
    end
end

-- -- waiting --

local WAIT_OPTIONS = {timeout = "duration", on = "string", required = "boolean"}

local function describe_failure(what, status, timeout)
    if status == "ended" then
        return format("%s: the machine has ended (%s) without it", what, (core.machine_end()))
    end
    local how = core.machine_end() == "halted" and "; the CPU has halted with interrupts off" or ""
    return format("%s: not within %s of virtual time%s", what, timeout, how)
end

-- Nil and why, or the end of the experiment.
local function give_up(options, what, status, timeout, console)
    if options.required == false then
        return nil, status
    end
    fail(status == "ended" and "failed" or "timeout", describe_failure(what, status, timeout),
         console)
end

local function wait_for_screen(what, text, options, timeout)
    local interval = check_duration(what, SCREEN_INTERVAL)
    local end_ns = core.now_ns() + check_duration(what, timeout)
    while true do
        local shown = core.screen()
        if shown and find(shown, text, 1, true) then
            return text
        end
        local left = end_ns - core.now_ns()
        if left <= 0 then
            return give_up(options, what, "timeout", timeout, "screen")
        end
        if core.wait_time(left < interval and left or interval) == "ended" then
            return give_up(options, what, "ended", timeout, "screen")
        end
    end
end

-- Until the text has come on a console, after what has been waited for there before; or
-- is on the screen.
function wait_for(text, options)
    check("wait_for", text, "string")
    options = check_options("wait_for", options, WAIT_OPTIONS)
    local timeout, on = options.timeout or DEFAULT_TIMEOUT, options.on or default_console
    local timeout_ns = check_duration("wait_for: timeout", timeout)
    local what = "wait_for " .. quote(text)
    if on == "screen" then
        return wait_for_screen(what, text, options, timeout)
    end
    local status = core.wait_text(console_number("wait_for", on), text, timeout_ns)
    if status == "found" then
        return text
    end
    return give_up(options, what, status, timeout, on)
end

-- Until a complete line matches the pattern; returns its captures, or the line.
function wait_for_line(pattern, options)
    check("wait_for_line", pattern, "string")
    options = check_options("wait_for_line", options, WAIT_OPTIONS)
    local timeout, on = options.timeout or DEFAULT_TIMEOUT, options.on or default_console
    local end_ns = core.now_ns() + check_duration("wait_for_line: timeout", timeout)
    local console = console_number("wait_for_line", on)
    find("", pattern) -- a mistake in it shows up now
    while true do
        local left = end_ns - core.now_ns()
        local status, line = core.wait_line(console, left > 0 and left or 0)
        if status ~= "found" then
            return give_up(options, "wait_for_line " .. quote(pattern), status, timeout, on)
        end
        if find(line, pattern) then
            return match(line, pattern)
        end
    end
end

function run_for(duration)
    local what = "run_for"
    if core.wait_time(check_duration(what, duration)) == "ended" then
        fail("failed", describe_failure(what .. " " .. quote(duration), "ended"))
    end
end

-- Until so many instructions have been retired since power on, and the next one is not
-- begun.
function run_until_instruction(count, options)
    count = check_integer("run_until_instruction", count)
    options = check_options("run_until_instruction", options,
                            {timeout = "duration", required = "boolean"})
    local timeout = options.timeout or DEFAULT_TIMEOUT
    local timeout_ns = check_duration("run_until_instruction: timeout", timeout)
    local what = format("run_until_instruction %d", count)
    if count < core.instructions() then
        core.raise(format("%s: %d have been executed already", what, core.instructions()))
    end
    local status = core.wait_time(timeout_ns, count)
    if status == "found" then
        return count
    end
    return give_up(options, what, status, timeout)
end

-- Until the machine ends: "power-off", "reset" (with no_reboot), "debug-exit" and its
-- code, or "halted".
function run_until_end(options)
    options = check_options("run_until_end", options,
                            {timeout = "duration", required = "boolean", halted = "boolean"})
    local timeout = options.timeout or DEFAULT_TIMEOUT
    local timeout_ns = check_duration("run_until_end: timeout", timeout)
    local status = core.wait_end(timeout_ns, options.halted ~= false)
    if status == "end" then
        return core.machine_end()
    end
    return give_up(options, "run_until_end", status, timeout)
end

function spawn(activity)
    core.spawn(check("spawn", activity, "function"))
end

-- -- hands --

local function expect_success(what, good, message)
    if not good then
        core.raise(what .. ": " .. message)
    end
end

-- By a serial line.
function send(text, options)
    check("send", text, "string")
    options = check_options("send", options, {on = "string"})
    local on = options.on or (default_console == "screen" and "serial0" or default_console)
    local sent = core.send(console_number("send", on), text)
    if sent < #text then
        core.raise(format("send: %s takes %d of %d bytes now; wait until the guest has read some",
                          on, sent, #text))
    end
end

local function hold(keys, time)
    for i = 1, #keys do
        core.key(keys[i], true)
    end
    run_for(time)
    for i = #keys, 1, -1 do
        core.key(keys[i], false)
    end
    run_for(KEY_TIME)
end

-- Keys of the keyboard at once: "ctrl-alt-delete".
function press(names, options)
    check("press", names, "string")
    options = check_options("press", options, {hold = "duration"})
    local keys = {}
    for name in gmatch(names, "[^-]+") do
        local key = core.key_code(name)
        if not key then
            core.raise(format("press: there is no key '%s'", name))
        end
        insert_row(keys, key)
    end
    hold(keys, options.hold or KEY_TIME)
end

-- Text on the keyboard, which is a US one.
function type_keys(text)
    check("type_keys", text, "string")
    local shift_key = core.key_code("shift")
    for _, code in utf8_codes(text) do
        local key, shift = core.character_key(code)
        if not key then
            core.raise(format("type_keys: no key of a US keyboard gives %s",
                              quote(utf8.char(code))))
        end
        hold(shift and {shift_key, key} or {key}, KEY_TIME)
    end
end

-- Nil and why not, if the guest has locked the drive.
function eject(drive, options)
    check("eject", drive, "string")
    options = check_options("eject", options, {force = "boolean"})
    return core.eject(drive, options.force)
end

function insert(drive, medium)
    check("insert: the drive", drive, "string")
    check("insert: the medium", medium, "string")
    expect_success("insert", core.insert(drive, medium))
end

function unplug(network)
    expect_success("unplug", core.set_cable(check("unplug", network, "string"), false))
end

function plug(network)
    expect_success("plug", core.set_cable(check("plug", network, "string"), true))
end

power_button, reset, nmi = core.power_button, core.reset, core.nmi

-- -- looking --

now_ns, instructions, state_hash = core.now_ns, core.instructions, core.state_hash
registers, screen = core.registers, core.screen

function screenshot(name)
    return core.screenshot(check("screenshot", name, "string"))
end

-- A string; see string.unpack().
function read_memory(address, bytes, options)
    options = check_options("read_memory", options, {linear = "boolean"})
    local data, there = core.peek(check_integer("read_memory: the address", address),
                                  check_integer("read_memory: bytes", bytes), options.linear)
    if not data then
        core.raise(format("read_memory: of %d bytes at 0x%x there are %d", bytes, address, there))
    end
    return data
end

function read_u32(address, options)
    return (string.unpack("<I4", read_memory(address, 4, options)))
end

-- -- faults --

if core.inject then
    function inject(text)
        return core.inject(check("inject", text, "string"))
    end

    function fault_report(fault)
        return core.fault_report(check_integer("fault_report", fault))
    end
end

-- -- the common case, without a procedure --

local EXPERIMENT = {
    machine = "table", expect = "table", never = "table", timeout = "duration",
    ending = "string", outcome = "string", on = "string",
    fault = core.inject and "string" or nil,
}

-- A machine, what it is to say, in this order, and what never, and how it is to end.
function experiment(description)
    check_options("experiment", description, EXPERIMENT)
    check("experiment: its machine", description.machine, "table")
    local timeout, on = description.timeout or DEFAULT_TIMEOUT, description.on
    local end_ns = check_duration("experiment: timeout", timeout)
    machine(description.machine)
    if description.fault then
        inject(description.fault)
    end
    for _, text in ipairs(description.never or {}) do
        spawn(function()
            if wait_for(text, {timeout = timeout, on = on, required = false}) then
                fail("failed", format("%s was never to be seen", quote(text)), on)
            end
        end)
    end
    local function left()
        local ns = end_ns - core.now_ns()
        return (ns > 0 and ns or 0) .. " ns"
    end
    for _, text in ipairs(description.expect or {}) do
        wait_for(text, {timeout = left(), on = on})
    end
    if description.ending then
        local how = run_until_end {timeout = left()}
        expect_equal(how, description.ending, "the end of the machine")
    end
    if description.outcome then
        outcome(description.outcome)
    end
end
