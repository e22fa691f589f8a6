#!/usr/bin/env python3
"""Bad input: each gets exit status 1 and one clear line on standard error.

    input_test.py PROGRAM BIOS
"""

import os
import resource
import signal
import socket
import subprocess
import unittest

import harness
from harness import BIOS, run


class BadInput(harness.TestCase):
    """Files and options that cannot be used."""

    def refuse(self, *options, hint, **keywords):
        """Expects status 1 and one line that has `hint` in it."""
        result = run(*options, **keywords)
        text = result.stderr.decode()
        self.assertEqual(result.returncode, 1, text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("faumachine: "), text)
        self.assertIn(hint, text)
        self.assertEqual(result.stdout, b"")

    def test_options(self):
        """Options that do not exist, and values out of range."""
        disk = self.make_file("disk", 1 << 20)
        self.refuse(hint="nothing to boot")
        self.refuse("-kernal", disk, hint="did you mean -kernel?")
        self.refuse("-m", "3", disk, hint="-m 3")
        self.refuse("-m", "3585", disk, hint="3584")
        self.refuse("-m", "1T", disk, hint="-m 1T")
        self.refuse("-m", hint="needs a value")
        self.refuse("-engine", "warp", disk, hint="-engine warp")
        for device, hint in (("e", "no such device"), ("isa-debug-exit,irq=5", "iobase"),
                             ("isa-debug-exit,iobase=0x10000", "from 1 to 65535"),
                             ("isa-debug-exit,iobase=", "iobase="),
                             ("isa-debug-exit,iosize=9", "from 1 to 4")):
            self.refuse("-device", device, "-display", "none", disk, hint=hint)
        wav = "wav,id=w,path=" + self.path("sound")
        for option, value, hint in (
                ("-audiodev", "wav", "path=FILE"), ("-audiodev", "oss", "sdl, wav and none"),
                ("-audiodev", wav + ",out.frequency=1", "from 8000 to 192000"),
                ("-audiodev", wav + ",channels=1", "no property channels"),
                ("-audiodev", "wav,path=" + self.path("no/such"), "no/such"),
                ("-audio", "none,model=gus", "AC97 and sb16"),
                ("-machine", "pcspk-audiodev=x", "no audio device 'x'"),
                ("-device", "AC97,audiodev=x", "no audio device 'x'"),
                ("-device", "sb16,irq=3", "irq 2, 5, 7 or 10")):
            self.refuse(option, value, "-display", "none", disk, hint=hint)
        self.refuse("-device", "sb16", "-device", "sb16", disk, hint="one already")
        self.refuse("-audiodev", wav, "-audiodev", wav, disk, hint="id=w is there twice")
        self.refuse("-nographic", "-serial", "nowhere", disk, hint="nowhere")
        for nic, hint in (("warp", "user, tap, socket, hubport and null"), ("user,model=e", "e1000"),
                          ("user,mac=1:2:3", "mac="), ("user,hostfwd=tcp:22", "tcp::2222"),
                          ("user,net=10.0.2.0/33", "net="), ("user,dns=10.0.3.3", "dns="),
                          ("user,restrict=yes", "on or off"), ("user,colour=1", "colour"),
                          ("user,addr=2", "addr"), ("socket", "listen="),
                          ("socket,connect=127.0.0.1:1", "refused"),
                          ("tap", "ifname="), ("tap,fd=77", "fd=77"),
                          ("tap,ifname=a,script=x", "script=no"),
                          ("null,capture=" + self.path("no/such"), "no/such")):
            self.refuse("-nic", nic, "-display", "none", disk, hint=hint)
        with socket.create_server(("127.0.0.1", 0)) as server:
            taken = f"user,hostfwd=tcp::{server.getsockname()[1]}-:22"
            self.refuse("-nic", taken, "-display", "none", disk, hint="cannot listen")
        for drive in "", ",drive=hdb", ",drive=x":
            self.refuse("-device", "virtio-blk-pci" + drive, "-display", "none", disk,
                        hint="hdd")
        self.refuse("-netdev", "user", "-display", "none", disk, hint="id")
        self.refuse("-device", "e1000,netdev=a", "-display", "none", disk, hint="id=a")
        self.refuse("-netdev", "null,id=a", "-netdev", "null,id=a", "-display", "none",
                    disk, hint="taken")
        self.refuse("-netdev", "null,id=a", "-device", "e1000,netdev=a", "-device",
                    "e1000,netdev=a", "-display", "none", disk, hint="already")
        self.refuse("-serial", "stdio", "-serial", "stdio", disk, hint="in use")
        self.refuse("-serial", "file:" + self.path("no/such"), disk, hint="no/such")
        self.refuse("-serial", "unix:" + self.path("socket"), disk, hint="socket")

    def test_names_with_control_characters(self):
        """A message stays one line."""
        self.refuse(self.path("two\nlines.img"), hint="two?lines.img")

    def test_full_output(self):
        """Help and version that cannot be written."""
        for option in "-help", "-version":
            with open("/dev/full", "w", encoding="ascii") as full:
                result = run(option, stdout=full)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)

    def test_disks(self):
        """Images that are none."""
        self.refuse(self.path("missing.img"), hint="missing.img")
        self.refuse("-hdd", self.path("missing.img"), "-bios", BIOS, hint="missing.img")
        self.refuse(self.make_file("short.img", 100), hint="short.img")
        self.refuse(self.make_file("empty.img", 0), hint="empty.img")
        self.refuse(self.make_file("odd.img", (1 << 20) + 1), hint="odd.img")
        self.refuse(self.folder.name, hint=self.folder.name)
        self.refuse("-snapshot", self.path("missing.img"), hint="missing.img")

    def test_kernels(self):
        """Kernels that are none."""
        kernel = self.make_file("kernel", content=b"no kernel at all\n" * 1000)
        self.refuse("-kernel", self.path("missing"), hint="missing")
        self.refuse("-kernel", kernel, hint="kernel")
        self.refuse("-kernel", self.make_file("short", 10), hint="short")
        self.refuse("-kernel", self.make_file("empty", 0), hint="empty")
        self.refuse("-kernel", self.folder.name, hint=self.folder.name)
        self.refuse("-initrd", kernel, BIOS, hint="-initrd")

    def test_bios(self):
        """BIOS images that are none."""
        self.refuse("-bios", self.path("missing"), hint="missing")
        self.refuse("-bios", self.make_file("short", 100), hint="short")
        self.refuse("-bios", self.make_file("empty", 0), hint="empty")
        self.refuse("-bios", self.make_file("long", 64 << 20), hint="long")

    def unprivileged(self):
        """Keywords that run the program as a user whom permissions concern."""
        if os.getuid() != 0:
            return {}
        os.chmod(self.folder.name, 0o755)
        try:
            run("-version", user="nobody")
        except PermissionError:
            self.skipTest("'nobody' may not run the program from here")
        return {"user": "nobody"}

    def test_permissions(self):
        """Images that may not be read, or not written."""
        keywords = self.unprivileged()
        disk = self.make_file("disk.img", 1 << 20)
        os.chmod(disk, 0o000)
        self.refuse(disk, hint="disk.img", **keywords)
        self.refuse("-kernel", disk, hint="disk.img", **keywords)
        os.chmod(disk, 0o444)
        self.refuse(disk, hint="disk.img", **keywords)

    def test_read_only_disk_as_snapshot(self):
        """With -snapshot, an image that may only be read is good enough."""
        keywords = self.unprivileged()
        disk = self.make_file("disk.img", 64 << 20)
        os.chmod(disk, 0o444)
        process = self.start_guest("-snapshot", disk, **keywords)
        process.stdin.write(b"w")
        self.assertIn(b"OK", harness.read_until(process.stdout.fileno(), b"OK"))
        process.stdin.write(b"q")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_help_to_a_full_device(self):
        """What cannot be printed is no success."""
        with open("/dev/full", "wb") as full:
            self.assertEqual(run("-help", stdout=full).returncode, 1)


