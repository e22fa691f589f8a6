#!/usr/bin/env python3
"""Machines that are saved to a file and loaded: by monitors and on the command line, and
what becomes of files that are no snapshots, or of another machine.

    snapshot_test.py PROGRAM BIOS
"""

import os
import random
import resource
import select
import time

import harness
import qmp
from harness import BIOS

READY = b"READY"


class Snapshots(harness.TestCase):
    """The guest echoes what it is sent."""

    def options(self, *options):
        """Of a machine with a monitor for programs."""
        return ["-m", "4", "-bios", BIOS, "-display", "none", "-serial", "stdio",
                "-nic", "none", "-qmp",
                f"unix:{self.path('qmp')},server=on,wait=off", *options]

    def start_machine(self, *options):
        """A machine, and its monitor."""
        if os.path.exists(self.path("qmp")):
            os.unlink(self.path("qmp"))
        process = self.start(*self.options(*options), stdin=-1, stdout=-1, stderr=-1,
                             bufsize=0)
        monitor = qmp.Qmp(self.path("qmp"))
        self.addCleanup(monitor.close)
        return process, monitor

    def save(self, *options):
        """The path of a snapshot of a machine that has said READY."""
        process, monitor = self.start_machine(*options)
        harness.read_until(process.stdout.fileno(), READY)
        path = self.path("saved")
        self.assertEqual(monitor.command("migrate", uri="file:" + path), {})
        self.assertEqual(monitor.command("query-migrate"), {"status": "completed"})
        self.assertEqual(monitor.command("query-status")["status"], "paused")
        monitor.command("quit")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)
        return path

    def assert_echoes(self, process, text):
        """It does."""
        os.write(process.stdin.fileno(), text)
        harness.read_until(process.stdout.fileno(), text)

    def assert_loaded(self, process):
        """It echoes from some time on: what is typed before it has been loaded is lost."""
        deadline = time.monotonic() + harness.LIMIT_S
        while not select.select([process.stdout], [], [], 0.1)[0]:
            self.assertLess(time.monotonic(), deadline)
            os.write(process.stdin.fileno(), b".")

    def refuse(self, path, reason, *options):
        """A machine does not start with that, and says why in a line."""
        result = harness.run(*harness.ENGINE, *self.options(*options), "-incoming",
                             "file:" + path)
        error = result.stderr.decode()
        self.assertEqual(result.returncode, 1, error)
        self.assertRegex(error, r"\Afaumachine: [^\n]*" + reason + r"[^\n]*\n\Z")

    def test_goes_on(self):
        """Loaded on the command line, or by a monitor, once or again."""
        path = self.save()
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        process, monitor = self.start_machine("-incoming", "file:" + path)
        self.assert_loaded(process)
        self.assert_echoes(process, b"abc")
        self.assertEqual(monitor.command("migrate-incoming", uri="file:" + path), {})
        self.assert_echoes(process, b"def")
        monitor.command("quit")
        process.wait(harness.LIMIT_S)

    def test_deferred(self):
        """A machine waits until it is told."""
        path = self.save()
        process, monitor = self.start_machine("-incoming", "defer")
        self.assertEqual(monitor.command("query-status")["status"], "prelaunch")
        self.assertIn("error", monitor.try_command("migrate-incoming",
                                                   uri="file:" + BIOS))
        self.assertEqual(monitor.command("query-status")["status"], "prelaunch")
        monitor.command("migrate-incoming", uri="file:" + path)
        self.assertEqual(monitor.command("query-status")["status"], "running")
        self.assert_echoes(process, b"yes")

    def test_saved_machine_continues(self):
        """The one that was saved may go on, and be saved over."""
        process, monitor = self.start_machine()
        harness.read_until(process.stdout.fileno(), READY)
        for text in (b"one", b"tic"):
            monitor.command("migrate", uri="file:" + self.path("saved"))
            monitor.command("cont")
            self.assert_echoes(process, text)
        self.assertEqual(os.listdir(self.folder.name).count("saved"), 1)
        self.assertEqual([name for name in os.listdir(self.folder.name)
                          if name.startswith("saved.")], [])

    def test_another_machine(self):
        """What differs is named."""
        path = self.save()
        self.refuse(path, "memory: 4096 KiB; of this one: memory: 8192 KiB", "-m", "8")
        self.refuse(path, "without device i6300esb, number 1", "-device", "i6300esb")
        disk = self.make_file("disk", 1 << 20)
        self.refuse(path, "without drive hda: 2048 sectors", "-hda", disk)
        os.unlink(path)
        path = self.save("-hda", disk)
        self.refuse(path, "with drive hda: 2048 sectors; this one has none")
        larger = self.make_file("larger", 2 << 20)
        self.refuse(path, "hda: 2048 sectors; of this one: drive hda: 4096", "-hda",
                    larger)

    def test_written_disk(self):
        """What -snapshot kept does not go to an image."""
        disk = self.make_file("disk", 1 << 20)
        path = self.save("-hda", disk, "-snapshot")
        self.refuse(path, "load it with -snapshot", "-hda", disk)
        process, _ = self.start_machine("-hda", disk, "-snapshot", "-incoming",
                                        "file:" + path)
        self.assert_loaded(process)
        self.assert_echoes(process, b"abc")

    def test_no_snapshots(self):
        """Files that are something else, or were one."""
        path = self.save()
        with open(path, "rb") as file:
            good = file.read()
        empty = self.make_file("empty", 0)
        self.refuse(empty, "is not a snapshot")
        self.refuse(BIOS, "is not a snapshot")
        self.refuse(self.path("none"), "cannot open snapshot")
        self.refuse(self.folder.name, "snapshot")
        for length in (39, 40, 1000, len(good) - 1):
            self.refuse(self.make_file("short", content=good[:length]), "snapshot")
        chance = random.Random(1)
        for _ in range(5):
            at = chance.randrange(16, len(good))
            bad = good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1:]
            self.refuse(self.make_file("bad", content=bad), "damaged|truncated")
        version = good[:8] + b"\x02" + good[9:]
        self.refuse(self.make_file("new", content=version), "version 2")

    def test_running_machine_keeps(self):
        """A file that is refused changes nothing."""
        process, monitor = self.start_machine()
        harness.read_until(process.stdout.fileno(), READY)
        for path in (BIOS, self.folder.name, self.path("none")):
            self.assertIn("error", monitor.try_command("migrate-incoming",
                                                       uri="file:" + path))
        for uri in ("tcp:localhost:1", "file:", "exec:cat"):
            self.assertIn("error", monitor.try_command("migrate", uri=uri))
        self.assertIn("error", monitor.try_command(
            "migrate", uri="file:" + self.path("no/folder")))
        self.assertEqual(monitor.command("query-status")["status"], "running")
        self.assert_echoes(process, b"still")

    def test_full_disk(self):
        """What was saved before stays, and the machine goes on."""
        path = self.save()
        with open(path, "rb") as file:
            before = file.read()
        process, monitor = self.start_machine()
        harness.read_until(process.stdout.fileno(), READY)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE,
                         (20000, resource.RLIM_INFINITY))
        answer = monitor.try_command("migrate", uri="file:" + path)
        self.assertRegex(answer["error"]["desc"], "cannot write snapshot")
        self.assertEqual(monitor.command("query-migrate"), {"status": "failed"})
        self.assert_echoes(process, b"on and on")
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual([name for name in os.listdir(self.folder.name)
                          if name.startswith("saved.")], [])

    def test_options(self):
        """What -incoming may be."""
        for value in ("tcp:0:4444", "file:", "saved"):
            result = harness.run("-incoming", value)
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"-incoming " + value.encode(), result.stderr)


if __name__ == "__main__":
    harness.main()
