#!/usr/bin/env python3
"""GRUB's rescue floppy and CD, as Debian has them: they show their menu, take keys, and
read the medium they come from.

    rescue_test.py PROGRAM FETCH_PACKAGE
"""

import os
import shutil
import sys
import tempfile

import guest as boot
import screen

FOLDER = "usr/lib/grub-rescue"
MEDIA = (("grub-rescue-floppy.img", ("-boot", "a", "-fda"), "(fd0)"),
         ("grub-rescue-cdrom.iso", ("-boot", "d", "-cdrom"), "(cd)"))


def check(program, work, image, options, drive):
    """From the menu to GRUB's own shell."""
    copy = os.path.join(work, os.path.basename(image))
    shutil.copy(image, copy)
    machine = screen.Machine(program, work, "-m", "32", *options, copy)
    machine.expect("GNU GRUB  version")
    machine.expect("*GNU/Linux")
    machine.key("down")
    machine.expect("*GNU (aka GNU/Hurd)")
    machine.key("c")
    machine.expect("grub>")
    machine.type("echo a=b", "grub> ")
    machine.expect("a=b")
    machine.type("ls", "grub> ")
    machine.expect(drive)
    machine.end()
    print(f"rescue_test: {os.path.basename(image)} boots")


def main():
    """Both media."""
    program, fetch_package = sys.argv[1:]
    folder = boot.fetch(fetch_package, "grub-rescue-pc")
    for name, options, drive in MEDIA:
        with tempfile.TemporaryDirectory(prefix="faumachine-rescue-") as work:
            check(program, work, os.path.join(folder, FOLDER, name), options, drive)


if __name__ == "__main__":
    main()
