#!/usr/bin/env python3
"""faumachine campaign run: every experiment is the same whoever carries it out and when,
whatever interrupts it, and what is wrong is told in a line.

    run_test.py PROGRAM GUEST OUTCOMES

GUEST and OUTCOMES are tests/campaign/guest.asm and outcomes.asm.
"""

import os
import resource
import signal
import sys
import unittest

# pylint: disable=wrong-import-position
import campaigns
from campaigns import GUEST, OUTCOMES

# Of experiments, in a campaign that is interrupted: some are stored before it is over.
NUMBER = 900
ROWS = """
machine {memory = "4M", bios = "%s", nodefaults = true, no_reboot = true,
         device = "isa-debug-exit,iobase=0xf4"}
wait_for("!")
local words = {}
trial {
    timeout = "100 us",
    faults = {
        {target = "ram", address = 0x200000, bytes = 64},
        {target = "register", name = {"eax", "ecx", "esp", "ebp", "eflags"}},
    },
    run = function()
        words[#words + 1] = random(1000)
        local why, status = run_until_end()
        record("status", status)
        record("words", #words .. " " .. words[#words])
    end,
}
""" % GUEST


class Identity(campaigns.TestCase):
    """The same rows."""

    def test_whoever_and_whenever(self):
        """Any number of workers and waypoints, any engine, a second run."""
        script = self.script(ROWS)
        first = self.finish(script, "-n", "150", "-j", "1")
        self.assertEqual([row["number"] for row in first], list(range(150)))
        self.assertGreater(len({row["outcome"] for row in first}), 3)
        self.assertEqual({row["fault"] for row in first if row["values"] and
                          '"1 ' not in row["values"] and "words" in row["values"]}, set())
        for options in (("-j", "2"), ("-j", "3"), ("-j", "1", "--waypoints", "0"),
                        ("-j", "2", "--engine", campaigns.OTHER_ENGINE)):
            self.assertEqual(first, self.finish(script, "-n", "150", *options), options)
        other = self.finish(script, "-n", "150", "-j", "2", "--seed", "2")
        self.assertNotEqual([row["fault"] for row in first],
                            [row["fault"] for row in other])

    def test_longer(self):
        """A campaign may become longer, and is what it would have been then."""
        script = self.script(ROWS)
        whole = self.finish(script, "-n", "90", "-j", "1")
        database = self.path("longer.db")
        for number in ("30", "90"):
            self.run_well(script, "-n", number, "--db", database)
            self.assertEqual(self.header(database)["planned"], number)
            self.assertTrue(self.header(database)["finished"])
        self.assertEqual(whole, self.rows(database))
        self.refuse("a campaign of 90 experiments, and this one has 40",
                    script, "-n", "40", "--db", database)

    def test_shards(self):
        """Parts of it into one database, at the same time."""
        script = self.script(ROWS)
        whole = self.finish(script, "-n", "100", "-j", "1")
        database = self.path("shards.db")
        self.run_well(script, "-n", "100", "--db", database, "--shard", "2/3")
        self.assertEqual([row["number"] for row in self.rows(database)],
                         list(range(1, 100, 3)))
        self.assertFalse(self.header(database).get("finished"))
        parts = [self.start_campaign(script, "-n", "100", "-j", "1", "--db", database,
                                     "--shard", part) for part in ("1/3", "3/3")]
        for part in parts:
            self.assertEqual(part.wait(campaigns.LIMIT_S), 0)
        self.assertEqual(whole, self.rows(database))
        self.assertTrue(self.header(database)["finished"])

    def test_lua_between_runs(self):
        """Nothing that a run or faults() leaves in Lua is seen by another."""
        script = self.script(ROWS.replace("""faults = {
        {target = "ram", address = 0x200000, bytes = 64},
        {target = "register", name = {"eax", "ecx", "esp", "ebp", "eflags"}},
    }""", """faults = function(draw)
        words[#words + 1] = draw.number
        return ("target=ram,address=0x200000,model=flip,bit=%d,id=f%d-%d,when=instruction:%d")
            :format(random(0, 7), #words, random(100), draw.instruction)
    end"""))
        rows = self.finish(script, "-n", "80", "-j", "1")
        self.assertEqual(rows, self.finish(script, "-n", "80", "-j", "3"))
        for row in rows:
            self.assertIn(",id=f1-", row["fault"])
            self.assertRegex(row["values"], r'"words":"1 ')
        self.assertGreater(len({row["fault"] for row in rows}), 70)

    def test_lua_in_runs(self):
        """Globals, tables, their metatables, libraries and the places in consoles are put
        back, whatever a run does to them."""
        script = self.script("""
            machine {memory = "4M", bios = "%s", nodefaults = true,
                     device = "isa-debug-exit,iobase=0xf4"}
            wait_for("!")
            count = 0
            local class = {name = "first"}
            local list = setmetatable({{}, {}}, {__index = class})
            trial {
                faults = {{target = "ram", address = 0x200000, bytes = 8}},
                run = function()
                    record("state", table.concat({
                        count, #list, #list[2], list.name, type(late), math.type(seed),
                        type(string.rep), select("#", list[3])}, " "))
                    record("number", count)
                    count, late, seed, string.rep, list[2] = 1, 2, 0.5, nil, nil
                    list[1][1], class.name = 3, "second"
                    setmetatable(list, {})
                    record("line", wait_for_line("^.+$"))
                    run_until_end()
                end,
            }""" % OUTCOMES)
        rows = self.finish(script, "-n", "40", "-j", "1")
        self.assertEqual(rows, self.finish(script, "-n", "40", "-j", "2"))
        for row in rows:
            self.assertIn('"state":"0 2 0 first nil integer function 1"', row["values"])
            self.assertRegex(row["values"], r'"line":"[0-9a-f]{8}"')
        self.assertIn("sdc", {row["outcome"] for row in rows})


