#!/usr/bin/env python3
"""The stub for gdb: a real gdb on a kernel with symbols and on the BIOS, and packets of a
client that means no good.

    gdb_test.py PROGRAM BIOS KERNEL
"""

import os
import select
import shutil
import subprocess
import sys
import time

KERNEL = os.path.abspath(sys.argv.pop(3))
# pylint: disable=wrong-import-position
import harness
import qmp
from harness import BIOS, engine

GDB = shutil.which("gdb")
PROLOGUE = ["set pagination off", "set confirm off", "set architecture i386",
            "set width 0", "set tcp connect-timeout 20"]


class RealGdb(harness.TestCase):
    """gdb itself, with a script."""

    def start_stub(self, *options):
        """A machine that waits for gdb; returns it and how to connect."""
        path = self.path("gdb")
        process = self.start("-gdb", f"unix:{path}", "-display", "none", "-S", *options,
                             stdin=subprocess.DEVNULL)
        qmp.Socket(path).close() # it listens
        return process, f"target remote {path}"

    def run_gdb(self, connect, *commands, symbols=KERNEL):
        """What gdb prints while it executes the commands."""
        words = [GDB, "-nx", "-batch"]
        for command in (*PROLOGUE, connect, *commands):
            words += ["-ex", command]
        result = subprocess.run([*words, symbols] if symbols else words,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=harness.LIMIT_S,
                                check=False)
        return result.stdout.decode()

    def debug_kernel(self, *commands):
        """The same with the kernel in the machine, from its main() on."""
        process, connect = self.start_stub(
            "-kernel", KERNEL, "-serial", "file:" + self.path("log"), "-m", "64",
            "-append", "only=segments", "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4")
        text = self.run_gdb(connect, "break main", "continue", *commands)
        self.assertRegex(text, r"Breakpoint 1, (0x\w+ in )?main \(multiboot=")
        return process, text

    def test_breakpoints(self):
        """Where it stops, how it got there, and the rest of the run is as ever."""
        process, text = self.debug_kernel("tbreak run_topics", "continue", "backtrace",
                                          "delete", "detach")
        self.assertRegex(text, r"Temporary breakpoint 2, (0x\w+ in )?run_topics")
        self.assertRegex(text, r"#1 .* in main ")
        self.assertEqual(process.wait(harness.LIMIT_S), 1) # debug exit of 0
        with open(self.path("log"), encoding="utf-8") as log:
            self.assertIn("kernel.end", log.read())

    def test_steps(self):
        """Instructions and lines, with registers that follow."""
        _, text = self.debug_kernel("p/x $pc == &main || 1", "set $before = $pc", "stepi",
                                    "p $pc > $before && $pc < $before + 16", "next",
                                    "info line", "frame", "kill")
        self.assertIn("$2 = 1", text)
        self.assertIn("main.c", text)

    def test_watchpoints(self):
        """Writes, reads, and either."""
        address = "*(int *)0x3000000"
        code = ["set {char[20]} 0x3100000 = " +
                '"\\241\\0\\0\\0\\003\\100\\243\\0\\0\\0\\003\\220\\220\\353\\376\\0\\0\\0\\0"',
                "set {int} 0x3000000 = 7", "set $pc = 0x3100000", "delete"]
        process, text = self.debug_kernel(
            *code, f"rwatch {address}", "continue", "p $pc", "delete",
            f"watch {address}", "continue", "p/x $eax", "p $pc", "delete",
            "set $pc = 0x3100000", f"awatch {address}", "continue", "p $pc", "kill")
        self.assertIn("Hardware read watchpoint", text)
        self.assertRegex(text, r"Value = 7\n")
        self.assertIn("0x3100005", text) # behind the read
        self.assertRegex(text, r"Old value = 7\s+New value = 8")
        self.assertIn("0x310000b", text) # behind the write
        self.assertRegex(text, r"Hardware access .*watchpoint")
        self.assertEqual(process.wait(harness.LIMIT_S), 0)

    def test_registers(self):
        """All kinds can be read, and changed."""
        _, text = self.debug_kernel(
            "set $ecx = 0x12345678", "p/x $ecx", "set $xmm3.v4_int32[1] = 77",
            "p $xmm3.v4_int32[1]", "set $st0 = 1.5", "p $st0", "p $mxcsr", "p/x $cr0 & 1",
            "p $gs_base", "set $eflags = $eflags | 1", "p $eflags", "p $cs", "p $efer",
            "maintenance packet Qqemu.PhyMemMode:1", "x/xw 0x100000",
            "maintenance packet Qqemu.PhyMemMode:0", "monitor info status",
            "monitor p $ecx", "kill")
        for expected in ("= 0x12345678", "= 77", "= 1.5", "[ IM DM ZM OM UM PM ]",
                         "= 0x1\n", "CF", "0x1badb002", "VM status: paused (debug)",
                         "0x12345678\n"):
            self.assertIn(expected, text)

    def test_interrupt(self):
        """Ctrl-C stops a guest that runs; it goes on after that."""
        path = self.path("qmp")
        process, connect = self.start_stub("-bios", BIOS, "-m", "4", "-serial", "stdio",
                                           "-qmp", qmp.server(path))
        client = qmp.Qmp(path)
        self.addCleanup(client.close)
        words = [GDB, "-nx", "-q"]
        for command in (*PROLOGUE, "set architecture i8086", connect):
            words += ["-ex", command]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, bufsize=0) as gdb:
            gdb.stdin.write(b"continue\n")
            client.wait_event("RESUME")
            time.sleep(0.2)
            gdb.send_signal(2)
            client.wait_event("STOP")
            self.assertEqual(client.command("query-status")["running"], False)
            gdb.stdin.write(b"p $cs\nstepi\nstepi\ndetach\nquit\n")
            text, _ = gdb.communicate(timeout=harness.LIMIT_S)
        self.assertIn(b"SIGINT", text)
        self.assertIn(b"= 61440", text)
        self.assertEqual(client.command("query-status")["status"], "running")
        self.assertIsNone(process.poll())


