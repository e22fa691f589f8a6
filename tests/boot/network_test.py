#!/usr/bin/env python3
"""A guest in a network of its own: it gets an address by DHCP, fetches a file over HTTP
from a server on the host's loopback, and is reached by a forwarded port. With virtio's
card, its other devices are looked at, too.

    network_test.py PROGRAM FETCH_GUEST MODEL MODULE,… [BYTES]

What went over the cable is captured, and the file read back. With BYTES, only so much is
fetched, and how fast that was is printed.
"""

import functools
import hashlib
import http.server
import os
import random
import socket
import struct
import sys
import tempfile
import threading
import time
import urllib.request

import guest as boot

FILE_BYTES = 3 << 20
DISK_BYTES = 4 << 20
LIMIT_S = 60
PCAP_HEADER = struct.Struct("<IHHIIII")
PCAP_FRAME = struct.Struct("<IIII")
ADDRESS = bytes.fromhex("525400123456")


def serve(folder):
    """An HTTP server for that folder on a free port of the loopback."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        """One that says nothing."""
        def log_message(self, format, *arguments):  # pylint: disable=redefined-builtin
            pass
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def free_port():
    """A port of the loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configure(guest, modules):
    """The card's driver, and an address."""
    guest.expect_shell()
    for module in ["af_packet", *modules.split(",")]:
        guest.run(b"modprobe " + module.encode())
    if b"10.0.2.15" not in guest.run(b"udhcpc -i eth0 -n -q -t 20 -T 1"):
        guest.fail("no address by DHCP")


def fetch_file(guest, port, expected):
    """The guest gets the same bytes."""
    begin = time.monotonic()
    found = guest.run(f"wget -q -O - http://10.0.2.2:{port}/file | sha256sum".encode())
    if expected.encode() not in found:
        guest.fail("the file is not what it was")
    return time.monotonic() - begin


def reach(guest, port):
    """A file of the guest comes out of it."""
    guest.run(b"mkdir -p /tmp/web && seq 1 20000 > /tmp/web/numbers")
    guest.run(b"httpd -p 80 -h /tmp/web")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/numbers",
                                timeout=LIMIT_S) as answer:
        if answer.read().decode() != "".join(f"{i}\n" for i in range(1, 20001)):
            guest.fail("something else came out of the forwarded port")


def check_virtio(guest, path):
    """The guest's drivers of virtio's other devices are content with them."""
    for module in b"virtio_rng", b"virtio_input", b"evdev", b"virtio_blk":
        guest.run(b"modprobe " + module)
    first, second = (guest.run(b"dd if=/dev/hwrng bs=64 count=1 2>/dev/null | sha256sum")
                     for _ in range(2))
    if b"-" not in first or first == second:
        guest.fail("the entropy device gives nothing, or the same twice")
    inputs = guest.run(b"cat /proc/bus/input/devices")
    tablet = inputs.partition(b"FAUmachine tablet")[2]
    if b"FAUmachine keyboard" not in inputs or b"ABS=3" not in tablet:
        guest.fail("keyboard and tablet are not there")
    guest.run(b"seq 1 100000 | dd of=/dev/vda bs=4k conv=fsync 2>/dev/null")
    with open(path, "rb") as file:
        if not file.read().startswith(b"".join(b"%d\n" % i for i in range(1, 100001))):
            guest.fail("the disk's image has something else in it")
    with open(path, "rb") as file:
        expected = hashlib.sha256(file.read()).hexdigest()
    if expected.encode() not in guest.run(b"sha256sum /dev/vda"):
        guest.fail("the guest reads something else from its disk")


def read_capture(path):
    """The frames in a capture."""
    with open(path, "rb") as file:
        data = file.read()
    magic, major, minor, _, _, most, link = PCAP_HEADER.unpack_from(data)
    if (magic, major, minor, most, link) != (0xa1b2c3d4, 2, 4, 65536, 1):
        sys.exit("the capture's header is wrong")
    frames, at, before = [], PCAP_HEADER.size, 0
    while at < len(data):
        seconds, microseconds, kept, length = PCAP_FRAME.unpack_from(data, at)
        now = seconds + microseconds / 1e6
        if kept != length or now < before or abs(now - time.time()) > 3600:
            sys.exit("a record of the capture makes no sense")
        at += PCAP_FRAME.size
        frames.append(data[at:at + kept])
        at += kept
        before = now
    if at != len(data):
        sys.exit("the capture ends in the middle of a frame")
    return frames


def check_capture(path):
    """DHCP in both directions, and TCP of both connections."""
    frames = read_capture(path)
    udp = [frame for frame in frames if frame[12:14] == b"\x08\0" and frame[23] == 17]
    ports = {frame[34:38] for frame in udp}
    if not {struct.pack(">HH", 68, 67), struct.pack(">HH", 67, 68)} <= ports:
        sys.exit("there is no DHCP in the capture")
    sent = sum(len(frame) for frame in frames if frame[6:12] == ADDRESS)
    received = sum(len(frame) for frame in frames if frame[:6] == ADDRESS)
    if received < FILE_BYTES or sent < 100000:
        sys.exit(f"only {received} bytes received and {sent} sent in the capture")
    print(f"network_test: {len(frames)} frames captured")


def main():
    """One guest."""
    program, fetch_guest, model, modules, *rest = sys.argv[1:]
    size = int(rest[0]) if rest else FILE_BYTES
    folder = boot.fetch(fetch_guest, "686")
    with tempfile.TemporaryDirectory(prefix="faumachine-network-") as work:
        content = random.Random(1).randbytes(size)
        with open(os.path.join(work, "file"), "wb") as file:
            file.write(content)
        capture, disk = os.path.join(work, "capture"), os.path.join(work, "disk")
        port = free_port()
        options = ["-netdev", f"user,id=net,hostfwd=tcp::{port}-:80",
                   "-device", f"{model},netdev=net,mac=52:54:00:12:34:56"]
        if model.startswith("virtio"):
            for device in "rng", "keyboard", "tablet":
                options += ["-device", f"virtio-{device}-pci"]
            with open(disk, "wb") as file:
                file.truncate(DISK_BYTES)
            options += ["-hdb", disk, "-device", "virtio-blk-pci,drive=hdb"]
        if not rest:
            options += ["-object", f"filter-dump,id=dump,netdev=net,file={capture}"]
        guest = boot.Guest.on_pipes(
            boot.command(program, *boot.kernel_options(folder, "quiet"), "-nographic",
                         "-no-reboot", *options))
        configure(guest, modules)
        duration = fetch_file(guest, serve(work), hashlib.sha256(content).hexdigest())
        if rest:
            print(f"network_test: {size / duration / 1e6:.1f} MB/s")
        else:
            reach(guest, port)
            if model.startswith("virtio"):
                check_virtio(guest, disk)
        guest.type(b"exit")
        guest.expect_power_off()
        if not rest:
            check_capture(capture)


if __name__ == "__main__":
    main()
