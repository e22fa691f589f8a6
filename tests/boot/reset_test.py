#!/usr/bin/env python3
"""A Multiboot kernel boots with its command line and its modules, and every road to a
reset leads there; the least memory is enough for the BIOS.

    reset_test.py PROGRAM KERNEL

KERNEL: reset_kernel.asm, assembled.
"""

import os
import sys
import tempfile
import time

import guest as boot

ROADS = {"k": "the keyboard controller", "c": "port 0xcf9", "9": "port 0x92",
         "t": "a triple fault"}
HALT_S = 1.5
HALT_SHARE = 0.02


def lines(kernel, road, modules):
    """What the kernel prints."""
    one, two = modules
    return (f"kernel: {kernel} road {road}\n{one} a word:first\n\n"
            f"{two}:second\n").encode()


def check_road(command, road, expected):
    """With -no-reboot the reset is the end; without, the kernel comes again."""
    guest = boot.Guest.on_pipes([*command, "-append", f"road {road}", "-no-reboot"])
    guest.expect(expected)
    guest.expect_end()
    guest = boot.Guest.on_pipes([*command, "-append", f"road {road}"])
    for _ in range(3):
        guest.expect(expected)
    os.write(guest.writer, b"\x01x")
    guest.expect_end()


def check_halt(command, expected):
    """A processor that is halted for good costs its host next to nothing."""
    guest = boot.Guest.on_pipes([*command, "-append", "road h"])
    guest.expect(expected)
    time.sleep(0.5)
    before = boot.processor_s(guest.process.pid)
    time.sleep(HALT_S)
    share = (boot.processor_s(guest.process.pid) - before) / HALT_S
    if share > HALT_SHARE:
        guest.fail(f"a halted processor takes {share:.1%} of one of the host's")
    os.write(guest.writer, b"\x01x")
    guest.expect_end()


def check_least_memory(program, work):
    """The BIOS finds nothing to boot on an empty disk, and says so."""
    disk = os.path.join(work, "disk.img")
    with open(disk, "wb") as file:
        file.truncate(1 << 20)
    guest = boot.Guest.on_pipes(boot.command(program, "-m", "4", "-nographic", disk))
    guest.expect(b"SeaBIOS")
    guest.expect(b"No bootable device.")
    os.write(guest.writer, b"\x01x")
    guest.expect_end()


def main():
    """All roads."""
    program, kernel = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="faumachine-reset-") as work:
        modules = []
        for name, content in ("one", b"first\n"), ("two", b"second"):
            modules.append(os.path.join(work, name))
            with open(modules[-1], "wb") as file:
                file.write(content)
        one, two = modules
        command = boot.command(program, "-m", "16", "-nographic", "-kernel", kernel,
                               "-initrd", f"{one} a word,{two}")
        for road, name in ROADS.items():
            check_road(command, road, lines(kernel, road, modules))
            print(f"\nreset_test: reset by {name}")
        check_halt(command, lines(kernel, "h", modules))
        check_least_memory(program, work)


if __name__ == "__main__":
    main()
