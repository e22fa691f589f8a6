#!/usr/bin/env python3
"""SeaBIOS and GRUB boot a disk image, and what the guest writes to it stays.

    grub_test.py PROGRAM FETCH_GUEST MAKE_DISK_IMAGE

One boot that writes a file to the ext2 file system and powers off; debugfs reads it on
the host. One with -snapshot that finds it, writes over it and reboots by a triple fault,
after which GRUB comes again and the image is as it was.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

import guest as boot

GRUB = b"GRUB loads the kernel"
KERNEL_ARGUMENTS = ["console=ttyS0", "panic=-1", "reboot=t"]
FIRST_PARTITION_BYTES = 2048 * 512
LINES = 50000


def digest(path):
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def numbers():
    """What `seq 1 LINES` prints."""
    return "".join(f"{i}\n" for i in range(1, LINES + 1)).encode()


def mount(guest):
    """Mounts the partition that GRUB has read the kernel from."""
    guest.expect(GRUB, boot.BOOT_LIMIT_S)
    guest.expect_shell()
    guest.run(b"modprobe ext4; mkdir /disk")
    answer = guest.run(b"mount -t ext2 /dev/sda1 /disk && echo mou''nted")
    if b"mounted" not in answer:
        guest.fail("cannot mount the partition")


def check_on_host(image, work):
    """debugfs finds the file, e2fsck finds nothing."""
    tools = os.environ["PATH"] + ":/sbin:/usr/sbin"
    debugfs, e2fsck = (shutil.which(name, path=tools) for name in ("debugfs", "e2fsck"))
    if not debugfs or not e2fsck:
        print("grub_test: no debugfs here: only the guest looks at what was written")
        return
    partition = f"{image}?offset={FIRST_PARTITION_BYTES}"
    copy = os.path.join(work, "numbers")
    subprocess.run([debugfs, "-R", f"dump /numbers {copy}", partition], check=True)
    with open(copy, "rb") as file:
        if file.read() != numbers():
            sys.exit("grub_test: what the guest has written is not on the disk")
    subprocess.run([e2fsck, "-f", "-n", partition], check=True)


def main():
    """Boots twice from one image."""
    program, fetch_guest, make_disk_image = sys.argv[1:]
    folder = boot.fetch(fetch_guest, "686")
    with tempfile.TemporaryDirectory(prefix="faumachine-grub-") as work:
        image = os.path.join(work, "disk.img")
        if subprocess.run([make_disk_image, folder, image, *KERNEL_ARGUMENTS],
                          check=False).returncode:
            boot.skip("cannot make a disk image")
        command = boot.command(program, "-m", "256", "-nographic", "-no-reboot")
        expected = hashlib.sha256(numbers()).hexdigest().encode()

        guest = boot.Guest.on_pipes([*command, "-hda", image])
        mount(guest)
        guest.run(f"seq 1 {LINES} >/disk/numbers; sync; umount /disk".encode())
        guest.type(b"poweroff -f")
        guest.expect_power_off()
        check_on_host(image, work)

        before = digest(image)
        command.remove("-no-reboot")
        guest = boot.Guest.on_pipes([*command, "-snapshot", image])
        mount(guest)
        if expected not in guest.run(b"sha256sum /disk/numbers"):
            guest.fail("the second run does not find what the first one has written")
        answer = guest.run(b"echo scri''bble >/disk/numbers; rm /disk/boot/initrd.gz; "
                           b"sync; umount /disk; mount /dev/sda1 /disk; cat /disk/numbers")
        if b"scribble" not in answer:
            guest.fail("with -snapshot the guest does not find what it has written")
        guest.run(b"umount /disk")
        # GRUB, started again by the reset, does not find what was removed: the overlay
        # outlives a reset.
        guest.type(b"reboot -f")
        guest.expect(GRUB)
        guest.expect(b"error: file `/boot/initrd.gz' not found.")
        os.write(guest.writer, b"\x01x")
        guest.expect_end()
        if digest(image) != before:
            sys.exit("grub_test: -snapshot has changed the image")


if __name__ == "__main__":
    main()
