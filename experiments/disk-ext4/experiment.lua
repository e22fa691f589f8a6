-- Faults of a disk under ext4, and what e2fsck makes of them: see README.md.
local guest, model = setting("guest", "out"), setting("model", "any")
local SECTORS = 8 << 11 -- of disk.img

machine {
    memory = "64M",
    kernel = guest .. "/vmlinuz",
    initrd = guest .. "/initrd.gz",
    hda = guest .. "/disk.img",
    append = "console=ttyS0 quiet cryptomgr.notests noisapnp "
        .. "modules=ata_piix,sd_mod,ext4,crc32c_generic",
    no_reboot = true,
    nodefaults = true,
}
wait_for("ready\n")

-- One of the writes that come from the instant on: not always the first, as what a sync
-- writes comes at once, and files' contents before the file system's own. Or a place of
-- the disk goes bad.
local ONE_OF_THEM = ",on=write,probability=0.1"
local MODELS = {
    lost = function() return "model=lost" .. ONE_OF_THEM end,
    torn = function() return "model=torn" .. ONE_OF_THEM end,
    misdirected = function(draw)
        return "model=misdirect,distance=" .. draw.random(1, 256) .. ONE_OF_THEM
    end,
    flipped = function() return "model=flip" .. ONE_OF_THEM end,
    bad = function(draw)
        return "model=error,sectors=8,duration=permanent,sector="
            .. 8 * draw.random(0, SECTORS // 8 - 1)
    end,
}
local NAMES = {"lost", "torn", "misdirected", "flipped", "bad"}
expect(model == "any" or MODELS[model], "model is lost, torn, misdirected, flipped, "
       .. "bad or any")

trial {
    faults = function(draw)
        local name = model == "any" and NAMES[draw.random(#NAMES)] or model
        return "target=disk," .. MODELS[name](draw) .. ",when=instruction:"
            .. draw.instruction
    end,
    timeout = "90 s",
    run = function()
        local complaint
        local fsck, right, wrong, lost
        repeat
            local line = wait_for_line("^.*$", {timeout = "60 s"})
            if line:find("Kernel panic", 1, true) then
                outcome("crash", line)
            end
            if line:find("^error: ") or line:find("error", 1, true) then
                complaint = complaint or line:gsub("^%[[ %d.]+%] ", "")
            end
            fsck = fsck or tonumber(line:match("^e2fsck (%d+)$"))
            if line:find("^files right") then
                right, wrong, lost = line:match("right (%d+) wrong (%d+) lost (%d+)")
            end
        until line == "done"
        note("e2fsck", fsck, "right", right, "wrong", wrong, "lost", lost)
        record("e2fsck", fsck)
        if not right or fsck >= 4 then
            outcome("unrecoverable", "e2fsck ends with " .. fsck)
        end
        record("right", tonumber(right))
        record("wrong", tonumber(wrong))
        record("lost", tonumber(lost))
        local damage = wrong .. " files wrong, " .. lost .. " lost"
        local told = complaint or fsck ~= 0 and "e2fsck ends with " .. fsck
        if wrong == "0" and lost == "0" then
            if told then
                outcome("corrected", told)
            end
        elseif told then
            outcome("detected", damage .. "; " .. told)
        else
            outcome("sdc", damage)
        end
    end,
}
