"""Measures what devices do: disks, network cards, the console on a screen, a guest that
rests. Around the guest this needs images, a server, and somebody who looks at the
screen."""

import os
import socket
import socketserver
import struct
import sys
import threading
import time

import console
import engines
import figures
import guest
import machines

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "tests", "cli"))
# pylint: disable=wrong-import-position
import rfb

TURNS = 2
LIMIT_S, NATIVE_LIMIT_S = 400, 60
# Ours that are measured: what users get, and the other with a chance to be faster.
ENGINES = (engines.JIT, engines.AUTO)
# As guests see the host's loopback.
GATEWAY, LOOPBACK = "10.0.2.2", "127.0.0.1"

# See bench/programs/blocks.h and those who use it. An image is read in its first half and
# written in the second; a connection transfers as much as a half.
BLOCK_BYTES, HALF_BLOCKS = 4096, 4096
FILLING = b"\x5a"
RECEIVE, SEND, RIGHT, WRONG = b"r", b"s", b"y", b"n"

FIRST_VNC_PORT, LAST_VNC_PORT = 5950, 5999
RETRY_S = 0.05


def blocks(first, count):
    return b"".join(struct.pack("<I", number).ljust(BLOCK_BYTES, FILLING)
                    for number in range(first, first + count))


HALF = blocks(0, HALF_BLOCKS)


def make_images(folder):
    for name in (machines.IDE_IMAGE, machines.VIRTIO_IMAGE):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(HALF)
            file.truncate(2 * len(HALF))


def wrong_images(folder):
    """Names of those that are not as they should be after all kinds of work."""
    expected = HALF + blocks(HALF_BLOCKS, HALF_BLOCKS)
    wrong = []
    for name in (machines.IDE_IMAGE, machines.VIRTIO_IMAGE):
        with open(os.path.join(folder, name), "rb") as file:
            if file.read() != expected:
                wrong.append(name)
    return wrong


class Server(socketserver.ThreadingTCPServer):
    """What the guests' network cards lead to; a byte tells it what to do. It serves while
    it is a context, at `port` of the loopback."""

    daemon_threads = True

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            request = self.request.recv(1)
            if request == RECEIVE:
                self.request.sendall(HALF)
            elif request == SEND:
                self.request.sendall(RIGHT if self._takes_all() else WRONG)

        def _takes_all(self):
            taken = bytearray(len(HALF))
            free = memoryview(taken)
            while free:
                count = self.request.recv_into(free)
                if not count:
                    break
                free = free[count:]
            return taken == HALF

    def __init__(self):
        super().__init__((LOOPBACK, 0), self.Handler)
        self.port = self.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *arguments):
        self.shutdown()
        super().__exit__(*arguments)

    def handle_error(self, request, client_address):
        """A guest that has ended in the middle; that shows elsewhere."""


class Viewer:
    """Looks at the screen of a machine, by VNC, all the time while it is a context. It
    comes as soon as there is a server at `display`, an option of both machines."""

    def __init__(self):
        self._port = free_port(FIRST_VNC_PORT, LAST_VNC_PORT)
        self.display = f"vnc={LOOPBACK}:{self._port - 5900}"
        self._updates = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join(NATIVE_LIMIT_S)

    def _look(self):
        while not self._done.is_set():
            try:
                client = rfb.Client(self._port, host=LOOPBACK, limit_s=LIMIT_S)
            except OSError:
                time.sleep(RETRY_S)
                continue
            self._follow(client)

    def _follow(self, client):
        """Until the machine ends."""
        try:
            while True:
                client.update()
                self._updates.append(time.monotonic())
        except (OSError, EOFError):
            client.close()

    def updates(self, begin, end):
        """How many came between two times."""
        return sum(begin <= when < end for when in self._updates)


def free_port(first, last):
    for port in range(first, last + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
                return port
            except OSError:
                continue
    sys.exit(f"bench: no free port from {first} to {last}")


class DeviceBench:
    """`booting`: machines of which it takes those that are to be compared; `results`: the
    figures that it adds to; `say`: takes lines about the progress."""

    def __init__(self, booting, native, results, say, folder):
        self._machines = [machine for machine in booting if is_measured(machine)]
        self._native, self._figures = native, results
        self._say, self._folder = say, folder

    def measure(self, turns):
        for turn in range(turns):
            which = f"{turn + 1} of {turns}"
            with Server() as server:
                self._run_natively(server.port, which)
                for machine in self._machines:
                    self._use_devices(machine, turn, server.port, which)
            for machine in self._machines:
                self._print_watched(machine, turn, which)

    def _run_natively(self, port, which):
        make_images(self._folder)
        places = {kind: machines.IDE_IMAGE for kind in guest.IDE} | \
            {kind: machines.VIRTIO_IMAGE for kind in guest.VIRTIO_BLK} | \
            dict.fromkeys(guest.NETWORKS, f"{LOOPBACK}:{port}")
        runs = [self._native.run(self._folder, kind, NATIVE_LIMIT_S, place)
                for kind, place in places.items()]
        said = self._figures.add_work(self._native.name, runs, places)
        self._say(f"{which}: {self._native.name}, devices: {said}")

    def _use_devices(self, machine, turn, port, which):
        make_images(self._folder)
        kinds = kinds_of(machine, turn, guest.DEVICES)
        command = machine.device_command(kinds, f"{GATEWAY}:{port}")
        run = console.run(command, self._folder, figures.DONE_MARK, LIMIT_S)
        self._add(machine, "devices", run, kinds, which)
        for name in wrong_images(self._folder):
            self._figures.failures.append(f"{machine.name}: {name} has something else in it"
                                          " than what the guest wrote")

    def _print_watched(self, machine, turn, which):
        kinds = kinds_of(machine, turn, guest.WATCHED)
        with Viewer() as viewer:
            command = machine.device_command(kinds, "", viewer.display)
            run = console.run(command, self._folder, figures.DONE_MARK, LIMIT_S)
        self._add(machine, "watched", run, kinds, which)
        self._figures.add_updates(machine.name, run, viewer.updates)

    def _add(self, machine, how, run, kinds, which):
        said = self._figures.add_boot(machine.name, how, run, kinds)
        self._say(f"{which}: {machine.name}, {how}: {said}")

    def commands(self):
        """As they were in the first turn."""
        return [command for machine in self._machines for command in (
            machine.device_command(kinds_of(machine, 0, guest.DEVICES), f"{GATEWAY}:PORT"),
            machine.device_command(kinds_of(machine, 0, guest.WATCHED), "",
                                   f"vnc={LOOPBACK}:DISPLAY"))]


def is_measured(machine):
    engine = machine.engine
    return not engine or (engine.name in ENGINES and not engine.clock
                          and not engine.backend)


def kinds_of(machine, turn, kinds):
    """Those that a machine does in a turn. Rest takes so long that it is done once, and by
    one engine of ours."""
    rests = turn == 0 and (not machine.engine or machine.engine.name == engines.AUTO)
    return [kind for kind in kinds if rests or kind not in guest.RESTING]
