#!/usr/bin/env python3
"""The worked studies of experiments/: each guest is built, and the experiment carried out
without a fault, which is to print what the study's expected.txt says, and with some.

    studies_test.py PROGRAM STUDY
"""

import json
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine

STUDIES = pathlib.Path(__file__).resolve().parents[2] / "experiments"
LIMIT_S = 120
PROGRAM, STUDY = sys.argv[1:3]
FOLDER = STUDIES / STUDY
# What depends on versions of packages and on the host's processor.
VARYING = re.compile("end state|virtual time|instructions|engine|host time")


def build(guest):
    """The study's guest; the end of the test where that is not possible."""
    try:
        built = subprocess.run([FOLDER / "build", guest], timeout=LIMIT_S,
                               stderr=subprocess.PIPE, text=True, check=False)
        sys.stderr.write(built.stderr)
    except subprocess.TimeoutExpired:
        built = None
    if not built or built.returncode:
        print("cannot build the guest: skipped")
        sys.exit(engine.SKIPPED)


class TestCase(unittest.TestCase):
    """Runs of the study."""

    @classmethod
    def setUpClass(cls):
        # pylint: disable=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(prefix="faumachine-study-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.guest = pathlib.Path(cls.folder.name) / "guest"
        build(cls.guest)

    def run_script(self, *words, status=0):
        """The program, with the study's script and guest behind the first two words;
        returns what it prints."""
        result = subprocess.run(
            [PROGRAM, *words[:2], FOLDER / "experiment.lua", "--set",
             f"guest={self.guest}", *words[2:]], stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
        self.assertEqual(result.returncode, status, result.stdout)
        return result.stdout

    def check_golden(self, *options, file="expected.txt"):
        """Without a fault it prints what the file says, and what varies."""
        output = self.run_script("experiment", "run", *options)
        stable = "".join(line + "\n" for line in output.splitlines()
                         if not VARYING.match(line))
        self.assertEqual(stable, (FOLDER / file).read_text())

    def check_outcome(self, expected, fault, *options):
        """With a fault it ends so."""
        output = self.run_script("experiment", "run", "--fault", fault, *options)
        found = re.search("^outcome +([^ \n]+)", output, re.MULTILINE)
        self.assertEqual(found[1], expected, output)

    def campaign(self, count, *options):
        """So many experiments; returns for each the outcome and the values."""
        with tempfile.TemporaryDirectory(dir=self.folder.name) as folder:
            database = folder + "/results.sqlite"
            self.run_script("campaign", "run", "-n", str(count), "-j", "1", "--db",
                            database, *options)
            with sqlite3.connect(database) as connection:
                rows = connection.execute(
                    'SELECT outcome, "values" FROM experiments ORDER BY number')
                return [(outcome, json.loads(values)) for outcome, values in rows]


class SortTmr(TestCase):
    """Bit flips where one knows what has to come of them, and some anywhere."""

    BYTES = {"plain": 1200, "tmr": 3600} # of numbers

    def address(self, variant):
        """Where the numbers are."""
        symbols = subprocess.run(["nm", self.guest / f"sort-{variant}.elf"], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
        return int(re.search("^([0-9a-f]+) b numbers$", symbols, re.MULTILINE)[1], 16)

    def test_golden(self):
        """No fault."""
        for variant in self.BYTES:
            self.check_golden("--set", f"variant={variant}",
                              file=f"expected-{variant}.txt")

    def test_one_number(self):
        """A bit of one, when all have been made."""
        for variant, expected in {"plain": "detected", "tmr": "corrected"}.items():
            first = self.address(variant)
            self.check_outcome(
                expected, f"target=ram,address={first + 400},bit=3,model=flip,"
                f"when=write:{first + self.BYTES[variant] - 1}",
                "--set", f"variant={variant}")

    def test_two_copies(self):
        """The majority is wrong."""
        first = self.address("tmr")
        faults = [f"target=ram,address={first + 1200 * copy + 400},bit=3,model=flip,"
                  f"when=write:{first + self.BYTES['tmr'] - 1}" for copy in (0, 1)]
        self.check_outcome("detected", faults[0], "--fault", faults[1],
                           "--set", "variant=tmr")

    def test_stack_pointer(self):
        """A stack that is nowhere: no handler can be called."""
        self.assertIn("the machine has ended (reset)", self.run_script(
            "experiment", "run", "--fault", "target=register,name=esp,bit=31,model=flip",
            status=2))

    def test_campaigns(self):
        """What triplication is good for."""
        for variant, expected in {"plain": "detected", "tmr": "corrected"}.items():
            rows = self.campaign(60, "--set", f"variant={variant}", "--set", "where=ram")
            outcomes = [outcome for outcome, _ in rows]
            self.assertGreater(outcomes.count(expected), 40, outcomes)
            if variant == "tmr":
                self.assertLessEqual(set(outcomes),
                                     {"corrected", "masked", "not-activated"})


class KernelBitflips(TestCase):
    """A running kernel."""

    def test_golden(self):
        """No fault."""
        self.check_golden()

    def test_instruction_pointer(self):
        """The handler of page faults begins in the user's half, where nothing is."""
        self.check_outcome("detected", "target=register,name=eip,bit=31,model=flip,"
                           "when=interrupt:14,count=50")


class DiskExt4(TestCase):
    """Disks that lie."""

    def test_golden(self):
        """No fault."""
        self.check_golden()

    def test_all_writes_lost(self):
        """e2fsck's own, too."""
        self.check_outcome("unrecoverable",
                           "target=disk,model=lost,duration=permanent")


class SqlitePowercut(TestCase):
    """A database that keeps its promise, and one that has been told not to."""

    CUT = "target=power,model=cut,restart=on,cache=16777216,when=text:committed 20"

    def test_golden(self):
        """No fault."""
        self.check_golden()

    def test_kept(self):
        """All is there."""
        self.check_outcome("kept", self.CUT, "--set", "synchronous=EXTRA")

    def test_lost(self):
        """What the operating system had not written yet is not."""
        self.check_outcome("lost", self.CUT, "--set", "synchronous=OFF")


class TcpLoss(TestCase):
    """Lost frames."""

    def test_golden(self):
        """No fault."""
        self.check_golden()

    def test_bursts(self):
        """They are sent again."""
        self.check_outcome("corrected", "target=network,name=sender,model=burst,on=both,"
                           "enter=0.01,leave=0.25,duration=permanent")


CASES = {"sort-tmr": SortTmr, "kernel-bitflips": KernelBitflips, "disk-ext4": DiskExt4,
         "sqlite-powercut": SqlitePowercut, "tcp-loss": TcpLoss}

if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", CASES[STUDY].__name__])
