#!/usr/bin/env python3
"""faumachine campaign run --prune: every experiment has the outcome that it has when all of
them are carried out, also where the script looks into the machine.

    prune_test.py PROGRAM GUEST
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

PROGRAM, GUEST = (os.path.abspath(argument) for argument in sys.argv[1:3])
LIMIT_S = 100
EXPERIMENTS = 500
SCRIPT = """
machine {memory = "8M", bios = "guest.bin", nodefaults = true, no_reboot = true,
         device = "isa-debug-exit,iobase=0xf4", engine = "%s"}
wait_for("!")
trial {
    faults = {
        {target = "ram", address = 0x200000, bytes = 64},
        {target = "register", name = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi",
                                      "edi", "eflags"}},
    },
    run = function()
        local why, status = run_until_end()
        record("status", status)
        record("linear", read_u32(0x200038, {linear = true}))
        record("physical", read_u32(0x20003c))
        if setting("registers", false) then
            record("edi", registers().edi)
        end
    end,
}
"""


class Pruning(unittest.TestCase):
    """Campaigns with the same seed."""

    def setUp(self):
        # pylint: disable=consider-using-with
        folder = tempfile.TemporaryDirectory(prefix="faumachine-prune-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        shutil.copy(GUEST, self.folder / "guest.bin")
        (self.folder / "t.lua").write_text(
            SCRIPT % (engine.options(PROGRAM)[1]), encoding="ascii")

    def campaign(self, name, *options):
        """Its experiments by number: fault, outcome, values and who was carried out."""
        database = self.folder / name
        subprocess.run(
            [PROGRAM, "campaign", "run", self.folder / "t.lua", "-n", str(EXPERIMENTS),
             "-j", "1", "--db", database, *options],
            check=True, timeout=LIMIT_S, capture_output=True)
        with sqlite3.connect(database) as connection:
            rows = connection.execute(
                'SELECT number, fault, outcome, same_as FROM experiments').fetchall()
        connection.close()
        self.assertEqual(EXPERIMENTS, len(rows))
        return {row[0]: row[1:] for row in rows}

    def check(self, name, *options):
        every = self.campaign(name + "-every.db", *options)
        pruned = self.campaign(name + "-pruned.db", "--prune", *options)
        for number, (fault, outcome, same_as) in every.items():
            self.assertIsNone(same_as)
            self.assertEqual((fault, outcome), pruned[number][:2], number)
        carried_out = sum(row[2] is None for row in pruned.values())
        self.assertLess(carried_out, EXPERIMENTS * 2 / 3)
        self.assertGreater(carried_out, EXPERIMENTS / 20)
        return every

    def test_same_outcomes(self):
        blind = self.check("blind")
        self.assertGreater(len({row[1] for row in blind.values()}), 3)
        # What the script reads matters: more faults are found.
        seeing = self.check("seeing", "--set", "registers=true")
        self.assertGreater(sum(row[1] == "sdc" for row in seeing.values()),
                           sum(row[1] == "sdc" for row in blind.values()))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
