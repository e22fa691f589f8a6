#!/usr/bin/env python3
"""faumachine image, and images in other formats, by the command line.

    image_test.py PROGRAM BIOS
"""

import os
import shutil
import subprocess
import unittest

import harness

NO_QEMU = "needs qemu-utils"
HAS_QEMU = shutil.which("qemu-img") and shutil.which("qemu-nbd")


def read(path):
    """What a file of /proc says."""
    with open(path, encoding="ascii") as file:
        return file.read()


def servers_of(process):
    """The qemu-nbd among the processes that it has started."""
    children = read(f"/proc/{process}/task/{process}/children").split()
    return [child for child in children if "nbd" in read(f"/proc/{child}/comm")]


class Image(harness.TestCase):
    """Each command, and its mistakes."""

    def image(self, *words, **keywords):
        """The command succeeds; returns what it prints."""
        result = harness.run("image", *words, **keywords)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return result.stdout.decode()

    def refuse(self, *words, hint, **keywords):
        """One line, with the hint, and status 1."""
        result = harness.run("image", *words, **keywords)
        line = result.stderr.decode()
        self.assertEqual(result.returncode, 1, line)
        self.assertEqual(result.stdout, b"")
        self.assertEqual(line.count("\n"), 1, line)
        self.assertTrue(line.startswith("faumachine: "), line)
        self.assertIn(hint, line)

    def test_raw(self):
        """An image of holes, which is not overwritten."""
        path = self.path("disk")
        self.image("create", path, "3M")
        status = os.stat(path)
        self.assertEqual((status.st_size, status.st_blocks), (3 << 20, 0))
        info = self.image("info", path)
        self.assertIn("format:    raw\n", info)
        self.assertIn("size:      3 MiB (3145728 bytes)\n", info)
        self.assertIn("allocated: 0 bytes\n", info)
        self.refuse("create", path, "4M", hint="there already")
        self.assertEqual(os.stat(path).st_size, 3 << 20)
        self.refuse("commit", path, hint="no overlay")

    def test_wrong_words(self):
        """What cannot be meant."""
        path = self.path("disk")
        self.refuse(hint="create, info or commit")
        self.refuse("shrink", path, hint="create, info and commit")
        self.refuse("create", hint="name a file")
        self.refuse("create", path, hint="give its size")
        self.refuse("create", path, "8X", hint="K, M, G or T")
        self.refuse("create", path, "100", hint="multiple of 512")
        self.refuse("create", path, "1M", "more", hint="one word too many")
        self.refuse("create", "-f", "zip", path, "1M", hint="the formats are")
        self.refuse("create", "-x", path, "1M", hint="unknown option")
        self.refuse("create", path, "1M", "-b", hint="needs a value")
        self.refuse("create", "-b", self.path("none"), path, hint="No such file")
        self.refuse("create", self.path("no/folder"), "1M", hint="No such file")
        self.refuse("info", self.path("none"), hint="No such file")
        self.refuse("info", "-f", "raw", path, hint="takes no options")
        self.assertFalse(os.path.exists(path))
        self.assertIn("image commit FILE", self.image("-help"))
        self.assertIn("image commit FILE", self.image("create", "-help"))

    @unittest.skipUnless(HAS_QEMU, NO_QEMU)
    def test_overlay(self):
        """What an overlay has comes to its base, and not before."""
        base, overlay = self.path("base"), self.path("over:lay,1")
        self.make_file("base", size=1 << 20)
        self.image("create", "-b", base, overlay)
        info = self.image("info", overlay)
        self.assertIn("format:    qcow2\n", info)
        self.assertIn("size:      1 MiB", info)
        self.assertIn(f"backing:   {base}\n", info)
        self.refuse("create", "-f", "vdi", "-b", base, self.path("x"), hint="qcow2")
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 4096 512",
                        self.path("./") + "over:lay,1"], check=True, stdout=subprocess.DEVNULL)
        self.image("commit", overlay)
        with open(base, "rb") as file:
            content = file.read()
        self.assertEqual(content, bytes(4096) + b"\x5a" * 512 + bytes((1 << 20) - 4608))
        os.unlink(base)
        self.refuse("commit", overlay, hint="base")

    @unittest.skipUnless(HAS_QEMU, NO_QEMU)
    def test_run(self):
        """A machine with such a disk: what it started ends with it, and nothing stays."""
        overlay = self.path("disk.qcow2")
        self.image("create", "-f", "qcow2", overlay, "8M")
        os.mkdir(self.path("tmp"))
        process = self.start_guest("-display", "none", "-serial", "stdio", "-hda", overlay,
                                   env={**os.environ, "TMPDIR": self.path("tmp")})
        servers = servers_of(process.pid)
        self.assertEqual(len(servers), 1)
        self.assertEqual(os.listdir(self.path("tmp")), [])
        self.refuse("info", overlay, hint="lock")
        process.stdin.write(b"q")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)
        self.assertEqual(process.stderr.read(), b"")
        self.assertFalse(os.path.exists(f"/proc/{servers[0]}"))

    @unittest.skipUnless(HAS_QEMU, NO_QEMU)
    def test_lockstep(self):
        """It forks the machine, which cannot be done with a connection."""
        image = self.path("disk.qcow2")
        self.image("create", "-f", "qcow2", image, "8M")
        result = harness.run("lockstep", "-hda", image)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"only raw images", result.stderr)
        self.assertEqual(result.stderr.count(b"\n"), 1)

    @unittest.skipUnless(HAS_QEMU, NO_QEMU)
    def test_without_qemu(self):
        """The line says what is missing."""
        image = self.path("disk.qcow2")
        self.image("create", "-f", "qcow2", image, "8M")
        nothing = {**os.environ, "PATH": self.path("")}
        self.refuse("info", image, hint="qemu-utils", env=nothing)
        self.refuse("create", "-f", "vdi", self.path("x"), "1M", hint="qemu-utils",
                    env=nothing)


if __name__ == "__main__":
    harness.main()
