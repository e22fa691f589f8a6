-- What scripts do with machines: describe, drive, wait, look, and the common case of
-- all that. `own` is of prelude.lua.
local core, own = ...

local DEFAULT_TIMEOUT = "60 s"
local SCREEN_INTERVAL = "10 ms" -- between two looks at the screen
local KEY_TIME = "20 ms" -- that a key is held, and that is between two keys

local type, tostring = type, tostring
local format, match, find = string.format, string.match, string.find
local gmatch, insert_row, utf8_codes = string.gmatch, table.insert, utf8.codes
local raise, check, check_integer = own.raise, own.check, own.check_integer
local check_duration, check_options = own.check_duration, own.check_options
local console_number, sorted_keys, list = own.console_number, own.sorted_keys, own.list
local fail, quote = own.fail, own.quote

-- -- the machine --

-- Options of the command line, and what they may be here.
local MACHINE = {
    append = "string", bios = "string", boot = "string", cdrom = "string",
    debugcon = "boolean", device = "list", drive = "list", engine = "string",
    fda = "string",
    fdb = "string", hda = "string", hdb = "string", hdc = "string", hdd = "string",
    initrd = "string", kernel = "string", m = "size", machine = "string",
    memory = "size",
    name = "string", netdev = "list", nic = "list", no_reboot = "boolean",
    nodefaults = "boolean", parallel = "boolean", rtc = "string",
    symbols = "string", watchdog_action = "string",
    media = "table", console = "string",
}
local WORDS = {
    memory = "-m", symbols = "-fault-symbols", no_reboot = "-no-reboot", watchdog_action = "-watchdog-action",
}
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
            raise("machine: there is no '%s'; there are %s", tostring(key),
                  list(MACHINE))
        end
        if key ~= "media" and key ~= "console" then
            add_words(words, key, kind, description[key])
        end
    end
    if description.rtc and not find(description.rtc, "%d") then
        raise('machine: rtc: \'%s\' is another time in each run; give a date, as in '
              .. '"base=2024-02-29T12:00:00"', description.rtc)
    end
    local media = description.media or {}
    check("machine: media", media, "table")
    for _, name in ipairs(sorted_keys(media)) do
        core.medium(tostring(name),
                    check("machine: media: " .. name, media[name], "string"))
    end
    core.create_machine(words)
    core.has_machine = true
    if description.console then
        if description.console ~= "screen" then
            console_number("machine: console", description.console)
        end
        own.default_console = description.console
    end
end

-- -- waiting --

local WAIT_OPTIONS = {timeout = "duration", on = "string", required = "boolean"}

local function describe_failure(what, status, timeout)
    local ending = core.machine_end()
    if status == "ended" then
        return format("%s: the machine has ended (%s) without it", what, ending)
    end
    local how = ending == "halted" and "; the CPU has halted with interrupts off" or ""
    return format("%s: not within %s of virtual time%s", what, timeout, how)
end

-- Nil and why, or the end of the experiment.
local function give_up(options, what, status, timeout, console)
    if options.required == false then
        return nil, status
    end
    fail(status == "ended" and "failed" or "timeout",
         describe_failure(what, status, timeout), console)
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
    local timeout = options.timeout or DEFAULT_TIMEOUT
    local on = options.on or own.default_console
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
    local timeout = options.timeout or DEFAULT_TIMEOUT
    local on = options.on or own.default_console
    local end_ns = core.now_ns() + check_duration("wait_for_line: timeout", timeout)
    local console = console_number("wait_for_line", on)
    find("", pattern) -- a mistake in it shows up now
    while true do
        local left = end_ns - core.now_ns()
        local status, line = core.wait_line(console, left > 0 and left or 0)
        if status ~= "found" then
            return give_up(options, "wait_for_line " .. quote(pattern), status, timeout,
                           on)
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
        raise("%s: %d have been executed already", what, core.instructions())
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
    options = check_options("run_until_end", options, {
        timeout = "duration", required = "boolean", halted = "boolean",
    })
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
    local on = options.on or own.default_console
    on = on == "screen" and "serial0" or on
    local sent = core.send(console_number("send", on), text)
    if sent < #text then
        raise("send: %s takes %d of %d bytes now; wait until the guest has read some",
                          on, sent, #text)
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
            raise("press: there is no key '%s'", name)
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
            raise("type_keys: no key of a US keyboard gives %s",
                  quote(utf8.char(code)))
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
                                  check_integer("read_memory: bytes", bytes),
                                  options.linear)
    if not data then
        raise("read_memory: of %d bytes at 0x%x there are %d", bytes, address, there)
    end
    return data
end

function read_u32(address, options)
    return (string.unpack("<I4", read_memory(address, 4, options)))
end

-- -- faults --

function inject(text)
    return core.inject(check("inject", text, "string"))
end

function fault_report(fault)
    return core.fault_report(check_integer("fault_report", fault))
end

-- -- the common case, without a procedure --

local EXPERIMENT = {
    machine = "table", expect = "table", never = "table", timeout = "duration",
    ending = "string", outcome = "string", on = "string",
    fault = "string",
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
