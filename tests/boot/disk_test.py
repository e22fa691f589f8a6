#!/usr/bin/env python3
"""What a guest has flushed is in its disk image, whatever happens to the simulator.

    disk_test.py PROGRAM FETCH_GUEST

A raw image, whose machine is killed while the guest writes; a full host; then an overlay
of that image in qcow2 format, by qemu-nbd, which is killed, too, and committed; and an
image that an NBD server has. The last two need Debian's qemu-utils.
"""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import guest as boot

MIB = 1 << 20
DISK_MIB = 64
BLOCK = 4096
ROUNDS = 25
LIMIT_S = 20
# Each block has its number in it again and again; a line tells when it has been flushed.
WRITER = (b"i=%d; while :; do yes block-$i | head -c 4096 | "
          b"dd of=/dev/sda bs=4096 seek=$i conv=fsync 2>/dev/null && echo flushed-$i.; "
          b"i=$((i+1)); done")


def content(number):
    """What the guest writes to a block."""
    line = f"block-{number}\n".encode()
    return (line * (BLOCK // len(line) + 1))[:BLOCK]


def fail(text):
    """Ends the test."""
    sys.exit("disk_test: " + text)


def run(*command):
    """A command that is to succeed; returns what it prints."""
    result = subprocess.run(command, stdout=subprocess.PIPE, timeout=LIMIT_S, text=True,
                            check=False)
    if result.returncode:
        fail(f"{' '.join(command)}: status {result.returncode}")
    return result.stdout


def children(pid):
    """The processes that a process has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def wait_until_gone(pids):
    """Processes of ours that have died with their parent."""
    deadline = time.monotonic() + LIMIT_S
    while any(os.path.exists(f"/proc/{pid}/exe") for pid in pids):
        if time.monotonic() > deadline:
            fail("the machine is dead, but what it has started is not")
        time.sleep(0.01)


def wait_for_server(path):
    """Until somebody listens."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
                return
            except OSError:
                time.sleep(0.01)
    fail("qemu-nbd does not listen")


class Test:
    """The program, and the images in a folder."""

    def __init__(self, program, folder, work):
        self.program = program
        self.folder = folder
        self.work = work

    def path(self, name):
        """A file in the folder."""
        return os.path.join(self.work, name)

    def start(self, *options):
        """A guest with a shell."""
        guest = boot.Guest.on_pipes(
            boot.command(self.program, *boot.kernel_options(self.folder, ""),
                         "-nographic", "-no-reboot", *options))
        guest.expect_shell()
        return guest

    def kill_while_writing(self, guest, first):
        """Kills the machine without a warning; returns the last block that was flushed."""
        guest.type(WRITER % first)
        guest.expect(b"flushed-%d." % (first + ROUNDS))
        started = children(guest.process.pid)
        guest.process.send_signal(signal.SIGKILL)
        guest.process.wait(LIMIT_S)
        while guest.read_more(LIMIT_S, b"the end"):
            pass
        wait_until_gone(started)
        told = [word for word in guest.seen.split() if word.startswith(b"flushed-")]
        numbers = [int(word[8:-1]) for word in told if word.endswith(b".")]
        return max([first + ROUNDS, *numbers])

    def check(self, image, first, last):
        """The blocks are in a raw image."""
        with open(image, "rb") as file:
            file.seek(first * BLOCK)
            for number in range(first, last + 1):
                if file.read(BLOCK) != content(number):
                    fail(f"{image}: block {number} was flushed and is not there")
        print(f"disk_test: {image}: blocks {first} to {last} are there")

    def raw(self):
        """Holes, a full host, and a sudden end. Returns the image."""
        image = self.path("disk.img")
        run(self.program, "image", "create", image, f"{DISK_MIB}M")
        guest = self.start("-drive", f"file={image},discard=unmap,aio=threads")
        guest.run(b"dd if=/dev/urandom of=/dev/sda bs=1M seek=32 count=16 conv=fsync")
        before = os.stat(image).st_blocks
        if b"discard-0" not in guest.run(b"blkdiscard -o 33554432 -l 16777216 /dev/sda; "
                                         b"echo discard-$?"):
            guest.fail("the guest cannot discard")
        after = os.stat(image).st_blocks
        if before * 512 < 16 * MIB or after * 512 > 8 * MIB:
            guest.fail(f"discarding 16 MiB leaves {after} of {before} blocks")
        # The host's disk is full: the guest is told, and what fits goes on to fit.
        resource.prlimit(guest.process.pid, resource.RLIMIT_FSIZE,
                         (16 * MIB, resource.RLIM_INFINITY))
        answer = guest.run(b"dd if=/dev/zero of=/dev/sda bs=1M seek=20 count=1 "
                           b"conv=fsync 2>&1; echo status-$?; dmesg | grep -c 'I/O error'")
        if b"status-1" not in answer or b"Input/output error" not in answer:
            guest.fail("a full disk is no error for the guest")
        last = self.kill_while_writing(guest, 0)
        self.check(image, 0, last)
        return image

    def overlay(self, base):
        """The same in an overlay, which is then committed."""
        image = self.path("overlay.qcow2")
        run(self.program, "image", "create", "-b", base, image)
        first = 1000
        with open(base, "rb") as file:
            before = file.read()
        guest = self.start("-hda", image)
        answer = guest.run(b"dd if=/dev/sda bs=4096 skip=3 count=1 2>/dev/null | head -n 1")
        if b"block-3" not in answer:
            guest.fail("the overlay does not show its base")
        last = self.kill_while_writing(guest, first)
        with open(base, "rb") as file:
            if file.read() != before:
                fail("the overlay has not kept its base from changes")
        run("qemu-img", "check", "-q", image)
        if f"backing:   {base}" not in run(self.program, "image", "info", image):
            fail("image info does not tell the base")
        run(self.program, "image", "commit", image)
        self.check(base, first, last)

    def served(self, image):
        """By an NBD server; with -snapshot nothing changes there."""
        path = self.path("socket")
        with subprocess.Popen(["qemu-nbd", "--socket", path, "--format", "raw",
                               "--persistent", "--shared=2", image]) as server:
            try:
                wait_for_server(path)
                address = f"nbd+unix:///?socket={path}"
                guest = self.start("-drive", f"file={address},index=0",
                                   "-drive", f"file={address},index=1,snapshot=on")
                # Linux numbers them as it finds them, which is not always the same.
                guest.run(b"cd /sys/bus/scsi/devices; A=/dev/$(ls 0:0:0:0/block); "
                          b"B=/dev/$(ls 0:0:1:0/block)")
                guest.run(b"yes block-2000 | head -c 4096 | "
                          b"dd of=$A bs=4096 seek=2000 conv=fsync")
                guest.run(b"yes block-4 | head -c 4096 | "
                          b"dd of=$B bs=4096 seek=2001 conv=fsync")
                if b"block-4" not in guest.run(b"dd if=$B bs=4096 skip=2001 count=1 "
                                               b"iflag=direct 2>/dev/null | head -n 1"):
                    guest.fail("the snapshot of a served disk has lost what was written")
                guest.type(b"poweroff -f")
                guest.expect_power_off()
            finally:
                server.terminate()
        self.check(image, 2000, 2000)
        with open(image, "rb") as file:
            file.seek(2001 * BLOCK)
            if file.read(BLOCK) != bytes(BLOCK):
                fail("what a snapshot has written has come to the server")


def main():
    """The images one after the other."""
    program, fetch_guest = sys.argv[1:]
    folder = boot.fetch(fetch_guest, "686")
    with tempfile.TemporaryDirectory(prefix="faumachine-disk-") as work:
        test = Test(program, folder, work)
        image = test.raw()
        if not shutil.which("qemu-nbd") or not shutil.which("qemu-img"):
            print("disk_test: no qemu-utils here: raw images only")
            return
        test.overlay(image)
        test.served(image)


if __name__ == "__main__":
    main()
