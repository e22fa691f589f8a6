#!/usr/bin/env python3
"""faumachine lockstep as a program: what it prints where, its exit status, and that its
processes end with it.

    lockstep_test.py PROGRAM BIOS
"""

import os
import subprocess
import time

import harness
from harness import BIOS, engine

LOCKSTEP = ["lockstep", "-engines", "interpreter," + engine.NAME, "-m", "4",
            "-bios", BIOS]


def children_of(pid):
    """The processes that a process has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def is_alive(pid):
    """Is there such a process, and no zombie?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Lockstep(harness.TestCase):
    """The program with two engines."""

    def test_no_difference(self):
        log = self.path("log")
        result = harness.run(*LOCKSTEP, "-serial", "file:" + log, "-every", "50K",
                             "-until", "1M")
        self.assertEqual(b"", result.stderr)
        self.assertEqual(b"No difference in 1000000 instructions: runs.\n",
                         result.stdout)
        self.assertEqual(0, result.returncode)
        # One machine writes, not two.
        with open(log, "rb") as file:
            self.assertEqual(1, file.read().count(b"READY"))

    def test_image_is_left_alone(self):
        image = self.make_file("image", size=1 << 20)
        os.chmod(image, 0o444)
        result = harness.run(*LOCKSTEP, "-hdb", image, "-until", "100K")
        self.assertEqual(0, result.returncode, result.stderr)

    def test_refused_options(self):
        for options, hint in [(["-every", "0"], b"-every"),
                              (["-serial", "stdio"], b"file:FILE"),
                              (["-engines", "one"], b"name two"),
                              (["-hdb", "/nonexistent"], b"/nonexistent")]:
            result = harness.run(*LOCKSTEP, *options)
            self.assertEqual(1, result.returncode)
            self.assertEqual(b"", result.stdout)
            self.assertIn(hint, result.stderr)
            self.assertEqual(1, result.stderr.count(b"\n"), result.stderr)

    def test_processes_end_with_it(self):
        process = self.start_plain(*LOCKSTEP, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + harness.LIMIT_S
        while len(children_of(process.pid)) < 2:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        children = children_of(process.pid)
        process.kill()
        process.wait()
        while any(map(is_alive, children)):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_status_line_on_a_terminal(self):
        terminal = harness.Terminal()
        self.addCleanup(terminal.close)
        self.start_plain(*LOCKSTEP, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=terminal.slave)
        line = harness.read_until(terminal.master, b"a second\r\x1b[K")
        self.assertIn(b" million instructions, ", line)


if __name__ == "__main__":
    harness.main()
