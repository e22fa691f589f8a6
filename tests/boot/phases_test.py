#!/usr/bin/env python3
"""Boots in a row, in each of which timer interrupts hit other instructions.

    phases_test.py PROGRAM FETCH_GUEST BOOTS [SEED [NUMBER]]

Debian's 686 kernel boots, does its workload and powers off, BOOTS times. In every other
boot time is the host's, and the program is stopped again and again for a moment, so that
ticks come late and in bunches. In those between, time is counted in instructions; the
date, the size of memory and zeros behind the initial RAM disk, which the kernel skips
byte by byte, shift what happens when: of 1359 ticks of two such boots, 1300 were found at
different instructions. What is drawn at random follows from the seed and the number of
the boot: boots with counted time can be had again exactly, by NUMBER alone.
"""

import datetime
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading

import guest as boot

LONGEST_STOP_S, LONGEST_RUN_S = 0.05, 0.1
LEAST_MIB, MOST_MIB = 128, 384
MOST_ZEROS = 300000
FIRST_DATE = datetime.datetime(2000, 1, 1)
SECONDS = 37 * 365 * 86400
# Of a kernel that goes on nevertheless.
COMPLAINT = re.compile(rb"\] (WARNING:|BUG:|Oops|INFO: .*(stall|hung|blocked)"
                       rb"|general protection).*|\bsegfault at .*")


class Stopper:
    """Stops and continues a process at random moments."""

    def __init__(self, process, rng):
        self._process, self._rng = process, rng
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.stops = 0

    def _run(self):
        while not self._over.wait(self._rng.uniform(0, LONGEST_RUN_S)):
            self._process.send_signal(signal.SIGSTOP)
            self._over.wait(self._rng.uniform(0.001, LONGEST_STOP_S))
            self._process.send_signal(signal.SIGCONT)
            self.stops += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def finish(guest):
    """To the power-off, without complaints."""
    text = guest.expect(b"guest: all results are right", boot.BOOT_LIMIT_S)
    text += guest.expect(b"reboot: Power down")
    guest.expect_end()
    complaint = COMPLAINT.search(text)
    if complaint:
        guest.fail(f"the kernel complains: {complaint.group().decode(errors='replace')}")


def start(program, folder, memory, *options):
    return boot.Guest.on_pipes(
        boot.command(program, *boot.kernel_options(folder, "faumachine.batch", memory),
                     "-nographic", "-no-reboot", *options))


def boot_stopped(program, folder, rng):
    """With the host's clock. Returns what was special."""
    guest = start(program, folder, "256")
    with Stopper(guest.process, rng) as stopper:
        finish(guest)
    return f"stopped {stopper.stops} times"


def boot_shifted(program, folder, rng):
    """With a counted clock. Returns what was special."""
    memory, zeros = rng.randint(LEAST_MIB, MOST_MIB), rng.randint(0, MOST_ZEROS)
    date = FIRST_DATE + datetime.timedelta(seconds=rng.randrange(SECONDS))
    with tempfile.TemporaryDirectory(prefix="faumachine-phases-") as own:
        os.symlink(os.path.join(folder, "vmlinuz"), os.path.join(own, "vmlinuz"))
        shutil.copy(os.path.join(folder, "initrd.gz"), own)
        with open(os.path.join(own, "initrd.gz"), "ab") as initrd:
            initrd.write(bytes(zeros))
        finish(start(program, own, str(memory), "-clock", "counted",
                     "-rtc", f"base={date:%Y-%m-%dT%H:%M:%S}"))
    return f"{date}, {memory} MiB, {zeros} zeros"


def main():
    """All boots, or one of them."""
    program, fetch_guest, boots, *chosen = sys.argv[1:]
    seed = chosen[0] if chosen else str(random.SystemRandom().randrange(1 << 32))
    numbers = [int(chosen[1])] if chosen[1:] else range(1, int(boots) + 1)
    folder = boot.fetch(fetch_guest, "686")
    report = []
    for number in numbers:
        how = boot_shifted if number % 2 else boot_stopped
        print(f"phases_test: boot {number} of {boots}, seed {seed}", flush=True)
        special = how(program, folder, random.Random(f"{seed} {number}"))
        report.append(f"phases_test: boot {number}: {special}")
        print("\n" + report[-1], flush=True)
    print("\n".join([f"phases_test: seed {seed}: all reached power-off", *report]))


if __name__ == "__main__":
    main()
