#!/usr/bin/env python3
"""The engine that is tested does what the interpreter does, all through a boot.

    lockstep_test.py PROGRAM FETCH_GUEST FLAVOUR [option ...]

The options are lockstep's; without -until, the guest powers off in the end.
"""

import os
import subprocess
import sys
import tempfile

import guest as boot

# Two machines, on a busy host.
LIMIT_S = 2 * boot.BOOT_LIMIT_S


def main():
    """Boots one guest twice at a time."""
    program, fetch_guest, flavour, *options = sys.argv[1:]
    folder = boot.fetch(fetch_guest, flavour)
    boot.engine.options(program)  # ends the test if there is no such engine
    with tempfile.TemporaryDirectory(prefix="faumachine-lockstep-") as place:
        log = os.path.join(place, "log")
        result = subprocess.run(
            [program, "lockstep", "-engines", "interpreter," + boot.engine.NAME,
             *boot.kernel_options(folder, "faumachine.batch"), "-serial", "file:" + log,
             *options], timeout=LIMIT_S, check=False)
        if result.returncode:
            sys.exit(f"exit status {result.returncode}")
        with open(log, "rb") as file:
            console = file.read()
    if "-until" not in options and b"guest: all results are right" not in console:
        sys.stdout.write(console.decode(errors="replace"))
        sys.exit("the guest did not do its work")


if __name__ == "__main__":
    main()
