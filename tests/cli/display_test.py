#!/usr/bin/env python3
"""What a user sees and touches: the window (under Xvfb), VNC, the text view on a
terminal, screenshots, and what is chosen when nothing is said.

    display_test.py PROGRAM BOOT_SECTOR

The guest is tests/cli/screen_boot.asm, booted by SeaBIOS. Without Xvfb and xdotool the
window is not tested.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness
import png
import rfb

RED, BLUE, BLACK = (0xaa, 0, 0), (0, 0, 0xaa), (0, 0, 0)
GRAPHICS = (640, 400)  # mode 13h: each of its lines and dots is shown twice
VIEWERS = pathlib.Path(harness.PROGRAM).parent


def has_viewer(name):
    """Whether that viewer was built."""
    return os.access(VIEWERS / ("faumachine-" + name), os.X_OK)


def free_port(first):
    """A number N so that port `first` + N is free, and most likely stays so."""
    for number in random.sample(range(1, 20000), 100):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", first + number))
                return number
            except OSError:
                continue
    raise AssertionError("no free port")


class TestCase(harness.TestCase):
    """A machine that boots the sector from a disk."""

    def setUp(self):
        super().setUp()
        self.seen = b""  # on the serial line, and not yet expected

    def start_machine(self, *options, environment=None, **keywords):
        """Starts it; its serial line is on pipes. Waits until it is ready."""
        keywords.setdefault("stdin", subprocess.DEVNULL)
        keywords.setdefault("stdout", subprocess.PIPE)
        keywords.setdefault("stderr", subprocess.PIPE)
        with open(harness.BIOS, "rb") as sector:
            disk = self.make_file("disk.img", 1 << 20, sector.read())
        process = self.start("-m", "16", disk, "-serial", "stdio", *options, bufsize=0,
                             cwd=self.folder.name,
                             env={**os.environ, **(environment or {})}, **keywords)
        self.seen = b""
        self.expect(process, b"READY\n")
        return process

    def expect(self, process, text):
        """Waits for `text` on the serial line; returns what comes up to there."""
        seen = self.seen
        if text not in seen:
            seen += harness.read_until(process.stdout.fileno(), text)
        self.assertIn(text, seen, process.poll())
        found, self.seen = seen.split(text, 1)
        return found + text

    def end(self, process, number=signal.SIGTERM, status=0):
        """Ends it; returns what it has written to standard error."""
        process.send_signal(number)
        self.assertEqual(process.wait(harness.LIMIT_S), status)
        return process.stderr.read().decode()

    def expect_line(self, process, text):
        """Waits for a line on standard error."""
        found = harness.read_until(process.stderr.fileno(), b"\n")
        self.assertIn(text.encode(), found)
        return found.decode()

    def expect_halves(self, picture):
        """The left half is red, the right half blue."""
        self.assertEqual((picture.width, picture.height), GRAPHICS)
        for x, y, color in ((0, 0, RED), (319, 200, RED), (320, 200, BLUE),
                            (639, 399, BLUE)):
            self.assertEqual(picture.pixel(x, y), color, (x, y))


class Screenshots(TestCase):
    """Pictures in files."""

    def test_at_the_end(self):
        """However it ends: by signals, and by the guest."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                process = self.start_machine(
                    "-display", "none", "-screenshot", f"end{number}.png",
                    preexec_fn=lambda number=number: signal.signal(number,
                                                                   signal.SIG_DFL))
                self.assertEqual(self.end(process, number).count("\n"), 1)
                picture = png.Picture(self.path(f"end{number}.png"))
                self.assertEqual((picture.width, picture.height), (720, 400))
        self.assertGreater(len(picture.colors()), 1)

    def test_by_signal(self):
        """SIGUSR1, as often as one likes; the machine goes on."""
        process = self.start_machine("-display", "none")
        for number in (1, 2):
            process.send_signal(signal.SIGUSR1)
            line = self.expect_line(process, "the screenshot is in faumachine-")
            name = line.split(" in ")[1].strip()
            self.assertTrue(name.endswith(f"-{number}.png"), name)
            self.assertEqual(png.Picture(self.path(name)).width, 720)
        self.end(process)

    def test_group_signal(self):
        """A signal to all its processes, as from a shell or timeout(1)."""
        process = self.start_machine("-display", "none", "-screenshot", "end.png",
                                     start_new_session=True)
        os.killpg(process.pid, signal.SIGTERM)
        self.assertEqual(process.wait(harness.LIMIT_S), 0)
        self.assertEqual(png.Picture(self.path("end.png")).width, 720)

    def test_refused_names(self):
        """What is no picture stays as it is."""
        precious = self.make_file("diary.png", content=b"a diary")
        for name, hint in ((precious, "no PNG file"), ("x.jpg", ".png"),
                           ("nowhere/x.png", "nowhere")):
            result = harness.run("-display", "none", "-screenshot", name, precious)
            self.assertEqual(result.returncode, 1)
            self.assertIn(hint, result.stderr.decode())
        with open(precious, "rb") as file:
            self.assertEqual(file.read(), b"a diary")

    def test_writer_dies(self):
        """Without the process that writes them, the machine goes on."""
        process = self.start_machine("-display", "none")
        os.kill(child(process, "faumachine-pict"), signal.SIGKILL)
        time.sleep(0.2)
        process.send_signal(signal.SIGUSR1)
        self.expect_line(process, "has ended")
        self.end(process)