class ExitStatus(harness.TestCase):
    """How a run ends."""

    def expect(self, keys, status, *options):
        """Sends `keys` to the guest and expects the run to end with `status`."""
        process = self.start_guest(*options)
        process.stdin.write(keys)
        self.assertEqual(process.wait(harness.LIMIT_S), status, process.stderr.read())

    def test_power_off(self):
        """0 when the guest switches the machine off."""
        self.expect(b"q", 0)

    def test_reset(self):
        """0 when it resets it with -no-reboot; without, it starts anew."""
        self.expect(b"r", 0, "-no-reboot")
        process = self.start_guest()
        process.stdin.write(b"r")
        harness.read_until(process.stdout.fileno(), b"READY")

    def test_debug_exit(self):
        """(value << 1) | 1 through isa-debug-exit."""
        self.expect(b"x", 43, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04")

    def test_last_output_arrives(self):
        """What the guest sent just before it switched off is not lost."""
        process = self.start_guest()
        process.stdin.write(b"abcdef" * 100 + b"q")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)
        self.assertTrue(process.stdout.read().endswith(b"abcdef" * 100))

    def test_serial_file(self):
        """Output to a file."""
        log = self.path("log")
        process = self.start("-m", "4", "-bios", BIOS, "-display", "none", "-serial",
                             "file:" + log, "-no-reboot", stdin=subprocess.DEVNULL)
        self.wait_for_log(process, log)
        process.terminate()
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_statistics(self):
        """-stats prints something."""
        process = self.start_guest("-stats")
        process.stdin.write(b"q")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)
        self.assertNotEqual(process.stderr.read(), b"")


