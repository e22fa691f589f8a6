#!/usr/bin/env python3
"""A guest is saved while it writes to its disks, and goes on from that under each engine,
as often as one likes: what it has written and flushed is there, and it goes on writing.

    saved_test.py PROGRAM FETCH_GUEST ENGINE…

The first engine saves, all others load, with the host's clock. The images are written to
under -snapshot, so that the snapshot has what was written.
"""

import os
import sys
import tempfile

import guest as boot

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
# pylint: disable=wrong-import-position
import qmp

DISK_MIB = 16
ROUNDS = 8
WRITER = (b"i=0; while :; do yes block-$i | head -c 65536 > /tmp/block; "
          b"dd if=/tmp/block of=/dev/sda bs=65536 seek=$((i%200)) conv=fsync "
          b"2>/dev/null && dd if=/dev/sda bs=65536 skip=$((i%200)) count=1 2>/dev/null | "
          b"cmp - /tmp/block && echo written-$i.; i=$((i+1)); done")


class Test:
    """The program, the guest's folder, and one for what is made."""

    def __init__(self, program, folder, work):
        self.program = program
        self.folder = folder
        self.image = os.path.join(work, "disk")
        self.saved = os.path.join(work, "saved")
        self.monitor = os.path.join(work, "qmp")
        with open(self.image, "wb") as file:
            file.truncate(DISK_MIB << 20)

    def start(self, engine, *options):
        """The machine."""
        if os.path.exists(self.monitor):
            os.unlink(self.monitor)
        return boot.Guest.on_pipes(
            [self.program, *boot.kernel_options(self.folder, "", "96"), "-engine", engine,
             "-nographic", "-no-reboot", "-snapshot", "-hda", self.image,
             "-qmp", qmp.server(self.monitor), *options])

    def end(self, guest, client):
        """Of the machine, not of the guest."""
        client.command("quit")
        client.close()
        while guest.read_more(boot.COMMAND_LIMIT_S, b"the end"):
            pass
        guest.expect_end()
        with open(self.image, "rb") as file:
            if file.read().strip(b"\0"):
                guest.fail("the image was written to")

    def save(self, engine):
        """In the middle of it all."""
        guest = self.start(engine)
        guest.expect_shell()
        guest.type(WRITER)
        guest.expect(b"written-%d." % ROUNDS)
        client = qmp.Qmp(self.monitor)
        client.command("migrate", uri="file:" + self.saved)
        self.end(guest, client)

    def go_on(self, engine):
        """And see that all is there."""
        guest = self.start(engine, "-incoming", "file:" + self.saved)
        client = qmp.Qmp(self.monitor)
        for number in range(2 * ROUNDS, 3 * ROUNDS):
            guest.expect(b"written-%d." % number)
        os.write(guest.writer, b"\x03")
        guest.expect(boot.PROMPT)
        found = guest.run(b"dd if=/dev/sda bs=65536 skip=%d count=1 2>/dev/null | head -n 1"
                          % (ROUNDS // 2))
        if b"block-%d" % (ROUNDS // 2) not in found:
            guest.fail("what was written before is not there")
        complaints = guest.run(b"dmesg | grep -c -i -E 'error|timeout|stall'")
        if complaints.split()[:1] != [b"0"]:
            guest.fail("the guest's kernel complains")
        self.end(guest, client)


def main():
    """Saves once, loads under each engine."""
    program, fetch_guest, *engines = sys.argv[1:]
    folder = boot.fetch(fetch_guest, "686")
    with tempfile.TemporaryDirectory(prefix="faumachine-saved-") as work:
        test = Test(program, folder, work)
        test.save(engines[0])
        print(f"\n{os.path.getsize(test.saved)} bytes")
        for engine in engines[1:]:
            test.go_on(engine)


if __name__ == "__main__":
    main()
