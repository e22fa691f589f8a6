#!/usr/bin/env python3
"""Debian's network installer in a window: its first screens, and the keys that are typed
into that window. The list of languages is compared with the picture in docs/pictures.

    installer_test.py PROGRAM FETCH_PACKAGE
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.extend(str(HERE.parent / folder) for folder in ("cli", "display"))
# pylint: disable=wrong-import-position
import guest as boot
import modes_test
import png
import qmp

PACKAGE = "debian-installer-12-netboot-i386"
FOLDER = "usr/lib/debian-installer/images/12/i386/text/debian-installer/i386"
TITLE = "Installer"
# What is selected is on red; the selected language is a line of 45 letters.
RED, RED_LEAST = bytes((0xaa, 0, 0)), 1000
# From "English" to "German", and on.
KEYS = ("g", "Down", "Down", "Return")


def fail(text):
    """Ends the test."""
    sys.exit(f"installer_test: {text}")


class Screen:
    """A machine's picture, through its monitor."""

    def __init__(self, command, folder, **keywords):
        self.picture_path = os.path.join(folder, "picture.ppm")
        path = os.path.join(folder, "qmp")
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([*command, "-qmp", qmp.server(path)],
                                        stdin=subprocess.DEVNULL, **keywords)
        self.monitor = qmp.Qmp(path)

    def picture(self):
        """Width, height and bytes."""
        self.monitor.command("screendump", filename=self.picture_path)
        return modes_test.read_ppm(pathlib.Path(self.picture_path))

    def end(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()


def wait_for_selection(machine, before=None):
    """Until something is selected, the picture is not `before`, and it stays."""
    deadline = time.monotonic() + boot.BOOT_LIMIT_S
    while time.monotonic() < deadline:
        picture = machine.picture()
        if picture[2].count(RED) >= RED_LEAST and picture != before:
            time.sleep(1)
            if machine.picture() == picture:
                return picture
        time.sleep(0.5)
    return fail("nothing is selected on the screen")


def compare(picture, path):
    """With one that was taken before."""
    expected = png.Picture(path)
    if picture != (expected.width, expected.height, b"".join(expected.lines)):
        fail(f"the screen is not as in {path}")


def start_x_server(folder):
    """Xvfb; returns the process and the name of its display."""
    reader, writer = os.pipe()
    # pylint: disable=consider-using-with
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x1024x24", "-fbdir",
         folder, "-nolisten", "tcp"], pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    with os.fdopen(reader) as name:
        return server, ":" + name.readline().strip()


def do(display, *words):
    """xdotool."""
    return subprocess.run(["xdotool", *words], check=True, stdout=subprocess.PIPE,
                          env={**os.environ, "DISPLAY": display}, text=True).stdout.strip()


def press(display, keys):
    """Into the window."""
    window = do(display, "search", "--name", "^" + TITLE)
    do(display, "windowfocus", "--sync", window)
    for key in keys:
        do(display, "key", key)
        time.sleep(0.5)


def check(program, files, work):
    """From the list of languages to the countries where German is spoken."""
    options = ["-m", "512", "-name", TITLE, "-kernel", f"{files}/linux",
               "-initrd", f"{files}/initrd.gz", "-append", "vga=788"]
    server, display = start_x_server(work)
    machine = None
    try:
        machine = Screen(boot.command(program, *options), work,
                         env={**os.environ, "DISPLAY": display})
        languages = wait_for_selection(machine)
        compare(languages, HERE.parents[1] / "docs/pictures/installer.png")
        press(display, KEYS)
        wait_for_selection(machine, languages)
    finally:
        if machine:
            machine.end()
        server.terminate()
        server.wait()


def main():
    """Where there is a display to have."""
    program, fetch_package = sys.argv[1:]
    viewer = os.path.join(os.path.dirname(os.path.abspath(program)), "faumachine-sdl")
    if not all(shutil.which(tool) for tool in ("Xvfb", "xdotool")):
        boot.skip("no Xvfb and xdotool")
    if not os.path.exists(viewer):
        boot.skip("built without SDL")
    files = os.path.join(boot.fetch(fetch_package, PACKAGE), FOLDER)
    with tempfile.TemporaryDirectory(prefix="faumachine-installer-") as work:
        check(program, files, work)
    print("installer_test: the installer takes a language, and asks for more")


if __name__ == "__main__":
    main()
