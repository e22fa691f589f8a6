-- Bit flips in a running Linux kernel, and what becomes of it: see README.md.
local guest, where = setting("guest", "out"), setting("where", "stack")
local KERNEL_BASE = 0xc0000000 -- linear address of physical address 0
local STACK_BYTES = 8192
-- What the kernel says when it has found out that something is wrong, and the shell.
local COMPLAINTS = {"BUG: ", "Oops", "WARNING: ", "general protection", "invalid opcode",
                    "divide error", "double fault", "Bad page", "EXT4-fs error",
                    "EXT4-fs warning", "I/O error", "Segmentation fault", "Bus error",
                    "Illegal instruction", "Aborted", "Killed", "failed: "}

machine {
    memory = "64M",
    kernel = guest .. "/vmlinuz",
    initrd = guest .. "/initrd.gz",
    hda = guest .. "/disk.img",
    append = "console=ttyS0 quiet cryptomgr.notests noisapnp nokaslr "
        .. "modules=ata_piix,sd_mod,ext4,crc32c_generic",
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
-- What is in use now of this process's stack in the kernel.
local esp = registers().esp
spaces.stack = {{target = "ram", address = esp - KERNEL_BASE,
                 bytes = STACK_BYTES - esp % STACK_BYTES}}
spaces.registers = {{target = "register", name = {"eax", "ebx", "ecx", "edx", "esi",
                                                  "edi", "ebp", "esp", "eip"}}}
expect(spaces[where], "where is text, data, stack or registers")

local function without_time(line)
    return (line:gsub("^%[[ %d.]+%] ", ""))
end

local function complaint(line)
    for _, text in ipairs(COMPLAINTS) do
        if line:find(text, 1, true) then
            return without_time(line)
        end
    end
end

trial {
    faults = spaces[where],
    timeout = "2 s",
    run = function()
        local heard
        repeat
            local line, why = wait_for_line("^.*$", {timeout = "0.5 s", required = false})
            if not line then
                -- Whatever became of it, it has said so before.
                if heard then
                    outcome("detected", heard)
                end
                outcome(why == "timeout" and "hang" or "crash")
            end
            if line:find("Kernel panic", 1, true) then
                outcome("crash", without_time(line))
            end
            heard = heard or complaint(line)
            local name, sum = line:match("^result (%w+): (%x+)")
            if name then
                record(name, sum)
                note(name, sum)
            end
        until line == "done"
        if heard then
            outcome("detected", heard)
        end
    end,
}