class Interruptions(campaigns.TestCase):
    """Whatever ends a campaign, it goes on."""

    rows_of = {}

    def undisturbed(self, number, *options):
        """The rows of a campaign that nothing happens to; it is carried out once."""
        if options not in self.rows_of:
            self.rows_of[options] = self.finish(self.script(ROWS), "-n", str(NUMBER), "-j",
                                                "2", *options)
        return self.rows_of[options][:number]

    def check(self, *options):
        """Ended by Ctrl-C, then by kill -9; False: it was over before."""
        database = self.path("interrupted.db")
        words = (self.script(ROWS), "-n", str(NUMBER), "-j", "2", *options)
        begun = 0
        for end in (signal.SIGINT, signal.SIGKILL):
            process = self.start_campaign(*words, "--db", database)
            self.wait_for_rows(process, database, begun)
            workers = campaigns.children(process.pid)
            process.send_signal(end)
            _, text = process.communicate(timeout=campaigns.LIMIT_S)
            if process.returncode == 0:
                return False
            if end == signal.SIGINT:
                self.assertEqual(process.returncode, 3, text)
                self.assertRegex(text, r"faumachine: stopped; what is done is kept in "
                                       r".*the same command goes on with it\n\Z")
            self.assertTrue(workers)
            for worker in workers:
                self.wait_for_end(worker)
            self.assertFalse(self.header(database).get("finished"))
            begun = len(self.rows(database))
        self.assertGreater(begun, 1)
        self.run_well(*words, "--db", database)
        self.assertEqual(self.rows(database), self.undisturbed(NUMBER, *options))
        return True

    def try_to_check(self, *options):
        """It may be over before it can be interrupted."""
        for _ in range(5):
            if self.check(*options):
                return
            os.unlink(self.path("interrupted.db"))
        self.fail("no campaign could be interrupted")

    def test_stopped_and_killed(self):
        """It ends with the rows of one that was not disturbed."""
        self.try_to_check()

    def test_pruned(self):
        """So does one with classes."""
        self.try_to_check("--prune")

    def test_signals_before_the_trial(self):
        """A script that takes for ever can be stopped."""
        script = self.script('machine {memory = "4M", bios = "%s", nodefaults = true}\n'
                             'wait_for("!") while true do end' % GUEST)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.start_campaign(script, "-n", "5", "--db", self.path("t.db"))
            self.wait_for_children(process)
            process.send_signal(number)
            process.communicate(timeout=campaigns.LIMIT_S)
            self.assertEqual(process.returncode, 3)

    def test_ignored_signals(self):
        """What nohup(1) has us ignore stays ignored."""
        script = self.script(ROWS)
        process = self.start_campaign(
            script, "-n", "400", "--db", self.path("t.db"),
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.wait_for_children(process)
        process.send_signal(signal.SIGHUP)
        _, text = process.communicate(timeout=campaigns.LIMIT_S)
        self.assertEqual(process.returncode, 0, text)

    def test_a_worker_that_dies(self):
        """It costs one experiment at most."""
        script, whole = self.script(ROWS), self.undisturbed(600)
        for number in (signal.SIGKILL, signal.SIGTERM):
            database = self.path(f"{number}.db")
            words = (script, "-n", "600", "-j", "2")
            process = self.start_campaign(*words, "--db", database)
            self.wait_for_rows(process, database)
            for worker in campaigns.children(process.pid)[:1]:
                os.kill(worker, number)
            _, text = process.communicate(timeout=campaigns.LIMIT_S)
            self.assertEqual(process.returncode, 0, text)
            rows = self.rows(database)
            self.assertEqual(len(rows), 600)
            wrong = [(one, other) for one, other in zip(rows, whole) if one != other]
            # A cluster's SIGTERM comes to all processes; what to do is the campaign's.
            self.assertLessEqual(len(wrong), number == signal.SIGKILL)
            for one, other in wrong:
                self.assertEqual((one["outcome"], one["fault"]), ("error", other["fault"]))
                self.assertEqual(one["detail"], "the simulator was killed")

    def test_workers_that_die_before_the_trial(self):
        """One is replaced; if none comes there, that is the end."""
        script = self.script(ROWS)
        database = self.path("t.db")
        process = self.start_campaign(script, "-n", "300", "-j", "1", "--db", database)
        os.kill(self.wait_for_children(process)[0], signal.SIGKILL)
        _, text = process.communicate(timeout=campaigns.LIMIT_S)
        self.assertEqual(process.returncode, 0, text)
        self.assertEqual(self.rows(database), self.undisturbed(300))

    def test_full_disk(self):
        """What is stored already is kept; it goes on when there is room again."""
        database = self.path("t.db")
        words = (self.script(ROWS), "-n", "500", "-j", "1", "--db", database)
        process = self.start_campaign(*words)
        self.wait_for_rows(process, database)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE,
                         (os.path.getsize(database), resource.RLIM_INFINITY))
        _, text = process.communicate(timeout=campaigns.LIMIT_S)
        self.assertEqual(process.returncode, 1, text)
        self.assertRegex(text, rf"\nfaumachine: '{database}'[^\n]*\n\Z")
        self.assertIn(len(self.rows(database)), range(1, 500))
        self.run_well(*words)
        self.assertEqual(self.rows(database), self.undisturbed(500))


