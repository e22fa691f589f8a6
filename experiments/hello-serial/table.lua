-- The common case needs no procedure: a machine, what it is to say, and for how long.
experiment {
    machine = {
        memory = "16M",
        kernel = setting("kernel", "hello.bin"),
        nodefaults = true,
    },
    expect = {"Hello. I add up numbers.", "Up to which one? "},
    never = {"Good bye."},
    timeout = "1 s",
}
