"""Runs a program that boots a guest, and notes when each line of the guest's console was
complete: the host's time, and the CPU time that the program had used by then."""

import os
import select
import signal
import subprocess
import tempfile
import time

POLL_S = 0.01
GRACE_S = 10


class Run:
    """What a run left: lines as (host time, CPU seconds, text), standard error."""

    def __init__(self):
        self.start = time.monotonic()
        self.lines = []
        self.errors = ""
        self._rest = b""
        self._looked = 0

    def feed(self, data, cpu_s):
        now = time.monotonic()
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            text = line.decode(errors="replace").strip("\r\x00 ")
            self.lines.append((now, cpu_s, text))

    def new_lines(self):
        """Those that came since it was asked for them last."""
        new, self._looked = self.lines[self._looked:], len(self.lines)
        return new

    def reached(self, until):
        """Whether to end the program; asked every POLL_S."""
        return any(until in line[2] for line in self.new_lines())

    def find(self, text):
        """The first line with this text, None if there is none."""
        return next((line for line in self.lines if text in line[2]), None)

    def until(self, text):
        """Wall and CPU seconds from the start to the line with this text."""
        line = self.find(text)
        return line and (line[0] - self.start, line[1])

    def between(self, begin, end):
        """Wall and CPU seconds between two lines."""
        first, last = self.find(begin), self.find(end)
        return first and last and (last[0] - first[0], last[1] - first[1])


def run(command, folder, until, limit_s, console_file=None, result=None):
    """Runs until a line has `until` in it, the program ends, or the limit is over. The
    console is the program's standard output, or a file that it writes. The program is
    asked to end before it is made to, so that it can print its counters. `result`: a Run
    of the caller's own kind."""
    result = result or Run()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stderr=errors, bufsize=0,
            stdout=subprocess.DEVNULL if console_file else subprocess.PIPE)
        try:
            with Source(process, console_file) as source:
                follow(process, source, result, until, limit_s)
        finally:
            end(process)
        errors.seek(0)
        result.errors = errors.read().decode(errors="replace")
    return result


def follow(process, source, result, until, limit_s):
    while time.monotonic() - result.start < limit_s:
        ended = process.poll() is not None
        data = source.read()
        if data:
            result.feed(data, cpu_seconds(process.pid))
        elif ended:
            return
        if result.reached(until):
            return


class Source:
    """Bytes of the console as they come. Its file need not be there yet."""

    def __init__(self, process, console_file):
        self._path = console_file
        self._file = process.stdout
        if self._file:
            os.set_blocking(self._file.fileno(), False)

    def read(self):
        """Waits a little; b"" or None if nothing came."""
        if not self._path:
            select.select([self._file], [], [], POLL_S)
            return self._file.read()
        time.sleep(POLL_S)
        if not self._file and os.path.exists(self._path):
            self._file = open(self._path, "rb", buffering=0)
        return self._file and self._file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._file:
            self._file.close()


def cpu_seconds(pid):
    """CPU time of all threads of a process, of its descendants, and of those that have
    ended and were waited for."""
    try:
        own = time.clock_gettime(~pid << 3 | 2)  # the process's clock, see clock_gettime(3)
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            alive = [int(child) for child in children.read().split()]
    except OSError:
        return 0  # it ended just now; who waited for it has its time
    ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return own + ended + sum(cpu_seconds(child) for child in alive)


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