def child(process, name):
    """The companion of that name."""
    limit = time.monotonic() + harness.LIMIT_S
    while time.monotonic() < limit:
        with open(f"/proc/{process.pid}/task/{process.pid}/children",
                  encoding="ascii") as file:
            children = file.read().split()
        for pid in children:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read().strip() == name:
                    return int(pid)
        time.sleep(0.05)
    raise AssertionError(f"there is no {name}")


@unittest.skipUnless(has_viewer("vnc"), "built without libvncserver")
class Vnc(TestCase):
    """A real client of ours at the VNC server."""

    def start_server(self, options=""):
        """The machine with a server, and its port."""
        number = free_port(5900)
        process = self.start_machine("-vnc", f":{number}{options}", "-name", "Tested")
        return process, 5900 + number

    def connect(self, port, *words):
        """A client."""
        client = rfb.Client(port, *words)
        self.addCleanup(client.close)
        return client

    def wait_for(self, client, condition):
        """Takes updates until the picture is as wanted."""
        limit = time.monotonic() + harness.LIMIT_S
        while not condition():
            self.assertLess(time.monotonic(), limit, "the picture does not come")
            client.update()

    def test_picture_and_keys(self):
        """The picture, one that changes its size, keys, the mouse."""
        process, port = self.start_server()
        client = self.connect(port)
        self.assertEqual(client.name, "Tested")
        if harness.is_confined():
            self.assertEqual(harness.companion_filters(process.pid)["faumachine-vnc"], 1)
        self.assertEqual(client.offered, [rfb.NO_PASSWORD])
        client.update(incremental=False)
        self.assertEqual((client.width, client.height), (720, 400))
        self.wait_for(client, lambda: any(client.pixels))
        client.cut_text(b"is ignored")
        client.type("aB/")
        for code in (b"61", b"42", b"2f"):
            self.expect(process, b"k " + code + b"\n")
        client.pointer(100, 100)
        client.pointer(110, 95)
        self.expect(process, b"m 08 0a 05\n")
        client.pointer(110, 95, 1)
        self.expect(process, b"m 09 00 00\n")
        client.pointer(110, 95, 0)
        self.expect(process, b"m 08 00 00\n")
        client.type("g")
        self.wait_for(client, lambda: (client.width, client.height) == GRAPHICS and
                      client.pixel(639, 399) == BLUE)
        self.expect_halves(client)
        client.type("t")
        self.wait_for(client, lambda: client.width == 720)
        self.end(process)

    def test_two_clients(self):
        """Both see it; one that leaves disturbs nobody."""
        process, port = self.start_server()
        clients = [self.connect(port), self.connect(port)]
        clients[0].type("g")
        for client in clients:
            client.update(incremental=False)
            self.wait_for(client, lambda client=client:
                          (client.width, client.height) == GRAPHICS and
                          client.pixel(639, 399) == BLUE)
        clients[0].close()
        clients[1].type("tx")
        self.expect(process, b"k 78\n")
        self.end(process)

    def test_password(self):
        """With one, nobody comes in without it."""
        self.make_file("password", content=b"secret\n")
        process, port = self.start_server(",password=on,password-file=password")
        with self.assertRaises(rfb.Refused):
            rfb.Client(port)
        if rfb.can_encrypt():
            with self.assertRaises(rfb.Refused):
                rfb.Client(port, "wrong")
            self.connect(port, "secret").update(incremental=False)
        self.end(process)

    def test_loopback_only(self):
        """Unless told otherwise, nobody from elsewhere can connect."""
        process, port = self.start_server()
        with open("/proc/net/tcp", encoding="ascii") as table:
            listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
        self.assertIn(f"0100007F:{port:04X}", listening)
        self.assertNotIn(f"00000000:{port:04X}", listening)
        self.end(process)

    def test_server_dies(self):
        """The machine goes on, with one line."""
        process, _ = self.start_server()
        os.kill(child(process, "faumachine-vnc"), signal.SIGKILL)
        self.expect_line(process, "the VNC server has ended; the machine goes on")
        self.assertEqual(self.end(process).count("\n"), 1)

    def test_garbage(self):
        """A client that talks nonsense."""
        process, port = self.start_server()
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"RFB 003.008\n\x01\x01" + bytes(range(256)) * 50)
        self.connect(port).update(incremental=False)
        self.end(process)

    def test_bad_addresses(self):
        """One line each."""
        disk = self.make_file("disk.img", 1 << 20)
        number = free_port(5900)
        empty = self.make_file("empty", content=b"")
        long = self.make_file("long", content=b"123456789")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 5900 + number))
            taken.listen()
            for value, hint in (("1", "DISPLAY"), (":", "DISPLAY"), (":1x", "DISPLAY"),
                                (":70000", "DISPLAY"),
                                ("::1:1", "no address"),
                                (f":{number}", "another display"),
                                (":1,password=on", "password-file"),
                                (":1,password-file=" + empty, "password"),
                                (":1,password-file=" + long, "8 characters"),
                                (":1,lossy", "lossy")):
                result = harness.run("-vnc", value, disk)
                self.assertEqual(result.returncode, 1)
                self.assertIn(hint, result.stderr.decode())
                self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)


