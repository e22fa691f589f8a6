"""What the tests of the command line share: starting the program, with a terminal or
without, and a time limit on everything.

The guest is tests/cli/echo_bios.asm: it says READY and echoes what it is sent.
"""

import fcntl
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine

LIMIT_S = 30
PROGRAM = os.path.abspath(sys.argv[1])
BIOS = os.path.abspath(sys.argv[2])
ENGINE = engine.options(PROGRAM)
# Who started the test may ignore them (nohup, a shell's background); the programs under
# test shall not.
for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(ignored) == signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)


def run(*options, **keywords):
    """Runs the program to its end; returns the completed process."""
    keywords.setdefault("stdin", subprocess.DEVNULL)
    keywords.setdefault("stdout", subprocess.PIPE)
    keywords.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([PROGRAM, *options], timeout=LIMIT_S, check=False, **keywords)


def is_confined():
    """Whether this build can have filters of system calls; with sanitizers it cannot."""
    return run("-sandbox", "on", "-version").returncode == 0


def status(path):
    """/proc/…/status as a dictionary of words."""
    with open(path, encoding="ascii") as file:
        lines = [line.partition(":") for line in file]
    return {name: rest.strip() for name, _, rest in lines}


def companion_filters(machine):
    """The names of the processes beside a machine (its process number), and how many
    filters of system calls each has. They get them soon after the machine starts."""
    own = int(status("/proc/self/status")["Seccomp_filters"])
    with open(f"/proc/{machine}/task/{machine}/children", encoding="ascii") as file:
        children = file.read().split()
    deadline = time.monotonic() + 1
    while True:
        found = [status(f"/proc/{child}/status") for child in children]
        filters = {one["Name"]: int(one["Seccomp_filters"]) - own for one in found}
        if all(filters.values()) or time.monotonic() > deadline:
            return filters
        time.sleep(0.01)


def read_until(descriptor, text, limit_s=LIMIT_S):
    """Reads until `text` (bytes) has come, or the end; returns all that came."""
    found = b""
    deadline = time.monotonic() + limit_s
    while text not in found:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise AssertionError(f"waited for {text!r} in vain; there was {found!r}")
        try:
            more = os.read(descriptor, 4096)
        except OSError: # a terminal that nobody holds any more
            more = b""
        if not more:
            break
        found += more
    return found


class TestCase(unittest.TestCase):
    """A test with a folder of its own, whose processes do not outlive it."""

    def setUp(self):
        # pylint: disable=consider-using-with
        self.folder = tempfile.TemporaryDirectory(prefix="faumachine-cli-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        """A path in the test's folder."""
        return os.path.join(self.folder.name, name)

    def make_file(self, name, size=None, content=None):
        """A file of `size` zero bytes, or with `content`."""
        path = self.path(name)
        with open(path, "wb") as file:
            if content is not None:
                file.write(content)
            if size is not None:
                file.truncate(size)
        return path

    def start(self, *options, **keywords):
        """Starts the program with the engine that is tested; kills it in the end if it
        still runs."""
        return self.start_plain(*ENGINE, *options, **keywords)

    def start_plain(self, *options, **keywords):
        """Starts the program; kills it in the end if it still runs."""
        process = subprocess.Popen([PROGRAM, *options], **keywords)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.addCleanup(end)
        return process

    def start_guest(self, *options, **keywords):
        """The program with the echoing BIOS and pipes; waits for READY."""
        keywords.setdefault("stdin", subprocess.PIPE)
        keywords.setdefault("stdout", subprocess.PIPE)
        keywords.setdefault("stderr", subprocess.PIPE)
        process = self.start("-m", "4", "-bios", BIOS, *options, bufsize=0, **keywords)
        if process.stdout:
            self.assertIn(b"READY", read_until(process.stdout.fileno(), b"READY"))
        return process

    def wait_for_log(self, process, path):
        """Waits until the guest of `process` has written READY to the file."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            self.assertIsNone(process.poll(), "ended too early")
            self.assertLess(time.monotonic(), deadline, "no READY in the log")
            if os.path.exists(path):
                with open(path, "rb") as log:
                    if b"READY" in log.read():
                        return
            time.sleep(0.01)


class Terminal:
    """A pseudo-terminal whose far end a program can have as its own."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        attributes = termios.tcgetattr(self.slave)
        attributes[3] |= termios.ECHO | termios.ICANON | termios.ISIG
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)
        self.before = self.settings()

    def settings(self):
        """What tcgetattr(3) says."""
        return termios.tcgetattr(self.slave)

    def is_restored(self):
        """Are the settings those from the start?"""
        return self.settings() == self.before

    def is_raw(self):
        """Is line editing off?"""
        return not self.settings()[3] & (termios.ICANON | termios.ECHO)

    def passes_signal_keys(self):
        """Does Ctrl-C reach the program as a byte?"""
        return not self.settings()[3] & termios.ISIG

    def adopt(self):
        """In the child: makes this its controlling terminal."""
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def close(self):
        """Hangs up, once."""
        for descriptor in {self.master, self.slave} - {None}:
            os.close(descriptor)
        self.master = self.slave = None


def main():
    """Runs the tests of the script that calls."""
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
