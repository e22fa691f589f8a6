#!/usr/bin/env python3
"""A guest program that attacks the host: nothing outside the machine changes, and the
machine goes on, or ends with one line.

    hostile_test.py PROGRAM BIOS

BIOS: hostile_bios.asm, assembled; it says what the letters stand for. An engine that
does not have the host's processor execute the program (interpreter, jit) shows it the
exceptions of a real processor, and nothing else.
"""

import os
import signal
import struct
import subprocess
import sys

import harness

GUEST_ENDS, STOPPED = 33, 4  # exit status
DIRECT = harness.engine.NAME == "direct"
ESCAPED = (b"faumachine: guest code left 32-bit mode, which it may not: "
           b"the machine was stopped\n")
CANARY = b"as it was"
GATE_PAGE, GATE_PAGE_BYTES, STEP = 0xfffff000, 0x1000, 0x2b
EVERY_WAY = ["copy", "sud", "seccomp"]

LOOP_S = 1

# Letters with the number of the host's call, and its interface.
FORBIDDEN = {
    "a": (2, "x86-64"),   # open
    "b": (59, "x86-64"),  # execve
    "c": (41, "x86-64"),  # socket
    "d": (62, "x86-64"),  # kill, of another process
    "e": (101, "x86-64"), # ptrace
    "f": (10, "x86-64"),  # mprotect, writable and executable
    "h": (82, "x86-64"),  # rename
    "i": (76, "x86-64"),  # truncate
    "j": (57, "x86-64"),  # fork
    "k": (5, "i386"),     # open
    "l": (2, "x32"),      # open
}
# Accesses to nothing, instructions that fault or trap, a far return.
FAULTS = "oqrsF"
# Who overwrites or unmaps the simulator's memory may crash it.
DESTRUCTIVE = "tuvw"


def forbidden(call):
    """The line about one."""
    number, interface = call
    return (f"faumachine: the guest, or a mistake of the simulator, tried the host's "
            f"system call {number} ({interface}), which it may not: the machine was "
            f"stopped\n").encode()


class Hostile(harness.TestCase):
    """Each attack is a run of its own, beside a canary process and a canary file."""

    def setUp(self):
        super().setUp()
        self.make_file("canary", content=CANARY)
        # pylint: disable=consider-using-with
        self.canary = subprocess.Popen(["sleep", "600"])

        def end():
            self.canary.kill()
            self.canary.wait()
        self.addCleanup(end)

    def check_host(self):
        """Nothing has happened to it."""
        self.assertIsNone(self.canary.poll())
        self.assertEqual(os.listdir(self.folder.name), ["canary"])
        with open(self.path("canary"), "rb") as file:
            self.assertEqual(file.read(), CANARY)

    def start_attack(self, letter, number=0, way="copy"):
        """The machine, with the guest at work."""
        options = ["-syscall-redirect", way] if DIRECT else []
        process = self.start_guest(
            "-display", "none", "-nic", "none", "-serial", "stdio", "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4",
            *options, cwd=self.folder.name)
        process.stdin.write(letter.encode() + struct.pack("<I", number))
        return process

    def end(self, process):
        """Its status, what the guest said, and the errors."""
        try:
            output, errors = process.communicate(timeout=harness.LIMIT_S)
        except subprocess.TimeoutExpired:
            self.fail("the machine hangs")
        self.check_host()
        return process.returncode, output, errors

    def attack(self, letter, number=0, way="copy"):
        """All of it."""
        return self.end(self.start_attack(letter, number, way))

    def check_attack(self, letter, expected, number=0, way="copy"):
        """`expected`: what comes of it where the program gets as far as that; elsewhere
        it gets #GP."""
        with self.subTest(letter=letter, number=hex(number), way=way):
            self.assertEqual(self.attack(letter, number, way),
                             expected if DIRECT else (GUEST_ENDS, b"G", b""))

    def test_forbidden_calls(self):
        """One line, and the machine's end."""
        for way in EVERY_WAY if DIRECT else ["copy"]:
            for letter, call in FORBIDDEN.items():
                self.check_attack(letter, (STOPPED, b"", forbidden(call)),
                                  self.canary.pid, way)

    def test_allowed_calls(self):
        """It can write to what is open, and is refused the removal of a name. Syscall
        user dispatch takes all calls of the thread for the guest's."""
        for way in "copy", "seccomp":
            self.check_attack("m", (GUEST_ENDS, b"R00000008\n", b"hostile\n"), way=way)
            self.check_attack("g", (GUEST_ENDS, b"Rffffffff\n", b""), way=way)
        for letter, call in {"m": (1, "x86-64"), "g": (87, "x86-64")}.items():
            self.check_attack(letter, (STOPPED, b"", forbidden(call)), way="sud")

    def test_faults(self):
        """What traps in 64-bit code ends the machine, whatever it is."""
        for letter in FAULTS:
            self.check_attack(letter, (STOPPED, b"", ESCAPED))

    def test_signals_to_itself(self):
        """It may send them: those that have a handler end it there, others at once."""
        for number in signal.SIGSEGV, signal.SIGURG, signal.SIGTRAP, signal.SIGFPE:
            self.check_attack("n", (STOPPED, b"", ESCAPED), number)
        self.check_attack("n", (-signal.SIGKILL, b"", b""), signal.SIGKILL)

    def test_endless_loop(self):
        """It keeps the machine from ending only until somebody wants it to."""
        process = self.start_attack("p")
        if DIRECT:
            with self.assertRaises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.terminate()
            self.assertEqual(self.end(process), (STOPPED, b"", ESCAPED))
        else:
            self.assertEqual(self.end(process), (GUEST_ENDS, b"G", b""))

    def test_simulator_overwritten(self):
        """The machine may crash, or go on as another; the host is as it was."""
        for letter in DESTRUCTIVE:
            with self.subTest(letter=letter):
                status, output, errors = self.attack(letter)
                if not DIRECT:
                    self.assertEqual((status, output, errors), (GUEST_ENDS, b"G", b""))
                self.assertIn(status, {GUEST_ENDS, STOPPED, -signal.SIGSEGV})
                self.assertLessEqual(errors.count(b"\n"), 1)

    def enter_gate_page(self, letter, place):
        """The program may have become an endless loop there, which is no harm: then the
        machine is told to end."""
        process = self.start_attack(letter, place)
        try:
            process.wait(LOOP_S)
        except subprocess.TimeoutExpired:
            process.terminate()
        return self.end(process)

    def test_gate_page_entered(self):
        """At any place, in 64-bit code and in 32-bit code: the program is lost, and
        maybe the machine."""
        for letter, step, exception in ("J", STEP, b"G"), ("N", 8 * STEP, b"P"):
            for place in range(GATE_PAGE, GATE_PAGE + GATE_PAGE_BYTES, step):
                with self.subTest(letter=letter, place=hex(place)):
                    status, output, errors = self.enter_gate_page(letter, place)
                    self.assertLessEqual(errors.count(b"\n"), 1)
                    if not DIRECT:
                        self.assertEqual((status, output, errors),
                                         (GUEST_ENDS, exception, b""))

    def test_gate_page_read(self):
        """The one page that a program can see under `direct` and nowhere else."""
        status, output, errors = self.attack("M", GATE_PAGE)
        self.assertEqual((status, errors), (GUEST_ENDS, b""))
        self.assertEqual(output[:1], b"R" if DIRECT else b"P")


if __name__ == "__main__":
    if DIRECT and harness.run("-sandbox", "on", "-version").returncode:
        print("a build with sanitizers has no sandbox: skipped")
        sys.exit(harness.engine.SKIPPED)
    harness.main()