class XServer:
    """Xvfb, whose screen is a file."""

    def __init__(self, folder):
        reader, writer = os.pipe()
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1024x768x24", "-fbdir",
             folder, "-nolisten", "tcp"], pass_fds=[writer], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writer)
        self.name = ":" + harness.read_until(reader, b"\n").decode().strip()
        os.close(reader)
        self.file = os.path.join(folder, "Xvfb_screen0")

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(harness.LIMIT_S)

    def do(self, *words):
        """xdotool."""
        return subprocess.run(["xdotool", *words], check=True, stdout=subprocess.PIPE,
                              env={**os.environ, "DISPLAY": self.name}, text=True,
                              timeout=harness.LIMIT_S).stdout.strip()

    def pixel(self, x, y):
        """The color on the screen (XWD version 7, as Xvfb writes it)."""
        with open(self.file, "rb") as file:
            data = file.read()
        words = [int.from_bytes(data[i:i + 4], "big") for i in range(0, 100, 4)]
        at = words[0] + 12 * words[19] + y * words[12] + 4 * x
        order = "little" if words[7] == 0 else "big"
        value = int.from_bytes(data[at:at + 4], order)
        return value >> 16 & 0xff, value >> 8 & 0xff, value & 0xff


@unittest.skipUnless(has_viewer("sdl"), "built without SDL")
@unittest.skipUnless(shutil.which("Xvfb") and shutil.which("xdotool"),
                     "needs Xvfb and xdotool")
