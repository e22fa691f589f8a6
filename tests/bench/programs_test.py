#!/usr/bin/env python3
"""Checks natively that the benchmarks' program does with disks and networks what the rest
expects of it, and that it notices when something is wrong."""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.extend(str(pathlib.Path(__file__).resolve().parents[level] / folder)
                for level, folder in ((2, "bench"), (1, ".")))
# pylint: disable=wrong-import-position
import devices
import engine
import guest
import machines

LIMIT_S = 60


def places(port):
    """Of all kinds of work that need one and can do without a guest."""
    return dict.fromkeys(guest.NETWORKS, f"{devices.LOOPBACK}:{port}") | \
        dict.fromkeys(guest.IDE, machines.IDE_IMAGE) | \
        dict.fromkeys(guest.VIRTIO_BLK, machines.VIRTIO_IMAGE)


def do(folder, kind, place, expected):
    """One round; the end of the test if it says something else."""
    said = subprocess.run([f"./{guest.PROGRAM}", kind, "0", place], cwd=folder, check=False,
                          stdout=subprocess.PIPE, text=True, timeout=LIMIT_S).stdout
    if expected not in said:
        sys.exit(f"{kind} at {place}: it says {said!r}, without {expected!r}")


def main():
    """All in one folder."""
    with tempfile.TemporaryDirectory() as folder, devices.Server() as server:
        if not guest.compile_program(folder):
            print("no compiler for static i386 programs: skipped")
            sys.exit(engine.SKIPPED)
        devices.make_images(folder)
        if devices.wrong_images(folder) != [machines.IDE_IMAGE, machines.VIRTIO_IMAGE]:
            sys.exit("an image is right before it is written to")
        for kind, place in places(server.port).items():
            do(folder, kind, place, f"bench: end {kind} ")
        if devices.wrong_images(folder):
            sys.exit("an image is wrong after it was written to")
        with open(os.path.join(folder, machines.IDE_IMAGE), "r+b") as file:
            file.write(b"x")
        do(folder, "ide-read", machines.IDE_IMAGE, "differs")
        do(folder, "e1000-receive", "127.0.0.1:1", "differs")
        do(folder, "text-lines", "/dev/null", "differs")


if __name__ == "__main__":
    main()