class Packets(harness.TestCase):
    """The protocol, byte by byte."""

    def setUp(self):
        super().setUp()
        path = self.path("gdb")
        self.process = self.start("-gdb", f"unix:{path}", "-bios", BIOS, "-m", "4",
                                  "-serial", "null", "-S", stdin=subprocess.DEVNULL)
        self.connect()

    def connect(self):
        """A new connection."""
        self.client = qmp.Socket(self.path("gdb"))
        self.addCleanup(self.client.close)

    def ask(self, packet):
        """Sends a packet; returns the answer without its frame."""
        data = packet if isinstance(packet, bytes) else packet.encode()
        self.client.send(b"$" + data + b"#%02x" % (sum(data) & 0xff))
        text = self.client.read_until(rb"\+\$[^#]*#..")
        return text[2:-3].decode()

    def test_answers(self):
        """Some of each kind, and nonsense."""
        self.assertIn("PacketSize", self.ask("qSupported:multiprocess+"))
        self.assertEqual(self.ask("vNonsense"), "")
        self.assertEqual(self.ask("qNonsense"), "")
        self.assertEqual(self.ask("?"), "T05thread:01;")
        self.assertEqual(self.ask("mfffffff0,3"), "e90d00")
        self.assertEqual(self.ask("m0,100000"), "E16")
        self.assertEqual(self.ask("mnonsense"), "E16")
        self.assertEqual(self.ask("Mfffffff0,1:00"), "E0e") # ROM
        self.assertEqual(self.ask("M1000,2:beef"), "OK")
        self.assertEqual(self.ask(b"X1002,2:}\x03}]"), "OK")
        self.assertEqual(self.ask("m1000,4"), "beef237d")
        self.assertEqual(self.ask("M1000,2:be"), "E0e")
        self.assertEqual(self.ask("p8"), "f0ff0000")
        self.assertEqual(self.ask("pffff"), "E14")
        self.assertEqual(self.ask("P0=78563412"), "OK")
        self.assertEqual(self.ask("P0=7"), "E14")
        self.assertTrue(self.ask("g").startswith("78563412"))
        self.assertEqual(self.ask("Z0,nonsense"), "OK") # address 0, as gdb would mean it
        self.assertEqual(self.ask("Z9,0,1"), "")
        self.assertEqual(self.ask("z0,0,1"), "OK")
        self.assertEqual(self.ask("z0,0,1"), "E1c")
        for i in range(256):
            self.assertEqual(self.ask(f"Z0,{i:x},1"), "OK")
        self.assertEqual(self.ask("Z0,100,1"), "E1c")
        self.assertEqual(self.ask("qXfer:features:read:nonsense:0,10"), "E00")
        self.assertTrue(self.ask("qXfer:features:read:target.xml:0,10").startswith("m<?"))
        self.assertEqual(self.ask("qXfer:features:read:target.xml:fffff,10"), "l")

    def test_steps_and_stops(self):
        """One instruction; then up to a breakpoint, which does not hold a second time."""
        self.assertEqual(self.ask("s"), "T05thread:01;")
        self.assertEqual(self.ask("p8"), "00000000")
        self.assertEqual(self.ask("Z1,ffff0001,1"), "OK")
        self.assertEqual(self.ask("vCont;c"), "T05thread:01;")
        self.assertEqual(self.ask("p8"), "01000000")

    def test_bad_frames(self):
        """A wrong sum is asked for again; what is no packet is skipped."""
        self.client.send(b"$?#00")
        self.assertEqual(self.client.read_until(rb"[-+]"), b"-")
        self.client.send(b"nonsense" * 1000 + b"$" + b"x" * 100000 + b"#00")
        self.client.send(b"$m" + b"f" * 10000 + b"#zz")
        self.client.read_until(rb"-")
        self.client.close()
        self.connect()
        self.assertEqual(self.ask("?"), "T05thread:01;")

    def test_gone(self):
        """A gdb that vanishes leaves no breakpoints behind."""
        self.assertEqual(self.ask("Z0,ffff0001,1"), "OK")
        self.client.close()
        self.connect()
        self.assertEqual(self.ask("z0,ffff0001,1"), "E1c")


if __name__ == "__main__":
    if not GDB:
        print("gdb is not installed: skipped")
        sys.exit(engine.SKIPPED)
    harness.main()
