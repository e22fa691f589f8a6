"""What the boot tests share: fetching the guest, and a program whose serial line is on
pipes, a socket or a terminal.

A test that cannot fetch its guest ends with status 77 (skipped) and says so.
"""

import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine

# QEMU's TCG needs 8 s; an interpreter may take a good deal longer, on a busy machine.
BOOT_LIMIT_S = 400
COMMAND_LIMIT_S = 120
FETCH_LIMIT_S = 300
PROMPT = b" # "


def skip(reason):
    """Ends the test as skipped."""
    print(reason + ": skipped")
    sys.exit(engine.SKIPPED)


def command(program, *options):
    """The program, with the engine that is tested; or the end of the test."""
    return [program, *engine.options(program), *options]


def fetch(script, flavour):
    """The folder with the guest, or the end of the test."""
    try:
        result = subprocess.run([script, flavour], stdout=subprocess.PIPE, text=True,
                                timeout=FETCH_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        result = None
    if not result or result.returncode:
        skip("cannot fetch the guest")
    return result.stdout.strip()


def kernel_options(folder, words, memory="256"):
    """Options that boot the guest in `folder` without a boot loader."""
    return ["-m", memory, "-kernel", os.path.join(folder, "vmlinuz"),
            "-initrd", os.path.join(folder, "initrd.gz"),
            "-append", "console=ttyS0 panic=-1 " + words]


def processor_s(pid):
    """User and system time of a process, in seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Guest:
    """A running program and its serial line: `reader` and `writer` are descriptors."""

    def __init__(self, process, reader, writer):
        self.process = process
        self.reader = reader
        self.writer = writer
        self.seen = b""

    @classmethod
    def on_pipes(cls, command, **keywords):
        """Starts a program whose serial line is its standard input and output."""
        # pylint: disable=consider-using-with
        process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, bufsize=0, **keywords)
        return cls(process, process.stdout.fileno(), process.stdin.fileno())

    @classmethod
    def on_socket(cls, command):
        """Starts a program whose serial line is a unix socket."""
        folder = tempfile.mkdtemp(prefix="faumachine-boot-")
        path = os.path.join(folder, "serial")
        line = socket.socket(socket.AF_UNIX)
        # pylint: disable=consider-using-with
        process = subprocess.Popen(
            [*command, "-display", "none", "-serial", f"unix:{path},server,nowait"],
            stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + COMMAND_LIMIT_S
        while True:
            try:
                line.connect(path)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the program offers no serial line")
                time.sleep(0.05)
        os.unlink(path)
        os.rmdir(folder)
        descriptor = line.detach()
        return cls(process, descriptor, descriptor)

    def fail(self, text):
        """Ends the test, with the end of the console for whoever looks for the reason."""
        self.process.kill()
        sys.stdout.write(self.seen[-6000:].decode(errors="replace"))
        sys.exit(f"\n{os.path.basename(sys.argv[0])}: {text}")

    def read_more(self, limit_s, wanted):
        """Adds what comes next to `seen`; False at the end."""
        if not select.select([self.reader], [], [], max(0, limit_s))[0]:
            self.fail(f"waited for {wanted!r} in vain")
        try:
            more = os.read(self.reader, 65536)
        except OSError:  # a terminal that nobody holds any more
            more = b""
        self.seen += more
        return bool(more)

    def expect(self, text, limit_s=COMMAND_LIMIT_S):
        """Waits for `text`; returns what came before, and forgets it."""
        deadline = time.monotonic() + limit_s
        while text not in self.seen:
            if not self.read_more(deadline - time.monotonic(), text):
                self.fail(f"the program ended before there was {text!r}")
            if b"Kernel panic" in self.seen:
                self.fail("the guest's kernel has panicked")
        found, self.seen = self.seen.split(text, 1)
        sys.stdout.write((found + text).decode(errors="replace"))
        sys.stdout.flush()
        return found

    def expect_shell(self):
        """Waits for the prompt of the shell after a boot."""
        self.expect(b"BusyBox shell", BOOT_LIMIT_S)
        self.expect(PROMPT)

    def type(self, line):
        """Sends a line."""
        os.write(self.writer, line + b"\n")

    def run(self, command):
        """Types a command; returns its output, when the next prompt is there."""
        self.type(command)
        self.expect(b"\n")
        return self.expect(PROMPT)

    def expect_end(self, status=0):
        """The program ends with that status."""
        try:
            found = self.process.wait(COMMAND_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.fail("the program goes on")
        if found != status:
            self.fail(f"exit status {found} instead of {status}")

    def expect_power_off(self):
        """The guest powers off and the program ends with status 0."""
        self.expect(b"reboot: Power down")
        self.expect_end()
