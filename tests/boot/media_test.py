#!/usr/bin/env python3
"""CD-ROMs and floppies, as firmware and Linux use them.

    media_test.py PROGRAM FETCH_GUEST FLOPPY_SECTOR

SeaBIOS boots FLOPPY_SECTOR (floppy_sector.asm, assembled) from a floppy of each format,
which reads and writes by BIOS calls. Then it boots GRUB from a CD by El Torito, GRUB
loads Debian's kernel from there, and that mounts the CD, reads all of it, ejects it,
and shuts the tray again; reads and writes a floppy, and sees
that another one is write-protected. The host checks what was written.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import guest as boot

# KiB: cylinders, sectors on a track; all have two heads.
FORMATS = {360: (40, 9), 720: (80, 9), 1200: (80, 15), 1440: (80, 18), 2880: (80, 36)}
TEXT = b"the last sector"
PLACE_AT = 507
GOOD_STATUS = 7
ON_CD_BYTES = 3_000_000
GRUB = b"GRUB on a CD"
CONFIGURATION = """serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
echo "GRUB on a CD"
linux /boot/vmlinuz console=ttyS0 panic=-1
initrd /boot/initrd.gz
boot
"""


def digest(content):
    """SHA-256, as sha256sum prints it."""
    return hashlib.sha256(content).hexdigest().encode()


def boot_floppy(program, kib, sector, work):
    """One format. What the boot sector writes to sector 2 is on the image then."""
    cylinders, per_track = FORMATS[kib]
    image = os.path.join(work, f"{kib}.img")
    first = bytearray(pathlib.Path(sector).read_bytes())
    first[PLACE_AT:PLACE_AT + 3] = bytes([per_track, cylinders - 1, 1])
    last = (TEXT + f" of {kib} KiB\n".encode()).ljust(512, b"\0")
    middle = bytes(kib * 1024 - len(first) - len(last))
    pathlib.Path(image).write_bytes(bytes(first) + middle + last)
    guest = boot.Guest.on_pipes(boot.command(
        program, "-fda", image, "-boot", "a", "-nographic", "-device",
        "isa-debug-exit,iobase=0xf4"))
    guest.expect(last.rstrip(b"\0").rstrip(b"\n"), boot.BOOT_LIMIT_S)
    guest.expect_end(GOOD_STATUS)
    if pathlib.Path(image).read_bytes()[512:1024] != last:
        sys.exit(f"media_test: what was written to a floppy of {kib} KiB is not there")


def make_cd(folder, work, content):
    """An image with GRUB, the guest's kernel and a file to check."""
    tree = os.path.join(work, "tree")
    os.makedirs(os.path.join(tree, "boot/grub"))
    for name in ("vmlinuz", "initrd.gz"):
        shutil.copy(os.path.join(folder, name), os.path.join(tree, "boot", name))
    pathlib.Path(tree, "boot/grub/grub.cfg").write_text(CONFIGURATION, encoding="ascii")
    pathlib.Path(tree, "content").write_bytes(content)
    image = os.path.join(work, "cd.iso")
    if not all(shutil.which(tool) for tool in ("grub-mkrescue", "xorriso", "mformat")):
        boot.skip("cannot make a CD image without grub-mkrescue, xorriso and mtools")
    made = subprocess.run(
        ["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", image, tree],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if made.returncode:
        sys.exit("media_test: grub-mkrescue: " + made.stdout.decode(errors="replace"))
    return image


def demand(guest, command, *wanted):
    """What a command prints has all these words in it."""
    answer = guest.run(command)
    for text in wanted:
        if text not in answer:
            guest.fail(f"{command!r} does not say {text!r}")


def check_cd(guest, content):
    """All of the CD; then it leaves, and comes back."""
    guest.run(b"modprobe sr_mod; modprobe isofs; mkdir /cd")
    demand(guest, b"mount -o ro /dev/sr0 /cd && sha256sum /cd/content", digest(content))
    demand(guest, b"umount /cd; sha256sum /dev/sr0 >/dev/null && echo al''l", b"all")
    # BusyBox has no eject: the kernel does it, at the last close.
    guest.run(b"cd /proc/sys/dev/cdrom; echo 1 >autoeject; echo 0 >autoclose")
    guest.run(b"exec 5</dev/sr0; exec 5<&-; echo 0 >autoeject")
    demand(guest, b"mount -o ro /dev/sr0 /cd 2>&1; echo en''d", b"No medium found", b"end")
    guest.run(b"echo 1 >autoclose; cd /")
    demand(guest, b"mount -o ro /dev/sr0 /cd && sha256sum /cd/content", digest(content))
    guest.run(b"umount /cd")


def check_floppies(guest, before, after):
    """Drive A has `before`; it gets `after`. What is in drive B cannot be written."""
    demand(guest, b"modprobe floppy; sha256sum /dev/fd0", digest(before))
    guest.run(f"yes floppy | head -c {len(after)} >/dev/fd0; sync".encode())
    demand(guest, b"echo 3 >/proc/sys/vm/drop_caches; sha256sum /dev/fd0", digest(after))
    demand(guest, b"echo x >/dev/fd1; echo en''d", b"Read-only file system", b"end")


def main():
    """All floppies; one boot from a CD."""
    program, fetch_guest, sector = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="faumachine-media-") as work:
        for kib in FORMATS:
            boot_floppy(program, kib, sector, work)
        folder = boot.fetch(fetch_guest, "686")
        content = os.urandom(ON_CD_BYTES)
        image = make_cd(folder, work, content)
        before = os.urandom(1440 * 1024)
        after = (b"floppy\n" * (len(before) // 7 + 1))[:len(before)]
        floppy = os.path.join(work, "a.img")
        pathlib.Path(floppy).write_bytes(before)
        guest = boot.Guest.on_pipes(boot.command(
            program, "-m", "256", "-nographic", "-no-reboot", "-cdrom", image, "-boot",
            "once=d", "-fda", floppy, "-drive",
            f"if=floppy,index=1,readonly=on,file={os.path.join(work, '720.img')}"))
        guest.expect(GRUB, boot.BOOT_LIMIT_S)
        guest.expect_shell()
        check_cd(guest, content)
        check_floppies(guest, before, after)
        guest.type(b"poweroff -f")
        guest.expect_power_off()
        if pathlib.Path(floppy).read_bytes() != after:
            sys.exit("media_test: what Linux has written is not on the floppy")


if __name__ == "__main__":
    main()
