#!/usr/bin/env python3
"""The BIOS boots from a network: iPXE in a card's ROM gets an address by DHCP and a
script by TFTP, and says what that tells it to.

    network_boot_test.py PROGRAM MODEL ROM
"""

import os
import sys
import tempfile

import guest as boot

SCRIPT = "#!ipxe\necho hello-by-tftp\n"


def main():
    """One card."""
    program, model, rom = sys.argv[1:]
    if not os.path.exists(rom):
        boot.skip(f"there is no {rom} (package ipxe-qemu)")
    with tempfile.TemporaryDirectory(prefix="faumachine-network-boot-") as work:
        blank = os.path.join(work, "blank.img")
        with open(blank, "wb") as file:
            file.truncate(1 << 20)
        with open(os.path.join(work, "script"), "w", encoding="ascii") as file:
            file.write(SCRIPT)
        guest = boot.Guest.on_pipes(
            boot.command(program, "-hda", blank, "-nographic", "-no-reboot", "-nic",
                         f"user,model={model},romfile={rom},tftp={work},"
                         "bootfile=script"))
        guest.expect(b"hello-by-tftp")
        os.write(guest.writer, b"\x01x")
        guest.expect_end()


if __name__ == "__main__":
    main()
