-- Bursts of lost frames under a TCP transfer: see README.md.
local guest = setting("guest", "out")
local bytes = setting("bytes", 2000000)
-- Of frames: in the long run so many are lost, in bursts of so many on average.
local loss, burst = setting("loss", 0.01), setting("burst", 4)

machine {
    memory = "64M",
    kernel = guest .. "/vmlinuz",
    initrd = guest .. "/initrd.gz",
    nic = {"hubport,hubid=0,id=sender,model=e1000", "hubport,hubid=0,id=receiver,model=e1000"},
    append = "console=ttyS0 quiet modules=e1000 bytes=" .. bytes,
    no_reboot = true,
    nodefaults = true,
}
wait_for("ready\n", {timeout = "60 s"})

-- Gilbert and Elliott: in the good state nothing is lost, in the bad one all. A burst is
-- 1 / leave frames long; the share of the bad state is enter / (enter + leave).
local leave = 1 / burst
local enter = loss * leave / (1 - loss)

trial {
    faults = function(draw)
        return string.format(
            "target=network,name=sender,model=burst,on=both,duration=permanent,"
            .. "enter=%.6f,leave=%.6f,seed=%d,when=now", enter, leave,
            draw.random(1, 1 << 40))
    end,
    timeout = "120 s",
    run = function()
        local what, us, sum
        repeat
            what = wait_for_line("^.*$", {timeout = "100 s", required = false})
            if not what then
                outcome("stalled")
            elseif what:find("^broken: ") then
                outcome("broken", what)
            end
            us, sum = what:match("^sent %d+ bytes in (%d+) us, sum (%a+)$")
        until us
        local again = tonumber(wait_for_line("^again (%d+)$"))
        wait_for("done\n")
        local megabits = bytes * 8 / tonumber(us)
        record("Mbit/s", megabits)
        record("retransmissions", again)
        note(string.format("%.1f Mbit/s, %d segments sent again, sum %s", megabits, again,
                           sum))
        if sum ~= "right" then
            outcome("sdc", "other bytes")
        elseif again > 0 then
            outcome("corrected", again .. " segments sent again")
        end
    end,
}
