#!/usr/bin/env python3
"""Debian's kernel uses the APICs, the event timers and the RTC's alarm, and does without.

    platform_test.py PROGRAM FETCH_GUEST FLAVOUR

The first boot looks at where interrupts come from, sleeps until the RTC's alarm, and
reboots: the second one finds the same chips in the same state. The last one is told to
leave the APICs alone.
"""

import re
import sys

import guest as boot

CLOCK_EVENTS = b"cat /sys/devices/system/clockevents/clockevent0/current_device"
LOCAL_TIMER = b"grep LOC: /proc/interrupts"
# It sleeps for two seconds at most, and only that interrupt ends it.
SLEEP = (b"echo 0 > /sys/class/rtc/rtc0/wakealarm;"
         b"echo +2 > /sys/class/rtc/rtc0/wakealarm; echo freeze > /sys/power/state;"
         b"echo woken $?; grep -c ' 8: *[1-9].*rtc' /proc/interrupts")


def start(program, folder, words, *options):
    """A guest at its shell."""
    guest = boot.Guest.on_pipes(boot.command(
        program, *boot.kernel_options(folder, "quiet " + words), "-nographic", *options))
    guest.expect_shell()
    return guest


def demand(guest, command, pattern):
    """The command's output must match."""
    output = guest.run(command)
    match = re.search(pattern, output)
    if not match:
        guest.fail(f"{command.decode()} should print {pattern!r}")
    return match


def check_apics(guest):
    """All interrupts come by the APICs; the local timer ticks."""
    table = guest.run(b"cat /proc/interrupts")
    if b"XT-PIC" in table:
        guest.fail("an interrupt comes by the 8259")
    for wanted in (rb" 0: .*IO-APIC +2-edge +timer", rb" 4: .*IO-APIC +4-edge +ttyS0",
                   rb" 9: .*IO-APIC +9-fasteoi +acpi"):
        if not re.search(wanted, table):
            guest.fail(f"/proc/interrupts should have {wanted!r}")
    demand(guest, CLOCK_EVENTS, rb"\blapic")
    before = int(demand(guest, LOCAL_TIMER, rb"LOC: +(\d+)")[1])
    guest.run(b"sleep 1")
    after = int(demand(guest, LOCAL_TIMER, rb"LOC: +(\d+)")[1])
    if after <= before:
        guest.fail("the local APIC's timer does not tick")


def main():
    """Three boots."""
    program, fetch_guest, flavour = sys.argv[1:]
    folder = boot.fetch(fetch_guest, flavour)
    guest = start(program, folder, "")
    check_apics(guest)
    demand(guest, SLEEP, rb"woken 0\s+1\s")
    guest.type(b"reboot -f")
    guest.expect_shell()
    check_apics(guest)
    guest.type(b"exit")
    guest.expect_power_off()

    guest = start(program, folder, "noapic nolapic", "-no-reboot")
    if b"IO-APIC" in guest.run(b"cat /proc/interrupts"):
        guest.fail("an interrupt comes by an APIC that is not to be used")
    demand(guest, b"grep XT-PIC /proc/interrupts", rb" 4: .*ttyS0")
    guest.type(b"exit")
    guest.expect_power_off()


if __name__ == "__main__":
    main()
