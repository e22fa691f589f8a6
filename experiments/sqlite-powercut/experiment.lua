-- Power cuts while a database commits: is every acknowledged transaction there? See
-- README.md.
local guest = setting("guest", "out")
local transactions, lost = setting("transactions", 40), setting("lost", 0.5)
local how = setting("synchronous", "FULL") .. " " .. setting("journal", "DELETE")

machine {
    memory = "64M",
    kernel = guest .. "/vmlinuz",
    initrd = guest .. "/initrd.gz",
    hda = guest .. "/disk.img",
    append = "console=ttyS0 quiet cryptomgr.notests noisapnp "
        .. "modules=ata_piix,sd_mod,ext4,crc32c_generic options="
        .. setting("mount", "rw"),
    nodefaults = true,
}
wait_for("ready\n")

trial {
    faults = function(draw)
        return "target=power,model=cut,restart=on,cache=16777216,probability=" .. lost
            .. ",when=instruction:" .. draw.instruction
    end,
    timeout = "60 s",
    run = function()
        local acknowledged, all, rows = 0, false, nil
        send("write " .. transactions .. " " .. how .. "\n")
        repeat
            local line = wait_for_line("^.*$", {timeout = "30 s"})
            acknowledged = math.max(acknowledged,
                                    tonumber(line:match("^committed (%d+)$")) or 0)
            -- All is written, or the machine has started anew: then what it had begun to
            -- say stands in front.
            if line:find("ready$") or line == "done" and not all then
                all = true
                send("check\n")
            elseif line:find("^broken: ") then
                outcome("broken", line)
            end
            rows = tonumber(line:match("^rows (%d+)$"))
        until rows
        record("acknowledged", acknowledged)
        record("rows", rows)
        note("acknowledged", acknowledged, "there", rows)
        if rows < acknowledged then
            outcome("lost", acknowledged - rows .. " of " .. acknowledged)
        end
        outcome("kept", rows .. " of " .. transactions)
    end,
}
