#!/usr/bin/env python3
"""The sandbox around a machine that runs: all threads are in it, and consoles work.

    sandbox_test.py PROGRAM BIOS
"""

import os
import socket
import subprocess
import sys

import harness


def status(path):
    """/proc/…/status as a dictionary of words."""
    with open(path, encoding="ascii") as file:
        lines = [line.partition(":") for line in file]
    return {name: rest.strip() for name, _, rest in lines}


class Sandbox(harness.TestCase):
    """-sandbox, with the guest that echoes."""

    def threads(self, process):
        """The status of each thread."""
        tasks = f"/proc/{process.pid}/task"
        return [status(f"{tasks}/{task}/status") for task in os.listdir(tasks)]

    def end(self, process):
        """The guest powers off."""
        process.stdin.write(b"q")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def filters(self, *options):
        """How many filters each thread has got."""
        own = int(status("/proc/self/status")["Seccomp_filters"])
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
    if harness.run("-sandbox", "on", "-version").returncode:
        print("a build with sanitizers has no sandbox: skipped")
        sys.exit(harness.engine.SKIPPED)
    harness.main()
