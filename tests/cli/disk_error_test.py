#!/usr/bin/env python3
"""What becomes of a machine whose disk image the host cannot read or write: -drive
werror= and rerror=.

    disk_error_test.py PROGRAM DISK

DISK is tests/cli/disk_boot.asm.
"""

import os
import resource
import signal
import subprocess
import unittest

import harness
import qmp

# The guest's disk, and where it writes.
SIZE, PLACE, LENGTH = 2 << 20, 1 << 20, 8 * 512
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
# A program in a mount namespace of its own, with its folder on a small file system.
SMALL_FILE_SYSTEM = ("mount -t tmpfs -o size=128k small \"$1\" && "
                     "cp --sparse=always \"$2\" \"$1/disk\" && shift 2 && exec \"$@\"")
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
             SMALL_FILE_SYSTEM, "sh"]


class DiskErrors(harness.TestCase):
    """Writes and reads that fail."""

    def image(self):
        """The path of the guest's disk."""
        with open(harness.BIOS, "rb") as disk:
            return self.make_file("disk", SIZE, disk.read())

    def connect(self, process):
        """Waits for the guest; returns a client of its monitor."""
        harness.read_until(process.stdout.fileno(), b"READY\n")
        client = qmp.Qmp(self.path("qmp"))
        self.addCleanup(client.close)
        return client

    def boot(self, drive, *options):
        """Boots from the disk; returns the process and a client."""
        process = self.start("-m", "16", "-drive", f"file={self.image()},{drive}",
                             "-serial", "stdio", "-display", "none", "-nic", "none",
                             "-qmp", qmp.server(self.path("qmp")), *options, bufsize=0,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        return process, self.connect(process)

    def limit(self, process, limits=(PLACE, resource.RLIM_INFINITY)):
        """The host lets no file grow, or be written, beyond where the guest writes."""
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)

    def ask(self, process, command, answer):
        """The guest does something, and says so."""
        process.stdin.write(command)
        self.expect(process, answer)

    def expect(self, process, answer):
        """The guest says so."""
        self.assertEqual(harness.read_until(process.stdout.fileno(), answer), answer)

    def expect_error(self, client, **expected):
        """The event of an error."""
        data = client.wait_event("BLOCK_IO_ERROR")["data"]
        self.assertEqual({key: data[key] for key in expected}, expected)

    def status_of_disk(self, client):
        """What query-block says."""
        return client.command("query-block")[0]["io-status"]

    def stops(self, drive, device, *options):
        """The machine waits for the host, and the guest does not notice."""
        process, client = self.boot(f"{drive},werror=stop,rerror=stop", *options)
        self.limit(process)
        process.stdin.write(b"w")
        self.expect_error(client, device=device, operation="write", action="stop",
                          nospace=False, reason="File too large")
        client.wait_event("STOP")
        self.assertEqual(client.command("query-status"),
                         {"status": "io-error", "singlestep": False, "running": False})
        self.assertEqual(self.status_of_disk(client), "failed")
        self.assertIn("I/O status:       failed", client.human("info block"))
        self.assertIn(f"disk {device}: cannot write".encode(),
                      harness.read_until(process.stderr.fileno(), b"\n"))
        # Nothing has changed: it fails again.
        client.command("cont")
        self.expect_error(client, device=device, operation="write", action="stop")
        client.wait_event("STOP")
        self.limit(process, UNLIMITED)
        client.command("cont")
        self.expect(process, b"+")
        self.assertEqual(self.status_of_disk(client), "ok")
        with open(self.path("disk"), "rb") as disk:
            disk.seek(PLACE)
            self.assertEqual(disk.read(LENGTH + 1), b"W" * LENGTH + b"\0")
        os.truncate(self.path("disk"), PLACE)
        process.stdin.write(b"r")
        self.expect_error(client, device=device, operation="read", action="stop",
                          nospace=False)
        client.wait_event("STOP")
        os.truncate(self.path("disk"), SIZE)
        client.command("cont")
        self.expect(process, b"+\0")
        return process, client

    def test_ide(self):
        """An ATA disk; and a reset of a machine that waits."""
        process, client = self.stops("if=ide", "ide0-hd0")
        self.limit(process)
        process.stdin.write(b"w")
        client.wait_event("BLOCK_IO_ERROR")
        client.wait_event("STOP")
        client.command("system_reset")
        self.assertEqual(client.command("query-status")["status"], "prelaunch")
        self.assertEqual(self.status_of_disk(client), "ok")
        client.command("cont")
        harness.read_until(process.stdout.fileno(), b"READY\n")
        self.limit(process, UNLIMITED)
        self.ask(process, b"w", b"+")
        self.ask(process, b"r", b"+W")

    def test_virtio(self):
        """A virtio disk; and the end of a machine that waits."""
        process, client = self.stops("if=virtio", "virtio0")
        self.limit(process)
        process.stdin.write(b"w")
        client.wait_event("STOP")
        client.command("quit")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_counted_clock(self):
        """Instructions are the clock: requests fail within their submission."""
        self.stops("if=ide", "ide0-hd0", "-clock", "counted")

    def test_ignores(self):
        """What is ignored is lost: the guest believes that it has been done."""
        process, client = self.boot("if=virtio,werror=ignore,rerror=ignore")
        self.limit(process)
        self.ask(process, b"w", b"+")
        self.expect_error(client, operation="write", action="ignore")
        os.truncate(self.path("disk"), PLACE)
        self.ask(process, b"r", b"+\0")
        self.expect_error(client, operation="read", action="ignore")

    def test_reports(self):
        """By default the guest is told of what no room would help."""
        process, client = self.boot("if=virtio")
        self.limit(process)
        self.ask(process, b"w", b"-")
        self.expect_error(client, operation="write", action="report")
        self.limit(process, UNLIMITED)
        self.ask(process, b"w", b"+")

    def end_all(self, process):
        """The shell, and what it has started."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(harness.LIMIT_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()

    def test_full_file_system(self):
        """By default a machine without room for its disk waits."""
        room = self.path("room")
        os.mkdir(room)
        command = [*NAMESPACE, room, self.image()]
        if subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
            self.skipTest("no user namespaces here")
        filler = f"{room}/filler"
        # pylint: disable=consider-using-with
        process = subprocess.Popen(
            [*command, "sh", "-c", "dd if=/dev/zero of=\"$0\" bs=4k 2>/dev/null; \"$@\" & "
             "machine=$!; read -r line; rm \"$0\"; echo gone; wait $machine", filler,
             harness.PROGRAM, *harness.ENGINE, "-m", "16", "-hda", f"{room}/disk",
             "-serial", f"unix:{self.path('serial')},server=on,wait=off",
             "-display", "none", "-nic", "none", "-qmp", qmp.server(self.path("qmp"))],
            bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(self.end_all, process)
        client = qmp.Qmp(self.path("qmp"))
        line = qmp.Socket(self.path("serial"))
        self.addCleanup(line.close)
        self.addCleanup(client.close)
        line.read_until(b"READY\n")
        line.send(b"w")
        self.expect_error(client, action="stop", nospace=True,
                          reason="No space left on device")
        client.wait_event("STOP")
        self.assertEqual(self.status_of_disk(client), "nospace")
        self.assertIn(b"make room", harness.read_until(process.stderr.fileno(), b"\n"))
        process.stdin.write(b"\n")
        self.expect(process, b"gone\n")
        client.command("cont")
        self.assertEqual(line.read_until(rb"[-+]"), b"+")
        line.send(b"r")
        line.read_until(rb"\+W")
        client.command("quit")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)


if __name__ == "__main__":
    harness.main()
