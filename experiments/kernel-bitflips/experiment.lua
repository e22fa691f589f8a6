-- Bit flips in a running Linux kernel, and what becomes of it: see README.md.
local guest, where = setting("guest", "out"), setting("where", "stack")
local KERNEL_BASE = 0xc0000000 -- linear address of physical address 0
local STACK_BYTES = 8192
-- What the kernel says when it has found out that something is wrong.
local COMPLAINTS = {"BUG: ", "Oops", "WARNING: ", "general protection", "invalid opcode",
                    "divide error", "EXT4-fs error", "EXT4-fs warning", "Call Trace",
                    "I/O error", "Bad page", "double fault"}

machine {
    memory = "64M",
    kernel = guest .. "/vmlinuz",
    initrd = guest .. "/initrd.gz",
    hda = guest .. "/disk.img",
    append = "console=ttyS0 quiet nokaslr modules=ata_piix,sd_mod,ext4,crc32c_generic",
    no_reboot = true,
    nodefaults = true,
}

-- As the guest's /proc/iomem tells: physical addresses.
local function range(name)
    local first, last = wait_for_line("(%x+)-(%x+) : Kernel " .. name .. "$")
    first, last = tonumber(first, 16), tonumber(last, 16)
    return {target = "ram", address = first, bytes = last - first + 1}
end
local spaces = {text = {range("code")}, data = {range("data")}}
wait_for("study: ready\n")
spaces.stack = {{target = "ram", bytes = STACK_BYTES,
                 address = (registers().esp & -STACK_BYTES) - KERNEL_BASE}}
spaces.registers = {{target = "register", name = {"eax", "ebx", "ecx", "edx", "esi",
                                                  "edi", "ebp", "esp", "eip"}}}
expect(spaces[where], "where is text, data, stack or registers")

local function complaint(line)
    for _, text in ipairs(COMPLAINTS) do
        if line:find(text, 1, true) then
            return line:gsub("^%[[ %d.]+%] ", "")
        end
    end
end

trial {
    faults = spaces[where],
    timeout = "5 s",
    run = function()
        local heard, failed
        repeat
            local line, why = wait_for_line("^.*$", {timeout = "4 s", required = false})
            if not line then
                -- What has happened, if it has said so before.
                if heard then
                    outcome("detected", heard)
                end
                outcome(why == "timeout" and "hang" or "crash")
            end
            if line:find("Kernel panic", 1, true) then
                outcome("crash", line)
            end
            heard = heard or complaint(line)
            failed = failed or line:match("^failed: .*")
            local name, sum = line:match("^result (%w+): (%x+)")
            if name then
                record(name, sum)
                note(name, sum)
            end
        until line == "done"
        if heard or failed then
            outcome("detected", heard or failed)
        end
    end,
}
