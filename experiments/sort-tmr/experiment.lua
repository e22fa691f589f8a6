-- Bit flips in the numbers that a program sorts, and in its registers: see README.md.
local guest, variant = setting("guest", "out"), setting("variant", "plain")
local where = setting("where", "both")

-- What sort.c is to print.
local function right_digest()
    local numbers, number, digest = {}, 12345, 0
    for i = 1, 300 do
        number = (number * 1664525 + 1013904223) & 0xffffffff
        numbers[i] = number
    end
    table.sort(numbers)
    for _, sorted in ipairs(numbers) do
        digest = (digest * 31 + sorted) & 0xffffffff
    end
    return string.format("%08x", digest)
end
local right = right_digest()

machine {
    memory = "4M",
    kernel = guest .. "/sort-" .. variant .. ".elf",
    no_reboot = true,
    nodefaults = true,
}
local address, bytes = wait_for_line("^numbers at (%x+), (%d+) bytes$")

local spaces = {
    ram = {{target = "ram", address = tonumber(address, 16), bytes = tonumber(bytes)}},
    registers = {{target = "register",
                  name = {"eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp"}}},
}
spaces.both = {spaces.ram[1], spaces.registers[1]}
expect(spaces[where], "where is ram, registers or both")

trial {
    faults = spaces[where],
    timeout = "1 ms",
    run = function()
        local sum, corrected = wait_for_line("^sum (%a+), corrected (%d+)$")
        local result = wait_for_line("^result (%x+)$")
        record("sum", sum)
        record("corrected", tonumber(corrected))
        record("result", result)
        note("sum " .. sum .. ", corrected " .. corrected .. ", result "
             .. (result == right and "right" or "WRONG"))
        if sum == "wrong" then
            outcome("detected", "the sum is another one")
        elseif corrected ~= "0" and result == right then
            outcome("corrected", corrected .. " corrected")
        end
    end,
}
