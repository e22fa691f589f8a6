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
# Debian's kernel ticks 250 times a second. On a busy host each tick finds the caches
# full of somebody else's things and takes several times as long.
IDLE_SHARE = 0.03
IDLE_SHARE_ON_BUSY_HOST = 0.10
BUSY_SHARE = 0.25
MEMORY = "3584"
MEMORY_MIB_LIMIT = 400
MIB = 1 << 20


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


def host_times():
    """Ticks that the host's processors were idle, and all ticks."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def check_idle(guest):
    """A few attempts: something may just be going on in the guest."""
    found = []
    for _ in range(3):
        before, (idle_before, all_before) = boot.processor_s(guest.process.pid), host_times()
        time.sleep(IDLE_S)
        share = (boot.processor_s(guest.process.pid) - before) / IDLE_S
        idle_after, all_after = host_times()
        busy = 1 - (idle_after - idle_before) / max(1, all_after - all_before)
        found.append(f"{share:.1%} of a processor (host busy: {busy:.0%})")
        print("machine_test: an idle guest takes " + found[-1])
        if share < (IDLE_SHARE if busy < BUSY_SHARE else IDLE_SHARE_ON_BUSY_HOST):
            return
    guest.fail("an idle guest takes " + ", ".join(found))


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
        boot.command(program, *boot.kernel_options(folder, "reboot=k", MEMORY),
                     "-no-reboot"))
    guest.expect_shell()
    check_memory(guest)
    check_idle(guest)
    guest.type(b"reboot -f")
    guest.expect(b"reboot: Restarting system")
    guest.expect_end()


if __name__ == "__main__":
    main()
