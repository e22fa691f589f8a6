#!/usr/bin/env python3
"""An installed Debian, as tools/make-debian-image makes it: through the BIOS, GRUB and
its own initial RAM disk to a login prompt. It gets an address by DHCP, fetches a file
over HTTP from a server on the host's loopback, is reached by a forwarded port, mounts a
CD, and keeps on its disk what it was told to keep.

    installed_test.py PROGRAM MAKE_DEBIAN_IMAGE
"""

import hashlib
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import guest as boot
import network_test as network

FILE_BYTES = 20 << 20
IMAGE_LIMIT_S = 3000
LIMIT_S = 60
PROMPT = b"@faumachine:~# "


def make_image(tool):
    """The image, or the end of the test."""
    result = subprocess.run([tool], stdout=subprocess.PIPE, text=True, check=False,
                            timeout=IMAGE_LIMIT_S)
    if result.returncode:
        boot.skip("cannot make the image")
    return result.stdout.strip()


def make_cd(folder, content):
    """An ISO image with one file."""
    (folder / "cd").mkdir()
    (folder / "cd" / "file").write_bytes(content)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-o", folder / "cd.iso",
                    folder / "cd"], check=True)


class Installed:
    """The machine, and what its console is asked."""

    def __init__(self, program, folder, port):
        self.guest = boot.Guest.on_pipes(boot.command(
            program, "-m", "512", "-nographic", "-hda", str(folder / "disk.img"),
            "-cdrom", str(folder / "cd.iso"),
            "-nic", f"user,model=e1000,hostfwd=tcp:127.0.0.1:{port}-:22"))

    def log_in(self):
        """From the login prompt to the shell's."""
        self.guest.expect(b"faumachine login: ", boot.BOOT_LIMIT_S)
        time.sleep(1)  # what comes with the prompt is thrown away, as by any getty
        self.guest.type(b"root")
        self.guest.expect(PROMPT)

    def run(self, command):
        """Its output."""
        self.guest.type(command.encode())
        self.guest.expect(b"\n")
        return self.guest.expect(PROMPT)

    def want(self, command, wanted):
        """It has to print that."""
        if wanted.encode() not in self.run(command):
            self.guest.fail(f"{command}: no {wanted}")


def read_greeting(port):
    """What an SSH server says first."""
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as connection:
        connection.settimeout(LIMIT_S)
        return connection.recv(64)


def first_boot(machine, web_port, ssh_port, content, digest):
    """Network, CD, and files that are to stay."""
    machine.log_in()
    machine.run("for i in $(seq 60); do ip -4 addr | grep -q 10.0.2.15 && break; "
                "sleep 1; done")
    machine.want("ip -4 addr", "10.0.2.15")
    machine.want(f"busybox wget -q -O fetched http://10.0.2.2:{web_port}/file; "
                 "sha256sum fetched", digest)
    if not read_greeting(ssh_port).startswith(b"SSH-2.0-"):
        machine.guest.fail("no SSH server behind the forwarded port")
    machine.want("mount -o ro /dev/sr0 /mnt; sha256sum /mnt/file",
                 hashlib.sha256(content[:1 << 20]).hexdigest())
    machine.run("cp fetched /var/kept; systemctl reboot")


def main():
    """Two boots of a copy."""
    program, tool = sys.argv[1:]
    image = make_image(tool)
    content = random.Random(1).randbytes(FILE_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    with tempfile.TemporaryDirectory(prefix="faumachine-installed-") as name:
        folder = pathlib.Path(name)
        shutil.copyfile(image, folder / "disk.img")
        (folder / "web").mkdir()
        (folder / "web" / "file").write_bytes(content)
        make_cd(folder, content[:1 << 20])
        ssh_port = network.free_port()
        machine = Installed(program, folder, ssh_port)
        first_boot(machine, network.serve(folder / "web"), ssh_port, content, digest)
        machine.log_in()
        machine.want("sha256sum /var/kept", digest)
        machine.guest.type(b"systemctl poweroff")
        machine.guest.expect_power_off()
    print("installed_test: all right")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    os.environ.setdefault("LC_ALL", "C")
    main()
