#!/usr/bin/env python3
"""faumachine campaign run --waypoints: every experiment comes to the same as without, in
a trial that looks at the machine, has its hands on it and does several things at a time.

    waypoints_test.py PROGRAM KERNEL

KERNEL is the program of experiments/hello-serial: it adds up the numbers that it is sent.
"""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine

PROGRAM, KERNEL = (os.path.abspath(argument) for argument in sys.argv[1:3])
LIMIT_S = 100
EXPERIMENTS = 40
DEPENDS_ON_HOST = {"worker", "host_ms"}
MACHINE = """
machine {memory = "4M", kernel = "hello.bin", nodefaults = true, no_reboot = true,
         engine = "%s", device = {"isa-debug-exit,iobase=0xf4", "e1000,netdev=net0"},
         netdev = "null,id=net0", cdrom = "disc.iso", media = {other = "disc.iso"}}
wait_for("Up to which one? ")
"""
# Each of these changes what the script does or says if it is answered in another way.
SCRIPT = MACHINE + """
local rounds, ticks, seen = 0, 0, {}
trial {
    faults = {
        {target = "register", name = {"eax", "ecx", "edx", "esi", "esp", "eip"}},
        {target = "ram", address = 0x10000, bytes = 4},
    },
    timeout = "5 ms",
    run = function()
        spawn(function()
            while true do
                run_for("100 us")
                ticks = ticks + 1
                seen[#seen + 1] = registers().ecx
            end
        end)
        for round = 1, 4 do
            send(random(100000, 150000) .. "\\n")
            unplug("net0")
            eject("ide1-cd0")
            local sum = wait_for_line("The sum is (%%d+)$", {timeout = "2 ms"})
            plug("net0")
            if round %% 2 == 0 then
                insert("ide1-cd0", "other")
            end
            rounds = rounds + 1
            record("sum " .. round, sum)
            record("time " .. round, now_ns() - instructions())
            record("memory " .. round, read_u32(0x100100 + 4 * round))
            record("screen " .. round, screen())
            wait_for("Up to which one? ", {timeout = "1 ms"})
        end
        local all = 0
        for _, number in ipairs(seen) do
            all = all * 31 + number
        end
        record("rounds", rounds)
        record("ticks", ticks)
        record("seen", all)
        if registers().eax %% 4 == 1 then
            outcome("one", tostring(instructions()))
        end
    end,
}
"""
DRAWN = MACHINE + """
trial {
    faults = function(experiment)
        local when = experiment.instruction
        if experiment.number %% 3 == 0 then
            return "target=register,name=ecx,bit=3,model=flip,when=time:" .. when .. "ns"
        elseif experiment.number %% 3 == 1 then
            return "target=ram,address=0x10000,model=flip,when=instruction:" .. when
        end
        return {"target=register,name=edi,bit=3,model=flip,when=instruction:" .. when,
                "target=register,name=ecx,bit=5,model=stuck1,for=20us,"
                .. "when=execute:0x100010,count=3"}
    end,
    timeout = "6 ms",
    run = function()
        send("400000\\n")
        record("sum", wait_for_line("The sum is (%%d+)$"))
        record("screen", screen())
    end,
}
"""
INJECTS = MACHINE + """
trial {
    faults = {{target = "register", name = "edi"}},
    timeout = "6 ms",
    run = function()
        send("500000\\n")
        run_for("0.5 ms")
        inject("target=register,name=ecx,bit=4,model=flip")
        record("sum", wait_for_line("The sum is (%%d+)$"))
    end,
}
"""


class Waypoints(unittest.TestCase):
    """Campaigns with the same seed."""

    def setUp(self):
        # pylint: disable=consider-using-with
        folder = tempfile.TemporaryDirectory(prefix="faumachine-waypoints-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        shutil.copy(KERNEL, self.folder / "hello.bin")
        (self.folder / "disc.iso").write_bytes(bytes(1 << 16))

    def campaign(self, waypoints, experiments):
        """Its experiments."""
        database = self.folder / f"{waypoints}.db"
        result = subprocess.run(
            [PROGRAM, "campaign", "run", self.folder / "t.lua", "-n", str(experiments),
             "-j", "1", "--db", database, "--waypoints", str(waypoints)],
            check=False, timeout=LIMIT_S, capture_output=True, text=True)
        self.assertEqual(0, result.returncode, result.stderr)
        connection = sqlite3.connect(database)
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM experiments ORDER BY number").fetchall()
        connection.close()
        self.assertEqual(experiments, len(rows))
        return [{key: row[key] for key in row.keys() if key not in DEPENDS_ON_HOST}
                for row in rows], sum(row["host_ms"] for row in rows)

    def compare(self, script, experiments):
        """The outcomes; and how much time is saved."""
        (self.folder / "t.lua").write_text(script % engine.options(PROGRAM)[1],
                                           encoding="ascii")
        without, whole_ms = self.campaign(0, experiments)
        for waypoints in 32, 5:
            rows, part_ms = self.campaign(waypoints, experiments)
            for expected, row in zip(without, rows):
                self.assertEqual(expected, row)
        print(f"{whole_ms:.0f} ms without, {part_ms:.0f} ms with 5 waypoints")
        return {row["outcome"] for row in without}

    def test_all_answers(self):
        """A script that uses whatever there is."""
        outcomes = self.compare(SCRIPT, EXPERIMENTS)
        self.assertGreaterEqual(len(outcomes - {"error"}), 4, outcomes)
        self.assertNotIn("error", outcomes)

    def test_drawn(self):
        """Several faults, and other triggers."""
        outcomes = self.compare(DRAWN, EXPERIMENTS)
        self.assertGreaterEqual(len(outcomes - {"error"}), 3, outcomes)
        self.assertNotIn("error", outcomes)

    def test_short(self):
        """Runs are over before the golden run would be."""
        outcomes = self.compare(DRAWN.replace("6 ms", "0.9 ms"), EXPERIMENTS)
        self.assertEqual({"hang"}, outcomes)

    def test_own_faults(self):
        """There are no waypoints where the golden run has faults of its own."""
        self.assertNotIn("error", self.compare(INJECTS, 12))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
