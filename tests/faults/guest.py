"""What tests of faults share: small guests, and what is reported of faults in them.

A test program is a few lines of assembly for the frame in frame.asm. Each run is with a
counted clock: it is the same however often, but for the fault.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine

LIMIT_S = 20
FRAME = pathlib.Path(__file__).with_name("frame.asm")
PROGRAM = os.path.abspath(sys.argv[1])
NASM = sys.argv[2]
ENGINE = engine.options(PROGRAM)
EXCEPTION = 2 * 99 + 1


def status_of(number):
    """The exit status of a program that ends with `finish NUMBER`."""
    return 2 * number + 1


class Run:
    """How a run has ended."""

    def __init__(self, completed, serial, reports):
        self.status = completed.returncode
        self.stderr = completed.stderr
        self.serial = serial
        self.shown = [int(line, 16) for line in serial.split("\n")
                      if re.fullmatch("[0-9a-f]{8}", line)]
        self.reports = reports

    @property
    def report(self):
        """That of the only fault."""
        assert len(self.reports) == 1, self.reports
        return self.reports[0]


class Guest:
    """A test program, assembled."""

    def __init__(self, folder, source):
        self.folder = pathlib.Path(folder)
        self.bios = self.folder / "bios"
        (self.folder / "program.asm").write_text(source, encoding="ascii")
        frame = FRAME.read_text(encoding="ascii").replace(
            "[map symbols MAP]", f"[map symbols {self.folder / 'map'}]")
        (self.folder / "frame.asm").write_text(frame, encoding="ascii")
        subprocess.run([NASM, "-f", "bin", "-D", f"PROGRAM='{self.folder}/program.asm'",
                        "-o", self.bios, self.folder / "frame.asm"], check=True)
        text = (self.folder / "map").read_text(encoding="ascii")
        self.labels = {name: int(address, 16) for address, name in re.findall(
            r"^ *[0-9A-F]+ +([0-9A-F]+) +([\w.]+)$", text, re.MULTILINE)}

    def run(self, *faults, options=()):
        """Runs it with these faults: texts, in which {label} is an address."""
        log, serial = self.folder / "log", self.folder / "serial"
        words = []
        for fault in faults:
            words += ["-fault", fault.format(**{
                name: hex(address) for name, address in self.labels.items()})]
        completed = subprocess.run(
            [PROGRAM, *ENGINE, "-clock", "counted", "-display", "none", "-m", "8",
             "-bios", self.bios, "-no-reboot", "-nic", "none", "-serial",
             f"file:{serial}", "-device", "isa-debug-exit,iobase=0xf4", "-fault-log",
             log, *words, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, timeout=LIMIT_S, check=False)
        reports = ([json.loads(line) for line in log.read_text().splitlines()]
                   if log.exists() else [])
        return Run(completed, serial.read_text(errors="replace")
                   if serial.exists() else "", reports)


class TestCase(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        # pylint: disable=consider-using-with
        self.folder = tempfile.TemporaryDirectory(prefix="faumachine-faults-")
        self.addCleanup(self.folder.cleanup)

    def guest(self, source):
        """The program `source`."""
        return Guest(self.folder.name, source)

    def check_injected(self, run, eip, activation="yes"):
        """The only fault was injected once, before the instruction at `eip`."""
        report = run.report
        self.assertEqual(1, report["injections"], report)
        self.assertEqual(hex(eip), hex(report["injected"]["eip"]), report)
        self.assertEqual(activation, report["activation"], report)
        return report


def main():
    """Runs the tests of the file that calls this."""
    unittest.main(argv=[sys.argv[0], "-v"])