class HostTrouble(harness.TestCase):
    """The host takes away what the program uses."""

    def end(self, process):
        """SIGTERM ends the program cleanly."""
        process.terminate()
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_closed_descriptors(self):
        """Any of standard input, output and error may be closed from the start."""
        for closed in ([0], [1], [2], [0, 1], [0, 1, 2]):
            with self.subTest(closed=closed):
                log = self.path("log" + "".join(map(str, closed)))
                process = self.start(
                    "-m", "4", "-bios", BIOS, "-nographic", "-serial", "file:" + log,
                    preexec_fn=lambda closed=closed: [os.close(fd) for fd in closed])
                self.wait_for_log(process, log)
                self.end(process)
                process = self.start(
                    "-m", "4", "-bios", BIOS, "-nographic",
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    preexec_fn=lambda closed=closed: [os.close(fd) for fd in closed])
                with self.assertRaises(subprocess.TimeoutExpired):
                    process.wait(0.5)
                self.end(process)

    def test_reader_goes_away(self):
        """A closed pipe at standard output is no reason to stop."""
        process = self.start_guest()
        process.stdout.close()
        process.stdin.write(b"some output")
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.stdin.write(b"q")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_full_output(self):
        """A full device at standard output costs the output only."""
        with open("/dev/full", "wb") as full:
            process = self.start_guest(stdout=full)
            process.stdin.write(b"some output" + b"q")
            self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_end_of_input(self):
        """End of file on standard input does not end the run."""
        process = self.start_guest()
        process.stdin.close()
        process.stdin = None
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        self.end(process)

    def test_full_disk(self):
        """Without room for the image's sectors, the guest sees an I/O error."""
        disk = self.make_file("disk.img", 64 << 20)
        limit = 32 << 20
        process = self.start_guest(disk, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, limit)))
        process.stdin.write(b"w")
        self.assertIn(b"ERROR", harness.read_until(process.stdout.fileno(), b"ERROR"))
        process.stdin.write(b"q")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_signals(self):
        """Each of the signals that end the program does so with status 0."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(signal=number):
                process = self.start_guest(
                    preexec_fn=lambda number=number: signal.signal(number,
                                                                   signal.SIG_DFL))
                process.send_signal(number)
                self.assertEqual(process.wait(harness.LIMIT_S), 0)
                self.assertIn(signal.Signals(number).name.encode(),
                              process.stderr.read())

    def test_ignored_signals(self):
        """nohup works."""
        process = self.start_guest(
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        process.send_signal(signal.SIGHUP)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        self.end(process)

    def test_signal_to_a_halted_guest(self):
        """A processor that sleeps for good is stopped as well."""
        process = self.start_guest()
        process.stdin.write(b"h")
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        self.end(process)

    def test_stuck_reader(self):
        """A reader that takes nothing does not keep the program from ending."""
        process = self.start_guest("-serial", "stdio")
        fill = b"z" * 65536 * 2
        written = 0
        os.set_blocking(process.stdin.fileno(), False)
        while written < len(fill):
            try:
                written += os.write(process.stdin.fileno(), fill[written:])
            except BlockingIOError:
                if process.poll() is not None:
                    break
        self.end(process)


if __name__ == "__main__":
    harness.main()
