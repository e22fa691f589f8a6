-- The part of a script that is repeated: trial {…}. Before each time Lua is put back,
-- as the machine is. `core` has the functions that C gives, `own` is of prelude.lua.
local core, own = ...

local type, ipairs = type, ipairs
local raw_get, raw_set = rawget, rawset
local concat, find = table.concat, string.find
local raw_next, raise, check = own.raw_next, own.raise, own.check
local check_options, check_duration = own.check_options, own.check_duration
local random = random
local get_info, get_metatable = core.debug.getinfo, core.debug.getmetatable
local set_metatable = core.debug.setmetatable
local get_upvalue, set_upvalue = core.debug.getupvalue, core.debug.setupvalue

-- -- putting Lua back --

-- All that can be reached from a value: its tables' contents and functions' upvalues.
local function survey(root)
    local tables, upvalues, seen, queue = {}, {}, {}, {root}
    local function meet(value)
        local kind = type(value)
        if (kind == "table" or kind == "function") and not seen[value] then
            seen[value] = true
            queue[#queue + 1] = value
        end
    end
    while #queue > 0 do
        local value = queue[#queue]
        queue[#queue] = nil
        if type(value) == "table" then
            local rows = {}
            for key, row in raw_next, value do
                rows[key] = row
                meet(key)
                meet(row)
            end
            meet(get_metatable(value))
            tables[#tables + 1] = {value, rows, get_metatable(value)}
        elseif get_info(value, "S").what ~= "C" then
            local i = 1
            local name, held = get_upvalue(value, i)
            while name do
                upvalues[#upvalues + 1] = {value, i, held}
                meet(held)
                i = i + 1
                name, held = get_upvalue(value, i)
            end
        end
    end
    return tables, upvalues
end

local function put_back_table(t, rows, metatable)
    for key in raw_next, t do
        if rows[key] == nil then
            raw_set(t, key, nil)
        end
    end
    for key, row in raw_next, rows do
        if raw_get(t, key) ~= row then
            raw_set(t, key, row)
        end
    end
    if get_metatable(t) ~= metatable then
        set_metatable(t, metatable)
    end
end

-- A function that makes all that can be reached from globals and `value` what it is now.
local function keep(value)
    local tables, upvalues = survey({_G, value})
    return function()
        for i = 1, #tables do
            local kept = tables[i]
            put_back_table(kept[1], kept[2], kept[3])
        end
        for i = 1, #upvalues do
            local kept = upvalues[i]
            set_upvalue(kept[1], kept[2], kept[3])
        end
    end
end

-- -- faults of the script's own choice --

local function check_texts(texts)
    if type(texts) == "string" then
        texts = {texts}
    end
    check("trial: what faults() returns", texts, "table")
    for _, text in ipairs(texts) do
        check("trial: what faults() returns", text, "string")
        if find(text, "\n", 1, true) then
            raise("trial: a fault is one line, not '%s'", text)
        end
    end
    return concat(texts, "\n")
end

-- For C: the texts of the faults of an experiment, a line each.
local function drawer(faults)
    return function(number, instruction)
        return check_texts(faults {
            number = number, instruction = instruction, random = random,
        })
    end
end

-- -- the trial --

-- Carries out `run`, once or, in a campaign, again and again with other faults.
function trial(description)
    description = check_options("trial", description, {
        faults = "any", run = "function", timeout = "duration",
    })
    check("trial: run", description.run, "function")
    local faults, timeout_ns = description.faults, 0
    if description.timeout then
        timeout_ns = check_duration("trial: timeout", description.timeout)
    end
    if faults ~= nil and type(faults) ~= "function" then
        check("trial: faults", faults, "table")
    end
    local draw = type(faults) == "function" and drawer(faults) or nil
    core.trial(description.run, draw == nil and faults or nil, draw, timeout_ns,
               keep(description))
end