class Mistakes(campaigns.TestCase):
    """A line, and exit status 1."""

    def test_another_campaign(self):
        """It is not mixed with what is in the database."""
        script, database = self.script(ROWS), self.path("t.db")
        words = ("-n", "10", "--db", database)
        one, other = self.make_file("1.bin", content=b"1"), self.make_file("2.bin",
                                                                           content=b"2")
        self.run_well(script, *words, "--set", "a=1", "--set-file", "b=" + one)
        before = self.rows(database)
        same = ("--set", "a=1", "--set-file", "b=" + one)
        changed = self.script(ROWS + "-- changed\n", "changed.lua")
        for hint, options in {
                "script_hash": (changed, *words, *same),
                "seed 1, and this one has 2": (script, *words, *same, "--seed", "2"),
                f'["a=1","b={one}"], and this one has ["a=2"]':
                    (script, *words, "--set", "a=2"),
                f'this one has ["a=1","b={other}"]':
                    (script, *words, "--set", "a=1", "--set-file", "b=" + other),
                "pruned 0, and this one has 1": (script, *words, *same, "--prune"),
                "a campaign may become longer": (script, "-n", "9", "--db", database,
                                                 *same),
                "engine": (script, *words, *same, "--engine", campaigns.OTHER_ENGINE),
        }.items():
            with self.subTest(hint):
                self.refuse(hint, *options)
        self.assertEqual(before, self.rows(database))
        self.run_well(script, *words, *same)

    def test_another_kernel(self):
        """A file that has changed makes another golden run."""
        with open(GUEST, "rb") as file:
            guest = file.read()
        bios = self.make_file("guest.bin", content=guest)
        script = self.script(ROWS.replace(GUEST, bios))
        words = (script, "-n", "10", "--db", self.path("t.db"))
        self.run_well(*words)
        self.make_file("guest.bin", content=guest.replace(b"\xb9\xe9\x03\0\0",
                                                          b"\xb9\xea\x03\0\0"))
        self.refuse("golden_", *words)

    def test_scripts(self):
        """What the script does wrong, and where."""
        trial = """trial {
            faults = %s,
            run = function()
                %s
            end,
        }"""
        rows, wait = '{{target = "ram", address = 0, bytes = 1}}', "run_until_end()"
        begin = ROWS.partition("local words")[0]
        for text, hints in {
                begin: ["no trial {…} to be repeated"],
                begin + "trial {run = function() run_until_end() end}": ["names no faults"],
                begin + "trial {faults = {}, run = function() run_until_end() end}":
                    ["faults"],
                begin + "trial {": ["t.lua:5: unexpected symbol near <eof>"],
                begin + "trial {faults = 5, run = function() end}":
                    ["t.lua:5: trial: faults", "a table is needed"],
                begin + trial % (rows, "nothing.x = 1"):
                    ["the golden run: error: t.lua:8: attempt to index a nil value"],
                begin + trial % (rows, "expect(false, 'my own')"):
                    ["the golden run: failed: t.lua:8: my own"],
                begin + trial % (rows, 'wait_for("never", {timeout = "5 ms"})'):
                    ["the golden run: failed: t.lua:8:", "debug-exit"],
                begin + trial % (rows, ""): ["over before its first instruction"],
                begin + trial % ("function(draw) return nothing.x end", wait):
                    ["all experiments so far, 5,", "t.lua:6: attempt to index a nil"],
                begin + trial % ("function(draw) return 5 end", wait):
                    ["what faults() returns: a table is needed"],
                begin + trial % ('function(draw) return "target=toast" end', wait):
                    ["all experiments so far", "toast"],
                begin + trial % ("function(draw) return tostring(read_u32(0)) end", wait):
                    ["t.lua:6: faults() draws a fault before a run begins"],
                begin + trial % ('function(draw) wait_for("x") end', wait):
                    ["faults() draws a fault before"],
                begin + trial % ('function(draw) outcome("x") end', wait):
                    ["faults() draws a fault before"],
                begin + trial % ('function(draw) spawn(outcome) end', wait):
                    ["faults() draws a fault before"],
                begin.replace('wait_for("!")', "expect(false, 'early')"): ["t.lua:4: early"],
                begin.replace(GUEST, "/nothing"): ["t.lua:2: machine: ", "/nothing"],
        }.items():
            with self.subTest(hints[-1]):
                self.refuse(hints, self.script(text), "-n", "5", "--db", self.path("t.db"))
                if os.path.exists(self.path("t.db")):
                    os.unlink(self.path("t.db"))

    def test_options(self):
        """Those that cannot be."""
        script, database = self.script(ROWS), self.path("t.db")
        good = (script, "--db", database, "-n", "5")
        for words, hint in {
                (): "give it a script",
                (script,): "give it --db FILE",
                (script, "--db", database): "give it -n NUMBER or --margin PERCENT",
                ("nothing.lua", "--db", database, "-n", "5"): "nothing.lua",
                (*good, "more"): "one word too many",
                (*good, "-n", "0"): "-n 0: give a number from 1",
                (*good, "-n", "many"): "-n many",
                (*good, "-j", "0"): "-j 0: give a number from 1 to 256",
                (*good, "-j", "257"): "-j 257",
                (*good, "--margin", "1"): "-n or --margin, not both",
                (script, "--db", database, "--margin", "0"): "--margin 0: give percentage",
                (script, "--db", database, "--margin", "nan"): "--margin nan",
                (script, "--db", database, "--margin", "51"): "--margin 51",
                (*good, "--seed", "-1"): "--seed -1",
                (*good, "--set", "x"): "give KEY=VALUE",
                (*good, "--set", b"x=\xff"): "is no UTF-8",
                (*good, "--set-file", "x"): "give KEY=PATH",
                (*good, "--set-file", "x=/nothing"): "'/nothing': No such file",
                (*good, "--engine", "vroom"): "there are jit and interpreter",
                (*good, "--shard", "0/3"): "--shard 0/3: give K/N",
                (*good, "--shard", "4/3"): "--shard 4/3",
                (*good, "--shard", "3"): "--shard 3",
                (*good, "--limit", "soon"): "--limit soon",
                (*good, "--sandbox", "maybe"): "--sandbox maybe",
                (*good, "--waypoints", "33"): "--waypoints 33: give a number from 0 to 32",
                (*good, "--prune=yes"): "has no value",
                (*good, "--verbose"): "unknown option",
                (*good, "--set"): "needs a value",
        }.items():
            with self.subTest(words):
                self.refuse(hint, *words)

    def test_databases(self):
        """That cannot be written to, or not far enough."""
        script = self.script(ROWS)
        for name, hint in {
                "/dev/full": "'/dev/full' is no file",
                "/proc/faumachine.db": "/proc/faumachine.db",
                self.folder.name: "is a folder",
                self.make_file("text.db", content=b"hello" * 1000): "is no SQLite database",
        }.items():
            self.refuse(hint, script, "-n", "5", "--db", name)
        for kib in (0, 4):
            self.refuse(f"{kib}.db", script, "-n", "5", "--db", self.path(f"{kib}.db"),
                        preexec_fn=campaigns.file_limit(kib))

    def test_limit(self):
        """Of the host's time: of an experiment, and of the golden run."""
        text = """
            machine {memory = "4M", bios = "%s", nodefaults = true,
                     device = "isa-debug-exit,iobase=0xf4"}
            wait_for("!")
            trial {
                faults = function(draw)
                    return "target=ram,model=flip,address=0x" .. (draw.number == 1 and 200004 or 200020)
                        .. ",bit=0"
                end,
                run = function()
                    wait_for_line("")
                    while read_u32(0x200004) %s 0 do end
                    run_until_end()
                end,
            }"""
        rows = self.finish(self.script(text % (OUTCOMES, "~=")), "-n", "4", "--limit", "1")
        self.assertEqual([row["outcome"] for row in rows],
                         ["not-activated", "error", "not-activated", "not-activated"])
        self.assertEqual(rows[1]["detail"], "not over after 1 s of host time")
        self.assertIn("address=0x200004", rows[1]["fault"])
        self.refuse("the golden run: not over after 1 s of host time",
                    self.script(text % (OUTCOMES, "==")), "-n", "4", "--limit", "1",
                    "--db", self.path("golden.db"))


