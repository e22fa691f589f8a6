#!/usr/bin/env python3
"""The sandbox around a machine that runs: all threads are in it, and consoles work.

    sandbox_test.py PROGRAM BIOS
"""

import os
import socket
import subprocess
import sys

import harness


class Sandbox(harness.TestCase):
    """-sandbox, with the guest that echoes."""

    def threads(self, process):
        """The status of each thread."""
        tasks = f"/proc/{process.pid}/task"
        return [harness.status(f"{tasks}/{task}/status") for task in os.listdir(tasks)]

    def end(self, process):
        """The guest powers off."""
        process.stdin.write(b"q")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def filters(self, *options):
        """How many filters each thread has got."""
        own = int(harness.status("/proc/self/status")["Seccomp_filters"])
        process = self.start_guest("-serial", "stdio", *options)
        threads = self.threads(process)
        self.assertGreaterEqual(len(threads), 3)
        self.assertEqual({thread["NoNewPrivs"] for thread in threads}, {"1"})
        self.assertEqual({int(thread["CapEff"], 16) for thread in threads}, {0})
        self.assertEqual({int(thread["CapPrm"], 16) for thread in threads}, {0})
        self.end(process)
        return {int(thread["Seccomp_filters"]) - own for thread in threads}

    def test_all_threads(self):
        """On is the default; privileges are gone in any case."""
        self.assertEqual(self.filters(), {1})
        self.assertEqual(self.filters("-sandbox", "on"), {1})
        self.assertEqual(self.filters("-sandbox", "off"), {0})

    def companions(self, *options):
        """The processes beside a machine, and how many filters each of them has got."""
        process = self.start_guest("-serial", "stdio", "-nic", "user", "-qmp",
                                   f"unix:{self.path('qmp')},server=on,wait=off",
                                   "-screenshot", self.path("end.png"), *options)
        found = harness.companion_filters(process.pid)
        self.end(process)
        return found

    def test_companions(self):
        """Processes that can do more of one kind have a filter for all else."""
        names = {"faumachine-net", "faumachine-open", "faumachine-pict"}
        options = []
        player = os.path.join(os.path.dirname(harness.PROGRAM), "faumachine-audio")
        if os.path.exists(player):
            names.add("faumachine-audi")
            options = ["-audiodev", "sdl,id=a", "-machine", "pcspk-audiodev=a"]
            os.environ["SDL_AUDIODRIVER"] = "dummy"
        self.assertEqual(self.companions(*options), dict.fromkeys(names, 1))
        self.assertEqual(self.companions(*options, "-sandbox", "off"),
                         dict.fromkeys(names, 0))

    def test_bad_value(self):
        """It is on or off."""
        result = harness.run("-sandbox", "maybe", "x")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"on or off", result.stderr)

    def test_clients_come_and_go(self):
        """A socket takes new clients; its name stays, and the next server takes it."""
        path = self.path("socket")
        for _ in range(2):
            process = self.start("-m", "4", "-bios", harness.BIOS, "-display", "none",
                                 "-serial", f"unix:{path},server",
                                 stderr=subprocess.PIPE)
            self.wait_for_socket(process, path)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                harness.read_until(client.fileno(), b"READY")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"1")
                harness.read_until(client.fileno(), b"1")
                client.sendall(b"q")
                self.assertEqual(process.wait(harness.LIMIT_S), 0)
            self.assertTrue(os.path.exists(path))

    def wait_for_socket(self, process, path):
        """Until the program listens there."""
        for line in process.stderr:
            if b"waiting for a connection" in line and path.encode() in line:
                return
        self.fail("the program does not listen")

    def test_snapshot_and_logs(self):
        """Files that are written while the machine runs."""
        disk = self.make_file("disk", size=256 << 20)
        process = self.start_guest("-serial", "stdio", "-hda", disk, "-snapshot",
                                   "-stats", "-d", "int,mmu,guest_errors",
                                   "-D", self.path("log"))
        process.stdin.write(b"w")
        harness.read_until(process.stdout.fileno(), b"OK")
        self.end(process)
        self.assertIn(b"instructions retired", process.stderr.read())


if __name__ == "__main__":
    if not harness.is_confined():
        print("a build with sanitizers has no sandbox: skipped")
        sys.exit(harness.engine.SKIPPED)
    harness.main()
