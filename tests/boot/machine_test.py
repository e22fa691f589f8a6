#!/usr/bin/env python3
"""What an idle guest costs its host, with as much memory as a machine can have.

    machine_test.py PROGRAM FETCH_GUEST

Boots 686-pae with 3584 MiB to an idle shell: HLT costs no time of the host's processor,
memory that the guest has not touched costs none of the host's. In the end Linux resets
the machine by the keyboard controller.
"""

import os
import sys
import time

import guest as boot

IDLE_S = 5
IDLE_SHARE = 0.03
MEMORY = "3584"
MEMORY_MIB_LIMIT = 400
MIB = 1 << 20


def processor_s(pid):
    """User and system time of a process, in seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    """Resident memory of a process that no file backs, in MiB: own and shared."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return sum(int(lines[name].split()[0]) for name in ("RssAnon", "RssShmem")) / 1024


def memfd_mib(pid):
    """What the memfds of a process occupy, mapped or not, in MiB."""
    folder = f"/proc/{pid}/fd"
    blocks = 0
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.readlink(path).startswith("/memfd:"):
            blocks += os.stat(path).st_blocks
    return blocks * 512 / MIB


def check_idle(guest):
    """Least of a few measurements: somebody else may have woken the guest."""
    shares = []
    for _ in range(3):
        before = processor_s(guest.process.pid)
        time.sleep(IDLE_S)
        shares.append((processor_s(guest.process.pid) - before) / IDLE_S)
        if shares[-1] < IDLE_SHARE:
            break
    print(f"machine_test: idle guest: {min(shares):.1%} of a processor")
    if min(shares) >= IDLE_SHARE:
        guest.fail(f"an idle guest takes {min(shares):.1%} of a processor")


def check_memory(guest):
    """The guest has it all and has touched little of it."""
    total_kib = int(guest.run(b"grep MemTotal /proc/meminfo").split(b"MemTotal:")[-1]
                    .split()[0])
    resident, memfd = resident_mib(guest.process.pid), memfd_mib(guest.process.pid)
    print(f"machine_test: guest's memory {total_kib / 1024:.0f} MiB; the host's: "
          f"{resident:.0f} MiB resident, {memfd:.0f} MiB in memfds")
    if total_kib / 1024 < 0.95 * int(MEMORY):
        guest.fail(f"the guest finds only {total_kib} KiB")
    if not 0 < memfd < MEMORY_MIB_LIMIT or not 0 < resident < MEMORY_MIB_LIMIT:
        guest.fail("untouched memory of the guest is memory of the host's")


def main():
    """One boot."""
    program, fetch_guest = sys.argv[1:]
    folder = boot.fetch(fetch_guest, "686-pae")
    guest = boot.Guest.on_socket(
        [program, *boot.kernel_options(folder, "reboot=k", MEMORY), "-no-reboot"])
    guest.expect_shell()
    check_memory(guest)
    check_idle(guest)
    guest.type(b"reboot -f")
    guest.expect(b"reboot: Restarting system")
    guest.expect_end()


if __name__ == "__main__":
    main()
