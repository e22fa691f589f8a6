#!/usr/bin/env python3
"""Debian's i386 kernels boot to a shell and power off.

    debian_test.py PROGRAM FETCH_GUEST FLAVOUR batch|shell [option ...]

batch: the guest runs a workload that checks itself. shell: a user types commands.
"""

import os
import sys
import time

import guest as boot


def use_shell(guest):
    """Types commands at an interactive shell."""
    guest.expect_shell()
    guest.type(b"echo $((6 * 7)) $(uname -s)")
    guest.expect(b"42 Linux")
    guest.expect(boot.PROMPT)
    # Job control: Ctrl-C ends the command, not the shell.
    guest.type(b"echo be''gun; sleep 1000")
    guest.expect(b"begun")
    time.sleep(1)
    os.write(guest.writer, b"\x03")
    guest.expect(boot.PROMPT)
    guest.type(b"exit")


def main():
    """Boots one guest."""
    program, fetch_guest, flavour, mode, *options = sys.argv[1:]
    folder = boot.fetch(fetch_guest, flavour)
    words = "faumachine.batch" if mode == "batch" else ""
    guest = boot.Guest.on_pipes(
        boot.command(program, *boot.kernel_options(folder, words), "-nographic",
                     "-no-reboot", *options))
    if mode == "batch":
        guest.expect(b"guest: all results are right", boot.BOOT_LIMIT_S)
    else:
        use_shell(guest)
    guest.expect_power_off()


if __name__ == "__main__":
    main()
