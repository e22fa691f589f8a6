-- Talks to a program that adds up numbers, and checks what it answers: see README.md.
machine {
    memory = "16M",
    kernel = setting("kernel", "hello.bin"),
    device = "isa-debug-exit,iobase=0xf4",
    nodefaults = true,
}

-- The program says hello within a second of the guest's time, firmware included.
wait_for("Hello.", {timeout = "1 s"})

local rounds = setting("rounds", 3)
for round = 1, rounds do
    local number = random(1, 1000)
    local sum = number * (number + 1) // 2
    wait_for("Up to which one? ", {timeout = "100 ms"})
    local before = instructions()
    send(number .. "\n")
    local answer = wait_for_line("^.*The sum is (%d+)$", {timeout = "100 ms"})
    expect_equal(tonumber(answer), sum, "the sum up to " .. number)
    note("round " .. round .. ": " .. number .. " -> " .. answer)
    record("instructions of round " .. round, instructions() - before)
end

wait_for("Up to which one? ")
send("0\n")
local how, code = run_until_end {timeout = "1 s"}
expect_equal(how, "debug-exit", "the end")
expect_equal(code, 1, "the exit code")
