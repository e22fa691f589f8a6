#!/usr/bin/env python3
"""The worked studies of experiments/: each guest is built, and the experiment carried out
without a fault, which is to print what the study's expected.txt says, and with some.

    studies_test.py PROGRAM STUDY
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine

STUDIES = pathlib.Path(__file__).resolve().parents[2] / "experiments"
LIMIT_S, BUILD_LIMIT_S = 120, 300
PROGRAM, STUDY = sys.argv[1:3]
FOLDER = STUDIES / STUDY
# What depends on versions of packages and on the host's processor.
VARYING = re.compile("end state|virtual time|instructions|engine|host time")


class TestCase(unittest.TestCase):
    """Runs of the study."""

    @classmethod
    def setUpClass(cls):
        # pylint: disable=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(prefix="faumachine-study-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.guest = pathlib.Path(cls.folder.name) / "guest"
        built = subprocess.run([FOLDER / "build", cls.guest], timeout=BUILD_LIMIT_S,
                               stderr=subprocess.PIPE, text=True, check=False)
        sys.stderr.write(built.stderr)
        if built.returncode:
            print("cannot build the guest: skipped")
            sys.exit(engine.SKIPPED)

    def carry_out(self, *options):
        """The experiment; returns the lines it prints that are always the same."""
        result = subprocess.run(
            [PROGRAM, "experiment", "run", FOLDER / "experiment.lua", "--set-file",
             f"guest={self.guest}", *options], stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        return "".join(line + "\n" for line in result.stdout.splitlines()
                       if not VARYING.match(line))

    def check_golden(self, *options, file="expected.txt"):
        """Without a fault."""
        self.assertEqual(self.carry_out(*options), (FOLDER / file).read_text())

    def check_outcome(self, expected, fault, *options):
        """With a fault."""
        output = self.carry_out("--fault", fault, *options)
        outcome = re.search("^outcome +([^ \n]+)", output, re.MULTILINE)
        self.assertEqual(outcome[1], expected, output)
        return output


class SortTmr(TestCase):
    """sort-tmr."""

    VARIANTS = {"plain": 1200, "tmr": 3600} # bytes of numbers

    def address(self, variant):
        """Where the numbers are."""
        symbols = subprocess.run(["nm", self.guest / f"sort-{variant}.elf"], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
        return int(re.search("^([0-9a-f]+) b numbers$", symbols, re.MULTILINE)[1], 16)

    def test_golden(self):
        for variant in self.VARIANTS:
            self.check_golden("--set", f"variant={variant}",
                              file=f"expected-{variant}.txt")

    def test_numbers(self):
        """A bit of a number, when all have been made."""
        for variant, outcome in {"plain": "detected", "tmr": "corrected"}.items():
            first = self.address(variant)
            last = first + self.VARIANTS[variant] - 1
            self.check_outcome(
                outcome, f"target=ram,address={first + 400},bit=3,model=flip,"
                f"when=write:{last}", "--set", f"variant={variant}")

    def test_registers(self):
        """A stack that is nowhere: no handler can be called."""
        self.check_outcome("crash", "target=register,name=esp,bit=31,model=flip",
                           "--set", "variant=plain")


CASES = {"sort-tmr": SortTmr}

if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", CASES[STUDY].__name__])