class Window(TestCase):
    """The SDL window on an X server without a screen."""

    def setUp(self):
        super().setUp()
        self.server = XServer(self.folder.name)
        self.addCleanup(self.server.stop)
        self.window = None

    def start_window(self, *options):
        """The machine with a window, which has the keyboard."""
        process = self.start_machine("-name", "Tested", *options,
                                     environment={"DISPLAY": self.server.name})
        limit = time.monotonic() + harness.LIMIT_S
        while not self.window:
            self.assertLess(time.monotonic(), limit, "there is no window")
            try:
                self.window = self.server.do("search", "--name", "^Tested")
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        self.server.do("windowfocus", "--sync", self.window)
        return process

    def geometry(self):
        """x, y, width and height of the window."""
        text = self.server.do("getwindowgeometry", "--shell", self.window)
        found = dict(re.findall(r"(\w+)=(\d+)", text))
        return [int(found[name]) for name in ("X", "Y", "WIDTH", "HEIGHT")]

    def wait_for(self, what, condition):
        """Waits until something is as wanted."""
        limit = time.monotonic() + harness.LIMIT_S
        while not condition():
            self.assertLess(time.monotonic(), limit, what)
            time.sleep(0.05)

    def shows_halves(self, left, right):
        """Whether the window is red at `left` and blue at `right` (of its width)."""
        x, y, width, height = self.geometry()
        return (self.server.pixel(x + int(left * width), y + height // 2) == RED and
                self.server.pixel(x + int(right * width), y + height // 2) == BLUE)

    def test_picture_and_keys(self):
        """A window without having asked for it; its picture, size and keys."""
        process = self.start_window()
        self.assertEqual(self.geometry()[2:], [720, 400])
        if harness.is_confined():
            self.assertEqual(harness.companion_filters(process.pid)["faumachine-sdl"], 1)
        self.server.do("key", "a")
        self.expect(process, b"k 61\n")
        self.server.do("key", "shift+b", "ctrl+c", "Escape", "Return")
        for code in (b"42", b"03", b"1b", b"0d"):
            self.expect(process, b"k " + code + b"\n")
        self.server.do("key", "g")
        self.wait_for("no picture", lambda: self.shows_halves(0.05, 0.95))
        self.assertEqual(self.geometry()[2:], list(GRAPHICS))
        self.server.do("windowsize", "--sync", self.window, "960", "600")
        self.wait_for("no scaled picture", lambda: self.shows_halves(0.49, 0.51))
        self.server.do("key", "ctrl+alt+s")
        name = self.expect_line(process, "the screenshot is in").split(" in ")[1]
        self.expect_halves(png.Picture(self.path(name.strip())))
        self.server.do("key", "x")  # no Ctrl or Alt is left behind
        self.expect(process, b"k 78\n")
        self.end(process)

    def test_mouse(self):
        """A click grabs it, Ctrl-Alt-G lets it go."""
        process = self.start_window("-display", "sdl")
        x, y = self.geometry()[:2]
        title = lambda: self.server.do("getwindowname", self.window)
        self.server.do("mousemove", str(x + 100), str(y + 100))
        self.server.do("click", "1")
        self.wait_for("not grabbed", lambda: "Ctrl-Alt-G" in title())
        self.server.do("mousemove_relative", "9", "6")
        found = self.expect(process, b"\n")
        self.assertRegex(found, rb"m [0-9a-f]{2} [0-9a-f]{2} [0-9a-f]{2}\n")
        self.server.do("key", "ctrl+alt+g")
        self.wait_for("still grabbed", lambda: "Ctrl-Alt-G" not in title())
        self.assertEqual(title(), "Tested - running")
        self.end(process)

    def test_window_dies(self):
        """The machine goes on, with one line."""
        process = self.start_window()
        os.kill(child(process, "faumachine-sdl"), signal.SIGKILL)
        self.expect_line(process, "the window has ended; the machine goes on")
        self.end(process)

    def test_idle(self):
        """Nobody pays for a screen on which nothing happens."""
        process = self.start_window()
        self.server.do("key", "g")
        self.wait_for("no picture", lambda: self.shows_halves(0.05, 0.95))
        time.sleep(0.5)
        viewer = child(process, "faumachine-sdl")
        before = ticks(viewer)
        time.sleep(1)
        self.assertLessEqual(ticks(viewer) - before, 4)
        self.end(process)


def ticks(pid):
    """Processor time, in hundredths of a second."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class Choice(TestCase):
    """What happens if nothing is said."""

    def test_without_a_display(self):
        """A line says what there is instead; with -nographic nothing needs saying."""
        process = self.start_machine()
        self.assertIn("neither DISPLAY nor WAYLAND_DISPLAY", self.end(process))
        process = self.start_machine("-nographic")
        self.assertEqual(self.end(process).count("\n"), 1)

    def test_a_display_that_does_not_answer(self):
        """One line, with the remedy."""
        if not has_viewer("sdl"):
            self.skipTest("built without SDL")
        disk = self.make_file("disk.img", 1 << 20)
        result = harness.run(disk, env={**os.environ, "DISPLAY": ":9999"})
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertIn(b"-nographic", result.stderr)

    def test_refusals(self):
        """Bad values."""
        disk = self.make_file("disk.img", 1 << 20)
        for words, hint in ((("-display", "gtk"), "curses"),
                            (("-display", "sdl,gl=on"), "full-screen"),
                            (("-display", "sdl,full-screen=1"), "full-screen"),
                            (("-display", "curses"), "no terminal"),
                            (("-display", "curses", "-nographic"), "leave one out"),
                            (("-vnc", ":1", "-vnc", ":2"), "twice")):
            result = harness.run(*words, disk)
            self.assertEqual(result.returncode, 1, words)
            self.assertIn(hint, result.stderr.decode())
            self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)


class TextView(TestCase):
    """-display curses on a terminal."""

    def test_screen_and_keys(self):
        """The text is there, keys arrive, graphics are announced, Ctrl-A X ends it."""
        terminal = harness.Terminal()
        self.addCleanup(terminal.close)
        with open(harness.BIOS, "rb") as sector:
            disk = self.make_file("disk.img", 1 << 20, sector.read())
        log = self.path("log")
        slave = terminal.slave
        process = self.start("-m", "16", disk, "-display", "curses", "-serial",
                             "file:" + log, stdin=slave, stdout=slave, stderr=slave,
                             preexec_fn=terminal.adopt)
        harness.read_until(terminal.master, b"SCREEN")
        self.wait_for_log(process, log)
        os.write(terminal.master, b"aB\x1b[A\r\x03")
        limit = time.monotonic() + harness.LIMIT_S
        wanted = b"k 61\nk 42\nk 00\nk 0d\nk 03\n"
        while True:
            with open(log, "rb") as file:
                if wanted in file.read():
                    break
            self.assertLess(time.monotonic(), limit, "the keys do not arrive")
            time.sleep(0.05)
        os.write(terminal.master, b"g")
        harness.read_until(terminal.master, b"640x400 graphics")
        os.write(terminal.master, b"\x01x")
        harness.read_until(terminal.master, b"\x1b[?1049l")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)
        self.assertTrue(terminal.is_restored())


if __name__ == "__main__":
    harness.main()
