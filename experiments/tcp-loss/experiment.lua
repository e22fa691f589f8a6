-- Bursts of lost frames under a TCP transfer: see README.md.
local guest, bytes = setting("guest", "out"), setting("bytes", 2000000)
-- In the long run so many frames are lost (0: each experiment draws that), in bursts of
-- so many on average.
local loss, burst = setting("loss", 0), setting("burst", 4)
-- From one end of the wire to the other.
local delay = setting("delay", "2 ms")

machine {
    memory = "64M",
    kernel = guest .. "/vmlinuz",
    initrd = guest .. "/initrd.gz",
    nic = {"hubport,hubid=0,id=sender,model=e1000",
           "hubport,hubid=0,id=receiver,model=e1000"},
    append = "console=ttyS0 quiet cryptomgr.notests noisapnp modules=e1000 bytes="
        .. bytes,
    no_reboot = true,
    nodefaults = true,
}
wait_for("ready\n")

-- Gilbert and Elliott: in the good state nothing is lost, in the bad one all. A burst is
-- 1 / leave frames long, and the share of the bad state enter / (enter + leave).
local function chances(share)
    local leave = 1 / burst
    return string.format("enter=%.6f,leave=%.6f", share * leave / (1 - share), leave)
end

trial {
    faults = function(draw)
        -- As many between 0.1 and 1 % as between 1 and 10 %.
        local share = loss > 0 and loss or 10 ^ (-3 + 2 * draw.random())
        return "target=network,name=sender,model=burst,on=both,duration=permanent,"
            .. chances(share)
    end,
    timeout = "200 s",
    run = function()
        local us, sum
        inject("target=network,name=sender,model=delay,on=both,duration=permanent,delay="
               .. delay:gsub(" ", ""))
        repeat
            local line = wait_for_line("^.*$", {timeout = "150 s", required = false})
            if not line then
                outcome("stalled")
            elseif line:find("^broken: ") then
                outcome("broken", line)
            end
            us, sum = line:match("^sent %d+ bytes in (%d+) us, sum (%a+)$")
        until us
        local again = tonumber(wait_for_line("^again (%d+)$"))
        wait_for("done\n")
        local report = fault_report(0)
        local lost = report.model == "burst" and report.uses or 0
        record("Mbit/s", bytes * 8 / tonumber(us))
        record("sent again", again)
        record("lost", lost)
        note(string.format("%d frames lost, %d segments sent again, sum %s", lost, again,
                           sum))
        if sum ~= "right" then
            outcome("sdc", "other bytes have arrived")
        elseif again > 0 then
            outcome("corrected", again .. " segments sent again")
        elseif lost > 0 then
            outcome("masked", lost .. " frames lost, nothing sent again")
        end
    end,
}
