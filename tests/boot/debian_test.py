#!/usr/bin/env python3
"""Debian's i386 kernels boot to a shell and power off.

    debian_test.py PROGRAM FETCH_GUEST FLAVOUR batch|shell [option ...]

batch: the guest runs a workload that checks itself. shell: a user types commands.
Exit status 77 (skipped) when the guest cannot be fetched here.
"""

import os
import select
import subprocess
import sys
import time

# QEMU's TCG needs 8 s; an interpreter may take a good deal longer, on a busy machine.
BOOT_LIMIT_S = 400
COMMAND_LIMIT_S = 120
FETCH_LIMIT_S = 300
SKIPPED = 77


class Guest:
    """The program with its serial line on pipes."""

    def __init__(self, command):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, bufsize=0)
        self.seen = b""

    def fail(self, text):
        """Ends the test, with the end of the console for whoever looks for the reason."""
        self.process.kill()
        sys.stdout.write(self.seen[-6000:].decode(errors="replace"))
        sys.exit("\ndebian_test: " + text)

    def expect(self, text, limit_s):
        """Waits for `text`; forgets what came before and with it."""
        deadline = time.monotonic() + limit_s
        while text not in self.seen:
            left = max(0, deadline - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                self.fail(f"waited {limit_s} s for {text!r} in vain")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                self.fail(f"the program ended before there was {text!r}")
            self.seen += more
            if b"Kernel panic" in self.seen:
                self.fail("the guest's kernel has panicked")
        found, self.seen = self.seen.split(text, 1)
        sys.stdout.write((found + text).decode(errors="replace"))
        sys.stdout.flush()
        return found

    def type(self, line):
        """Sends a line."""
        self.process.stdin.write(line + b"\n")

    def expect_power_off(self):
        """The program ends with status 0."""
        self.expect(b"reboot: Power down", COMMAND_LIMIT_S)
        try:
            status = self.process.wait(COMMAND_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.fail("the guest has powered off, but the program goes on")
        if status:
            self.fail(f"exit status {status}")


def fetch(script, flavour):
    """The folder with the guest, or the end of the test."""
    try:
        result = subprocess.run([script, flavour], stdout=subprocess.PIPE, text=True,
                                timeout=FETCH_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        result = None
    if not result or result.returncode:
        print("cannot fetch the guest: skipped")
        sys.exit(SKIPPED)
    return result.stdout.strip()


def use_shell(guest):
    """Types commands at an interactive shell."""
    guest.expect(b"BusyBox shell", BOOT_LIMIT_S)
    guest.expect(b"# ", COMMAND_LIMIT_S)
    guest.type(b"echo $((6 * 7)) $(uname -s)")
    guest.expect(b"42 Linux", COMMAND_LIMIT_S)
    guest.expect(b"# ", COMMAND_LIMIT_S)
    # Job control: Ctrl-C ends the command, not the shell.
    guest.type(b"echo be''gun; sleep 1000")
    guest.expect(b"begun", COMMAND_LIMIT_S)
    time.sleep(1)
    guest.process.stdin.write(b"\x03")
    guest.expect(b"# ", COMMAND_LIMIT_S)
    guest.type(b"exit")


def main():
    """Boots one guest."""
    program, fetch_guest, flavour, mode, *options = sys.argv[1:]
    folder = fetch(fetch_guest, flavour)
    append = "console=ttyS0 panic=-1" + (" faumachine.batch" if mode == "batch" else "")
    guest = Guest([program, "-m", "256", "-kernel", os.path.join(folder, "vmlinuz"),
                   "-initrd", os.path.join(folder, "initrd.gz"), "-append", append,
                   "-nographic", "-no-reboot", *options])
    if mode == "batch":
        guest.expect(b"guest: all results are right", BOOT_LIMIT_S)
    else:
        use_shell(guest)
    guest.expect_power_off()


if __name__ == "__main__":
    main()