class Numbers(campaigns.TestCase):
    """How many experiments there are."""

    def test_margin(self):
        """By the formula; the fault space may be small, or unknown."""
        script, database = self.script(ROWS), self.path("t.db")
        text = self.run_well(script, "--margin", "10", "--db", database)
        self.assertIn("faumachine: 96 experiments: any rate is known to 10 percentage "
                      "points either way, at 95% confidence\n", text)
        self.assertEqual(self.header(database)["planned"], "96")
        self.assertEqual(len(self.rows(database)), 96)
        self.run_well(script, "--margin", "10%", "--db", database) # done
        self.run_well(script, "--margin", "9", "--db", database) # longer
        self.assertEqual(len(self.rows(database)), 119)
        result = self.run_campaign(script, "--margin", "20", "--db", database)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "\\nfaumachine: .*may become longer.*\n\\Z")
        space, wait = ROWS.index("faults = {"), ROWS.index("run = function")
        small = ROWS[:space] + """faults = {{target = "register", name = "eip"}},
            """ + ROWS[wait:].replace("run_until_end()", 'run_for("3 ns"), 0')
        rows = self.finish(self.script(small), "--margin", "10")
        # n = N / (1 + e² (N - 1) / (t² p (1 - p))), N = 3 instructions of 32 bits
        self.assertEqual(len(rows), 49)
        drawn = ROWS[:space] + """faults = function(draw)
            return "target=register,name=eip,model=flip,bit=31"
        end, """ + ROWS[wait:]
        self.assertEqual(len(self.finish(self.script(drawn), "--margin", "10")), 97)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
