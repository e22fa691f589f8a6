#!/usr/bin/env python3
"""Experiments: scripts, what they can do and what not, results and replays.

    experiment_test.py PROGRAM BIOS KERNEL

BIOS is tests/cli/echo_bios.asm: it says READY and echoes what it is sent. KERNEL is the
program of experiments/hello-serial.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import sys
KERNEL = os.path.abspath(sys.argv.pop(3))
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
# pylint: disable=wrong-import-position
import harness
from harness import BIOS, PROGRAM, run

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "experiments"
ENGINES = ["interpreter", "jit"]
MACHINE = f"""machine {{
    memory = "4M", bios = "{BIOS}", device = "isa-debug-exit,iobase=0xf4",
    nodefaults = true,
}}
"""
READY = MACHINE + 'wait_for("READY")\n'


def word(output, name):
    """What is printed behind `name` at the end."""
    return re.search(rf"^{name} +(.*)$", output, re.MULTILINE)[1]


class TestCase(harness.TestCase):
    """Runs scripts."""

    def experiment(self, text, *options, name="script.lua"):
        """Runs the script; returns the completed process, with texts."""
        path = self.make_file(name, content=text.encode())
        return run("experiment", "run", path, *options, text=True)

    def succeed(self, text, *options):
        """The same; it has to be carried out."""
        result = self.experiment(text, *options)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        return result.stdout

    def refuse(self, text, status, *hints, options=()):
        """The same; it ends with that status and says all of the hints."""
        result = self.experiment(text, *options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        for hint in hints:
            self.assertIn(hint, result.stderr)
        return result


class Driving(TestCase):
    """What scripts do to machines."""

    def on_all_engines(self, text):
        """What it prints under each engine; the end is the same."""
        ends = set()
        for engine in ENGINES:
            output = self.succeed(text, "--engine", engine)
            ends.add(tuple(word(output, key) for key in
                           ("outcome", "end state", "virtual time", "instructions")))
        self.assertEqual(len(ends), 1, ends)
        return output

    def test_serial_line(self):
        """Text goes in and comes out."""
        self.on_all_engines(READY + """
            send("any one\\n")
            expect_equal(wait_for("y o", {timeout = "1 ms"}), "y o")
            send("sum 42 and 43\\n")
            local a, b = wait_for_line("sum (%d+) and (%d+)")
            expect_equal(a .. b, "4243")
            expect_equal(wait_for_line("^$", {timeout = "1 ms", required = false}), nil)
            send("x")
            local how, code = run_until_end()
            expect_equal(how, "debug-exit")
            expect_equal(code, 43)
        """)

    def test_exact_times(self):
        """It stops at the nanosecond, and at the instruction."""
        self.on_all_engines(READY + """
            local before = now_ns()
            run_for("12345 ns")
            expect_equal(now_ns() - before, 12345)
            run_for("0.5 us")
            expect_equal(now_ns() - before, 12845)
            local target = instructions() + 10007
            run_until_instruction(target)
            expect_equal(instructions(), target)
            expect_equal(wait_for("x", {timeout = "1 ms", required = false}), nil)
            expect_equal(instructions(), target + 1000000)
        """)

    def test_looking_changes_nothing(self):
        """The same end with and without somebody who looks all the time."""
        script = READY + """
            %s
            for i = 1, 20 do send(tostring(i)) run_for("77 us") end
            send("q")
            expect_equal(run_until_end(), "power-off")
        """
        watch = """spawn(function()
            while true do
                run_for("1 us") screen() registers() state_hash() read_memory(0, 1 << 16)
            end
        end)"""
        plain, watched = (self.on_all_engines(script % x) for x in ("", watch))
        self.assertEqual(word(plain, "end state"), word(watched, "end state"))
        other = self.on_all_engines((script % "").replace("77 us", "78 us"))
        self.assertNotEqual(word(plain, "instructions"), word(other, "instructions"))

    def test_activities(self):
        """Several things at once, in virtual time."""
        output = self.on_all_engines(READY + """
            local start, seen = now_ns(), {}
            for i = 3, 1, -1 do
                spawn(function()
                    run_for(i .. " ms")
                    seen[#seen + 1] = i .. "@" .. now_ns() - start
                    send(tostring(i))
                end)
            end
            wait_for("12")
            wait_for("3")
            note(table.concat(seen, " "))
            spawn(function() run_for("5 ms") outcome("watchdog", "it barks") end)
            wait_for("never", {timeout = "1 min"})
        """)
        self.assertIn("1@1000000 2@2000000 3@3000000\n", output)
        self.assertEqual(word(output, "outcome"), "watchdog")
        self.assertIn("it barks\n", output)

    def test_each_activity_reads_all(self):
        """What one has waited for is still to come for another."""
        self.on_all_engines(MACHINE + """
            local count = 0
            for i = 1, 2 do
                spawn(function() wait_for("READY") count = count + 1 end)
            end
            wait_for("READY")
            run_for("1 us")
            expect_equal(count, 2)
        """)

    def test_halted(self):
        """A CPU that has halted for good ends a wait for the end, and no other."""
        self.on_all_engines(READY + """
            send("h")
            expect_equal(run_until_end(), "halted")
            local before = now_ns()
            run_for("3 s")
            expect_equal(now_ns() - before, 3000000000)
            local how, why = run_until_end {halted = false, timeout = "1 s",
                                            required = false}
            expect_equal(why, "timeout")
            reset()
            wait_for("READY")
        """)

    def test_reset(self):
        """Resets by the script and by the guest."""
        self.on_all_engines(READY + """
            reset()
            wait_for("READY")
            send("r")
            wait_for("READY")
        """)
        output = self.on_all_engines(READY.replace("nodefaults", "no_reboot = true, nodefaults")
                                     + 'send("r") outcome((run_until_end()))')
        self.assertEqual(word(output, "outcome"), "reset")

    def test_memory_and_registers(self):
        """What there is to read."""
        self.on_all_engines(READY + """
            expect_equal(read_memory(0xfffffff0, 1), "\\xe9")
            expect_equal(read_u32(0xfff00), 0xffffffff)
            local registers = registers()
            expect_equal(registers.cs, 0xf000)
            expect_equal(registers.edx & 0xfff8, 0x3f8)
            expect_equal(read_memory(0xf0000, 1, {linear = true}),
                         read_memory(0xf0000, 1))
        """)

    def test_media_and_cables(self):
        """Media go in and out as often as one likes; cables, too."""
        image = self.make_file("floppy.img", size=1440 << 10)
        self.succeed(f"""
            machine {{
                memory = "4M", bios = "{BIOS}", nic = "null,id=net0",
                media = {{disk = "{image}"}},
            }}
            for i = 1, 20 do
                insert("floppy0", "disk")
                expect(eject("floppy0"))
                unplug("net0")
                plug("net0")
            end
        """)
        for mistake, hint in {
                'insert("floppy0", "disc")': "there is no medium 'disc'",
                'insert("ide7", "disk")': "ide7",
                'insert("floppy0", "disk") insert("floppy1", "disk")': "floppy1",
                'unplug("net1")': "id=net1"}.items():
            self.refuse(f"""machine {{memory = "4M", bios = "{BIOS}",
                media = {{disk = "{image}"}}}} {mistake}""", 1, "script.lua:2", hint)

    def test_keyboard_and_screen(self):
        """With the BIOS proper: its screen; keys go to the guest's keyboard."""
        output = self.succeed(f"""
            machine {{memory = "16M", kernel = "{KERNEL}", console = "serial0"}}
            wait_for("SeaBIOS", {{on = "screen", timeout = "1 s"}})
            note(screen())
            press("ctrl-alt-delete", {{hold = "1 ms"}})
            type_keys("!")
            note(screenshot("end"))
        """, "--log", self.path("log"))
        self.assertIn("SeaBIOS (version", output)
        self.assertTrue(os.path.exists(self.path("log/end.png")))
        with open(self.path("log/serial0.log"), "rb") as log:
            self.assertIn(b"Hello. I add up numbers.\r\n", log.read())

    def test_hello_serial(self):
        """The example prints what its folder says it prints."""
        folder = EXAMPLES / "hello-serial"
        hashes = set()
        for engine in ENGINES:
            output = run("experiment", "run", str(folder / "experiment.lua"), "--set-file",
                         "kernel=" + KERNEL, "--engine", engine, text=True).stdout
            hashes.add(word(output, "end state"))
            stable = "".join(line + "\n" for line in output.splitlines() if not re.match(
                "end state|virtual time|instructions|engine|host time", line))
            self.assertEqual(stable, (folder / "expected.txt").read_text())
        self.assertEqual(len(hashes), 1)

    def test_declarative(self):
        """A table says all."""
        folder = EXAMPLES / "hello-serial"
        kernel = ("--set-file", "kernel=" + KERNEL)
        result = run("experiment", "run", str(folder / "table.lua"), *kernel, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        table = f"""experiment {{
            machine = {{memory = "4M", bios = "{BIOS}", nodefaults = true}},
            timeout = "5 ms", %s
        }}"""
        self.succeed(table % 'expect = {"READ", "Y"}')
        self.refuse(table % 'expect = {"READY", "READY"}', 2, 'wait_for "READY": not within')
        self.refuse(table % 'never = {"EADY"}, ending = "halted"', 2,
                  '"EADY" was never to be seen')
        self.refuse(table % 'fault = "target=ram"', 1, "the models are")


class Mistakes(TestCase):
    """A script with a mistake: the line, and what is wrong."""

    def test_lines(self):
        """In each of these, on line 5 or what is said."""
        for mistake, hints in {
                "(": ["script.lua:5: unexpected symbol near"],
                "nothing.x = 1": ["script.lua:5: attempt to index a nil value"],
                "wait_for()": ["script.lua:5: wait_for: a string is needed, not nothing"],
                'wait_for("x", {timout = "1 s"})':
                    ["script.lua:5: wait_for: there is no option 'timout'", "timeout"],
                'wait_for("x", {timeout = "1"})': ["script.lua:5", '"1.5 s"'],
                'wait_for("x", {timeout = 5})': ["script.lua:5", "5 is no time"],
                'wait_for("x", {timeout = "-1 s"})': ["script.lua:5", "-1 s is no time"],
                'wait_for("x", {timeout = "nan s"})': ["script.lua:5", "is no time"],
                'wait_for("")': ["script.lua:5: a text to wait for has 1 to 1024"],
                'wait_for("x", {on = "serial9"})': ["script.lua:5", "no console 'serial9'"],
                'wait_for("x", {on = "parallel"})': ["script.lua:5", "has no parallel"],
                'wait_for_line("(")': ["script.lua:5", "unfinished capture"],
                'run_for("ever")': ["script.lua:5: run_for: ever is no time"],
                'run_until_instruction(-1)': ["script.lua:5", "executed already"],
                'press("ctrl-alt-foo")': ["script.lua:5: press: there is no key 'foo'"],
                'type_keys("ä")': ["script.lua:5: type_keys: no key"],
                'read_memory(0, -1)': ["script.lua:5: memory is read"],
                'read_memory(0x10000000, 4)': ["script.lua:5", "of 4 bytes at 0x10000000"],
                'screenshot("../x")': ["script.lua:5: screenshot"],
                'setting("size")': ["script.lua:5", "--set size=VALUE"],
                'outcome("two words")': ["script.lua:5", "a word of letters"],
                'spawn(1)': ["script.lua:5: spawn: a function is needed"],
                'random(2, 1)': ["script.lua:5: random: there is no number from 2 to 1"],
                'record("x", {})': ["script.lua:5: record: 'x'"],
                'error("my own")': ["script.lua:5: my own"],
                'machine {}': ["script.lua:5: machine: there is one already"],
                'for _ in pairs({[print] = 1}) do end': ["script.lua:5: pairs: a key is"],
                'send(("x"):rep(100000))': ["script.lua:5: send: serial0 takes 65"],
                'expect(1 == 2, "arithmetic")': ["script.lua:5: arithmetic"],
                'inject("target=ram")': ["script.lua:5: inject: ", "the models are"],
        }.items():
            with self.subTest(mistake):
                status = 2 if "expect" in mistake else 1
                self.refuse(MACHINE + mistake, status, *hints)

    def test_machines(self):
        """Descriptions that make no machine."""
        for description, hint in {
                "": "nothing to boot",
                'memroy = "4M"': "there is no 'memroy'; there are append, bios",
                f'bios = "{BIOS}", memory = "1M"': "-m 1M: the machine takes from 4",
                'bios = "nothing.bin"': "nothing.bin",
                'hda = "nothing.img"': "nothing.img",
                f'bios = "{BIOS}", device = "toaster"': "toaster",
                f'bios = "{BIOS}", device = {{1}}': "machine: device: a string is needed",
                f'bios = "{BIOS}", nic = "user"': "-nic user: input at any time",
                f'bios = "{BIOS}", no_reboot = 1': "no_reboot: a boolean is needed",
                f'bios = "{BIOS}", engine = "vroom"': "-engine vroom",
                f'bios = "{BIOS}", media = {{x = "nothing"}}': "cannot open 'nothing'",
                f'bios = "{BIOS}", watchdog_action = "pause"': "wait for ever",
                f'bios = "{BIOS}", rtc = "base=utc"': "is another time in each run",
                f'bios = "{BIOS}", rtc = "base=localtime"': "another time",
                f'bios = "{BIOS}", serial = "file:x"': "there is no 'serial'",
                f'bios = "{BIOS}", console = "tty"': "there is no console 'tty'",
                'hda = "nbd://localhost"': "has no connections",
                f'bios = "{BIOS}", nic = "null,capture=x"': "captures no packets",
        }.items():
            with self.subTest(description):
                self.refuse("machine {" + description + "}", 1, "script.lua:1: machine: ",
                          hint)

    def test_what_was_seen(self):
        """Who waits in vain is told what there was instead."""
        result = self.refuse(READY + """send("one and a\\27")
            wait_for("one and b", {timeout = "2 ms"})""", 2,
            'script.lua:7: wait_for "one and b": not within 2 ms of virtual time',
            "Seen last on serial0:\n    READY\n    one and a\\x1b")
        self.assertEqual(word(result.stdout, "outcome"), "timeout")
        self.refuse(READY + 'expect_equal(read_u32(0), 7, "the vector")', 2,
                  "script.lua:6: the vector: 7 (0x7) was expected, and it is 0 (0x0)")
        self.refuse(READY + 'send("q") wait_for("b")', 2,
                  "the machine has ended (power-off) without it")
        self.refuse(READY + 'send("h") wait_for("b", {timeout = "1 s"})', 2,
                  "the CPU has halted with interrupts off")
        self.refuse(READY + 'spawn(function()\nexpect(false)\nend) run_for("1 s")', 2,
                  "script.lua:7: expect: it does not hold")
        self.refuse('wait_for("x")', 1, "script.lua:1: there is no machine yet")

    def test_words(self):
        """The command line."""
        script = self.make_file("empty.lua", content=b"")
        for words, hint in {
                (): "say run or replay",
                ("walk",): "there are run and replay",
                ("run",): "give run a script",
                ("run", "nothing.lua"): "cannot read the script 'nothing.lua'",
                ("run", self.folder.name): "cannot be read",
                ("run", script, script): "one word too many",
                ("run", script, "--seed", "-1"): "--seed -1",
                ("run", script, "--set", "x"): "KEY=VALUE",
                ("run", script, "--set-file", "x=nothing"): "nothing",
                ("run", script, "--limit", "soon"): "--limit soon",
                ("run", script, "--engine", "vroom"): "--engine vroom",
                ("run", script, "--log", "/proc/x"): "/proc/x",
                ("run", script, "--results", "/proc/x"): "/proc/x",
                ("run", script, "--verbose"): "unknown option",
                ("run", script, "--set"): "needs a value",
                ("replay", script): "give replay a file of results",
                ("replay", "nothing", "last"): "cannot read 'nothing'",
                ("replay", script, "last"): "has no experiment 'last'",
                ("replay", script, "last", "--seed", "1"): "leave them out",
        }.items():
            with self.subTest(words):
                result = run("experiment", *words, text=True)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertRegex(result.stderr, r"\Afaumachine: [^\n]*\n\Z")
                self.assertIn(hint, result.stderr)


class Cage(TestCase):
    """What scripts cannot do, and what they cannot use up."""

    def test_nothing_of_the_host(self):
        """There is no way to files and programs, nor to catch an end."""
        names = ("os", "io", "debug", "package", "require", "load", "loadfile", "dofile",
                 "pcall", "xpcall", "coroutine", "collectgarbage", "next", "warn",
                 "string.dump", "math.randomseed", "core")
        self.succeed(MACHINE + "".join(f"expect_equal({name}, nil, '{name}')\n"
                                       for name in names))
        self.refuse("setmetatable({}, {__gc = function() end})", 1, "__gc")
        # Compiled Lua could do what Lua cannot.
        result = self.experiment("\x1bLua")
        self.assertEqual(result.returncode, 1)
        self.assertIn("attempt to load a binary chunk", result.stderr)

    def test_images_stay(self):
        """A guest's disk is never written to."""
        image = self.make_file("disk.img", size=128 << 20)
        for drive in (f'hda = "{image}"', f'drive = "file={image},snapshot=off"'):
            self.succeed(READY.replace("nodefaults", drive + ", nodefaults")
                         + 'send("w") wait_for("OK")')
        with open(image, "rb") as file:
            self.assertEqual(file.read().count(0), 128 << 20)

    def test_limits(self):
        """Of time and memory; nothing hangs."""
        for script in ("while true do end", MACHINE + 'wait_for("x", {timeout = "900 min"})',
                       MACHINE + 'spawn(function() while true do end end) run_for("1 s")'):
            result = self.refuse(script, 3, "1 seconds of host time were not enough",
                               options=("--limit", "1"))
            self.assertEqual(word(result.stdout, "outcome"), "limit")
        self.refuse("local t = {}\nwhile true do t[#t + 1] = ('x'):rep(1 << 20) .. #t end", 1,
                  "script.lua:2: the script needs more than 256 MiB")

    def test_a_function_without_end(self):
        """What Lua cannot interrupt is ended with the process."""
        began = time.monotonic()
        result = self.experiment('local s = ("a"):rep(99) s:find(("a*"):rep(50) .. "b")',
                                 "--limit", "1")
        self.assertEqual(result.returncode, 3)
        self.assertIn("the script does not end", result.stderr)
        self.assertLess(time.monotonic() - began, 25)

    def test_the_user_ends_it(self):
        """By Ctrl-C, the result is told."""
        path = self.make_file("long.lua", content=(
            READY + 'note("runs")\nwait_for("x", {timeout = "900 min"})').encode())
        process = self.start_plain("experiment", "run", path, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        harness.read_until(process.stdout.fileno(), b"runs")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=harness.LIMIT_S)
        self.assertEqual(process.returncode, 3)
        self.assertIn(b"outcome        stopped", output)


class Results(TestCase):
    """Chance, files of results, replays."""

    SCRIPT = READY + """
        note(random(1, 6), random(1 << 40), math.random() < 1, setting("word", "none"))
        for i = 1, random(5) do send(tostring(random(100))) run_for(random(99) .. " us") end
        record("dice", random(6))
        outcome(setting("class", "good"))
    """

    def test_chance(self):
        """The same seed is the same, another is not."""
        first, again, other = (self.succeed(self.SCRIPT, "--seed", seed)
                               for seed in ("7", "7", "8"))
        self.assertEqual(first.splitlines()[:3], again.splitlines()[:3])
        self.assertNotEqual(first.splitlines()[0], other.splitlines()[0])

    def test_order(self):
        """The order of pairs() is that of the keys."""
        output = self.succeed(MACHINE + """
            local words, t = {}, {zebra = 1, ant = 2, [10] = 3, [2] = 4, gnu = 5}
            for key in pairs(t) do words[#words + 1] = key end
            note(table.concat(words, " "))""")
        self.assertEqual(output.splitlines()[0], "2 10 ant gnu zebra")

    def test_numbers(self):
        """Of random(): all of a range, nothing else."""
        self.succeed(MACHINE + """
            local seen, count = {}, 0
            for i = 1, 1000 do
                local n = random(-2, 3)
                if not seen[n] then seen[n] = true count = count + 1 end
            end
            expect_equal(count, 6)
            for i = -2, 3 do expect(seen[i]) end
            expect_equal(math.type(random(math.mininteger, math.maxinteger)), "integer")
        """)

    def test_replay(self):
        """A result is found, and comes out the same under each engine."""
        file = self.path("results.jsonl")
        options = ("--results", file, "--set", "word=höher", "--set", "class=odd")
        for seed, engine in (("3", "jit"), ("4", "interpreter")):
            self.succeed(self.SCRIPT, *options, "--seed", seed, "--engine", engine)
        with open(file, encoding="utf8") as lines:
            results = [json.loads(line) for line in lines]
        self.assertEqual([r["seed"] for r in results], [3, 4])
        for result in results:
            self.assertEqual((result["outcome"], result["settings"]),
                             ("odd", ["word=höher", "class=odd"]))
            self.assertIn(result["values"]["dice"], range(1, 7))
            for engine in ENGINES:
                again = run("experiment", "replay", file, result["id"][:8], "--engine",
                            engine, text=True)
                self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
                self.assertEqual(word(again.stdout, "end state"), result["hash"])
                self.assertEqual(word(again.stdout, "replay"),
                                 "the same state and outcome")
        self.assertNotEqual(results[0]["hash"], results[1]["hash"])
        # Something else now; and a file that is none.
        self.make_file("script.lua", content=(READY + 'outcome("odd")').encode())
        changed = run("experiment", "replay", file, "last", text=True)
        self.assertEqual(changed.returncode, 2)
        self.assertIn("has changed since", changed.stderr)
        self.assertIn("DIFFERENT", changed.stdout)
        bad = self.make_file("bad.jsonl", content=b'{"id": "1"}\nnonsense\n')
        self.assertIn("is no result", run("experiment", "replay", bad, "1", text=True).stderr)

    def replay_with_gdb(self, script, commands, *options):
        """Runs it with these options, and once more with gdb; what gdb says."""
        gdb = shutil.which("gdb")
        if not gdb:
            self.skipTest("there is no gdb")
        file, path = self.path("results.jsonl"), self.path("gdb")
        self.succeed(script, "--results", file, *options)
        process = self.start_plain("experiment", "replay", file, "last", "--gdb",
                                   "unix:" + path, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        harness.read_until(process.stderr.fileno(), b"waiting for gdb")
        commands = ["set architecture i8086", "target remote " + path, *commands, "detach"]
        words = [word for command in commands for word in ("-ex", command)]
        debugger = subprocess.run([gdb, "-nx", "-batch", *words], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=harness.LIMIT_S, check=False)
        output, _ = process.communicate(timeout=harness.LIMIT_S)
        self.assertIn(b"the same state and outcome", output)
        self.assertEqual(process.returncode, 0)
        return debugger.stdout

    def test_gdb(self):
        """A replay waits for gdb, which sees the guest and changes nothing by that."""
        said = self.replay_with_gdb(self.SCRIPT, [
            "break *0xffff0000", "continue", "info registers eip", "delete"])
        self.assertIn(b"eip            0x0", said)

    def test_gdb_at_fault(self):
        """The machine stands still when the fault has just come."""
        said = self.replay_with_gdb(
            READY + 'trial {run = function() run_for("1 us") end}',
            ["continue", "info registers edi"],
            "--fault", "target=register,name=edi,model=set,value=0x5eed,mask=0xffff,"
            "when=instruction:500")
        self.assertRegex(said, rb"edi +0x5eed")


if __name__ == "__main__":
    assert os.path.exists(PROGRAM)
    harness.main()
