#!/usr/bin/env python3
"""The terminal: raw while the guest has it, and as it was before when the program ends
or stops, however it does.

    terminal_test.py PROGRAM BIOS
"""

import os
import signal
import subprocess
import time
import unittest

import harness
from harness import BIOS


class OnATerminal(harness.TestCase):
    """The program with a terminal of its own."""

    def setUp(self):
        super().setUp()
        self.terminal = harness.Terminal()
        self.addCleanup(self.terminal.close)
        self.process = None

    def start_here(self, *options):
        """Starts the guest on the terminal and waits for it."""
        slave = self.terminal.slave
        self.process = self.start("-m", "4", "-bios", BIOS, *options, stdin=slave,
                                  stdout=slave, stderr=slave,
                                  preexec_fn=self.terminal.adopt)
        self.expect(b"READY")
        self.assertTrue(self.terminal.is_raw())

    def expect(self, text):
        """Waits for `text` on the terminal."""
        self.assertIn(text, harness.read_until(self.terminal.master, text))

    def type(self, keys):
        """Presses keys."""
        os.write(self.terminal.master, keys)

    def expect_end(self, status):
        """The program ends, the terminal is as it was."""
        self.assertEqual(self.process.wait(harness.LIMIT_S), status)
        self.assertTrue(self.terminal.is_restored())

    def test_keys_reach_the_guest(self):
        """With -nographic all keys do, Ctrl-C included; Ctrl-A Ctrl-A sends one."""
        self.start_here("-nographic")
        self.assertTrue(self.terminal.passes_signal_keys())
        self.type(b"a\x03b\x1ac\x1cd")
        self.expect(b"a\x03b\x1ac\x1cd")
        self.type(b"\x01\x01e")
        self.expect(b"\x01e")
        self.type(b"q")
        self.expect_end(0)

    def test_commands(self):
        """Ctrl-A H, C and X."""
        self.start_here("-nographic")
        self.type(b"\x01h")
        self.expect(b"Ctrl-A X")
        self.type(b"\x01c")
        self.expect(b"(faumachine) ")
        self.type(b"info status\r")
        self.expect(b"VM status: running")
        self.type(b"\x01cguest")
        self.expect(b"guest")
        self.type(b"\x01c")
        self.expect(b"(faumachine) ")
        self.type(b"\x01x")
        self.expect_end(0)

    def test_no_monitor(self):
        """-monitor none: the terminal is for the guest alone."""
        self.start_here("-nographic", "-monitor", "none")
        self.type(b"\x01c")
        self.expect(b"no monitor")
        self.type(b"\x01x")
        self.expect_end(0)

    def test_plain_stdio(self):
        """With -serial stdio Ctrl-C ends the program and Ctrl-A is a key."""
        self.start_here("-serial", "stdio")
        self.assertFalse(self.terminal.passes_signal_keys())
        self.type(b"\x01h")
        time.sleep(0.2)
        self.type(b"\x03")
        self.expect_end(0)

    def test_multiplexed_stdio(self):
        """-serial mon:stdio is like -nographic."""
        self.start_here("-serial", "mon:stdio")
        self.type(b"\x01x")
        self.expect_end(0)

    def test_guest_powers_off(self):
        """The ordinary end."""
        self.start_here("-nographic")
        self.type(b"q")
        self.expect_end(0)

    def test_signals(self):
        """The terminal is restored when signals end the program."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(signal=number):
                self.start_here("-nographic")
                self.process.send_signal(number)
                self.expect_end(0)

    def test_fatal_signals(self):
        """It is restored, too, when the program crashes."""
        for number in (signal.SIGABRT, signal.SIGFPE, signal.SIGBUS):
            with self.subTest(signal=number):
                self.start_here("-nographic")
                self.process.send_signal(number)
                self.expect_end(-number)

    def test_job_control(self):
        """While the program is stopped the terminal is the user's."""
        self.start_here("-serial", "stdio")
        self.process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        self.assertTrue(self.terminal.is_restored())
        self.process.send_signal(signal.SIGCONT)
        for _ in range(500):
            if self.terminal.is_raw():
                break
            time.sleep(0.01)
        self.assertTrue(self.terminal.is_raw())
        self.type(b"abc")
        self.expect(b"abc")
        self.type(b"q")
        self.expect_end(0)

    def test_terminal_goes_away(self):
        """A hang-up ends the program."""
        self.start_here("-nographic")
        self.terminal.close()
        self.assertEqual(self.process.wait(harness.LIMIT_S), 0)

    def test_bad_option_leaves_the_terminal_alone(self):
        """A run that fails after the terminal was taken gives it back."""
        slave = self.terminal.slave
        self.process = self.start("-nographic", "-bios", self.path("missing"),
                                  stdin=slave, stdout=slave, stderr=subprocess.DEVNULL,
                                  preexec_fn=self.terminal.adopt)
        self.expect_end(1)


if __name__ == "__main__":
    harness.main()
