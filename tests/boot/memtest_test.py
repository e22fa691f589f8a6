#!/usr/bin/env python3
"""Memtest86+ boots from its CD and runs a pass without an error.

    memtest_test.py PROGRAM FETCH_PACKAGE
"""

import os
import sys
import tempfile

import guest as boot
import screen

IMAGE = "usr/lib/memtest86+/memtest86+ia32.iso"
PASS_LIMIT_S = 1500


def main():
    """As little memory as it takes. Four minutes at least: bits have time to fade."""
    program, fetch_package = sys.argv[1:]
    image = os.path.join(boot.fetch(fetch_package, "memtest86+"), IMAGE)
    with tempfile.TemporaryDirectory(prefix="faumachine-memtest-") as work:
        machine = screen.Machine(program, work, "-m", "8", "-cdrom", image, "-boot", "d")
        machine.expect("Memtest86+ v")
        line = machine.expect("Pass:  1", PASS_LIMIT_S)
        if "Errors: 0" not in line:
            sys.exit(f"memtest_test: {line}")
        machine.end()
    print(f"memtest_test: {line.strip()}")


if __name__ == "__main__":
    main()
