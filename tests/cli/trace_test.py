#!/usr/bin/env python3
"""-d and -D: what is traced of a guest that does one thing of each kind.

    trace_test.py PROGRAM BIOS

The guest is trace_bios.asm, at addresses that are known here. All is tried with each
engine that this build has.
"""

import os
import re
import subprocess

import harness
from harness import BIOS, PROGRAM

EXIT_STATUS = 0x21
ENGINES = [name for name in ("interpreter", "jit") if subprocess.run(
    [PROGRAM, "-engine", name, "-version"], stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL, check=False).returncode == 0]
ITEMS = {  # how lines of an item begin
    "in_asm": r"IN: ",
    "out_asm": r"OUT: ",
    "int": r" *\d+: v=",
    "mmu": r"TLB miss: ",
    "exec": r"Trace: ",
}


def options(engine, items, *more):
    """The command line of a run that is traced."""
    return ["-engine", engine, "-clock", "counted", "-display", "none", "-m", "4",
            "-no-reboot", "-bios", BIOS, "-device", "isa-debug-exit,iobase=0xf4",
            "-d", items, *more]


class Trace(harness.TestCase):
    """One run for each item and engine."""

    def log_of(self, engine, items, *more):
        """The lines of the trace."""
        path = self.path("log")
        result = harness.run(*options(engine, items, "-D", path, *more))
        self.assertEqual(EXIT_STATUS, result.returncode, result.stderr)
        self.assertEqual(b"", result.stdout + result.stderr)
        with open(path, encoding="utf-8") as file:
            return file.read().split("\n")

    def check_items(self, lines, items):
        """There are lines of these items, and of no others."""
        for item, start in ITEMS.items():
            found = any(re.match(start, line) for line in lines)
            self.assertEqual(item in items, found, item)

    def part(self, lines, first):
        """The lines from the one that begins so to the next empty one."""
        begin = next(i for i, line in enumerate(lines) if line.startswith(first))
        return lines[begin:lines.index("", begin)]

    def test_guest_code(self):
        for engine in ENGINES:
            with self.subTest(engine=engine):
                lines = self.log_of(engine, "in_asm")
                self.check_items(lines, ["in_asm"])
                self.assertEqual(
                    ["IN: f000:0000fff0 linear fffffff0, 16-bit, ring 0",
                     "0000fff0: e9 0d 00  jmp 0x0000"], lines[1:3])
                work = ["IN: 0008:00010100 linear 00010100, 32-bit, ring 0",
                        "00010100: 8d 9c 4b 78 56 34 12  "
                        "lea ebx, [ebx+ecx*2+0x12345678]",
                        "00010107: c3  ret"]
                self.assertEqual(work, self.part(lines, work[0]))
                self.assertEqual(1, lines.count(work[0]))
                user = self.part(lines, "IN: 001b:00010500 linear 00010500, "
                                        "32-bit, ring 3")
                self.assertIn("00010500: 66 b8 23 00  mov ax, 0x23", user)

    def test_host_code(self):
        for engine in ENGINES:
            with self.subTest(engine=engine):
                lines = self.log_of(engine, "out_asm")
                if engine == "interpreter":
                    self.assertEqual([""], lines)
                    continue
                self.check_items(lines, ["out_asm"])
                start = next(line for line in lines
                             if re.match(r"OUT: \[size=\d+\] 00010100,", line))
                code = self.part(lines, start)
                first = code.index("  -- guest addr 0x00010100")
                second = code.index("  -- guest addr 0x00010107")
                self.assertRegex("\n".join(code[first:second]),
                                 r"\n[0-9a-f]{12}: .*lea ebx, \[.*0x12345678\]")
                self.assertLess(second, code.index("  -- exits"))
                unknown = [line for line in lines if "not known" in line]
                self.assertEqual([], unknown)

    def test_interrupts(self):
        logs = []
        for engine in ENGINES:
            with self.subTest(engine=engine):
                lines = self.log_of(engine, "int")
                self.check_items(lines, ["int"])
                wanted = [
                    r"v=41 e=0000 i=1 cpl=0 IP=f000:.* SP=0000:00007000 .* software",
                    r"v=0e e=0000 i=0 cpl=0 IP=0008:00010600 pc=00010600 "
                    r"SP=0010:0002fffc CR2=00401234 exception",
                    r"v=20 e=0000 i=0 cpl=0 IP=0008:.* hardware",
                    r"v=0e e=0006 i=0 cpl=3 IP=001b:00010506 pc=00010506 "
                    r"SP=0023:00031000 CR2=00402000 exception",
                    r"v=80 e=0000 i=1 cpl=3 IP=001b:.* software"]
                found = [line for line in lines if re.match(ITEMS["int"], line)]
                self.assertEqual(len(wanted), len(found), found)
                for pattern, line in zip(wanted, found):
                    self.assertRegex(line, r"^ *\d+: " + pattern + "$")
                fault = lines[lines.index(found[1]) + 1:]
                self.assertRegex(fault[0], "^EAX=[0-9a-f]{8} EBX=[0-9a-f]{8} "
                                           "ECX=00000000 EDX=")
                self.assertTrue(fault[2].startswith("EIP=00010600 EFL="))
                self.assertIn("CS =0008 00000000 ffffffff c09b", fault[3:9])
                self.assertIn("CR0=e0000011 CR2=00401234 CR3=00020000 CR4=00000000",
                              fault[9:16])
                logs.append(lines)
        # The same guest, instruction by instruction.
        for log in logs:
            self.assertEqual(logs[0], log)

    def test_mmu(self):
        for engine in ENGINES:
            with self.subTest(engine=engine):
                lines = self.log_of(engine, "mmu")
                self.check_items(lines, ["mmu"])
                wanted = ["CR3 update: CR3=00020000", "CR0 update: CR0=e0000011",
                          "TLB miss: 00006ffe write by supervisor: 000006ffe, memory",
                          "TLB miss: 00010500 fetch by user: 000010500, memory",
                          "Page fault: 00401234, error 0000",
                          "Flush: page of 00300000",
                          "Page fault: 00402000, error 0006"]
                if engine == "jit":
                    wanted += [
                        "View 0: 00300000-00300fff shows RAM 000300000, writable",
                        "View 0: 00300000 written: reached",
                        "View 0: 00300000-00300fff unmapped",
                        "View 0: 00300000-00300fff shows RAM 000200000, read-only",
                        "View 1: for root 00020000"]
                for line in wanted:
                    self.assertIn(line, lines)
                views = [line for line in lines if line.startswith("View ")]
                self.assertEqual(engine == "jit", bool(views))

    def test_blocks(self):
        runs = []
        for engine in ENGINES:
            with self.subTest(engine=engine):
                lines = self.log_of(engine, "exec")
                self.check_items(lines, ["exec"])
                self.assertTrue(all(re.match(ITEMS["exec"], line)
                                    for line in lines[:-1]))
                self.assertEqual("Trace: f000:0000fff0 linear fffffff0, 16-bit, "
                                 "ring 0, 1 long, interpreted", lines[0])
                blocks = [line.split()[1] for line in lines[:-1]]
                self.assertEqual(5, blocks.count("0008:00010100"))
                self.assertEqual(2, blocks.count("0008:00010200"))
                self.assertEqual(1, blocks.count("001b:00010500"))
                how = "interpreted" if engine == "interpreter" else "at [0-9a-f]{12}"
                for line in lines:
                    if " linear 00010100, " in line:
                        self.assertRegex(line, ", 2 long, " + how + "$")
                runs.append([block for block in blocks
                             if re.match("0008:00010[1-6]00", block)])
        for run in runs:
            self.assertEqual(runs[0], run)

    def test_all_items(self):
        for engine in ENGINES:
            with self.subTest(engine=engine):
                items = [item for item in ITEMS
                         if item != "out_asm" or engine == "jit"]
                lines = self.log_of(engine, ",".join(ITEMS))
                self.check_items(lines, items)
                # What happens to an address comes in the order in which it happens.
                decoded = lines.index("IN: 0008:00010600 linear 00010600, 32-bit, "
                                      "ring 0")
                executed = next(i for i, line in enumerate(lines) if
                                line.startswith("Trace: 0008:00010600 "))
                faulted = lines.index("Page fault: 00401234, error 0000")
                handled = next(i for i, line in enumerate(lines) if
                               line.startswith("Trace: 0008:00010200 "))
                self.assertEqual([decoded, executed, faulted, handled],
                                 sorted([decoded, executed, faulted, handled]))

    def test_guest_errors(self):
        line = "faumachine: guest error: i8042: unknown command 0xb7"
        lines = self.log_of(ENGINES[0], "guest_errors")
        self.assertEqual([line, ""], lines)
        lines = self.log_of(ENGINES[0], "int,guest_errors")
        self.assertIn(line, lines)
        self.check_items(lines, ["int"])

    def test_standard_error(self):
        lines = self.log_of(ENGINES[0], "int")
        result = harness.run(*options(ENGINES[0], "int"))
        self.assertEqual(lines, result.stderr.decode().split("\n"))
        self.assertEqual(EXIT_STATUS, result.returncode)

    def test_nothing_to_log(self):
        path = self.path("none")
        result = harness.run("-display", "none", "-no-reboot", "-bios", BIOS, "-device",
                             "isa-debug-exit,iobase=0xf4", "-D", path)
        self.assertEqual((EXIT_STATUS, b""), (result.returncode, result.stderr))
        self.assertFalse(os.path.exists(path))

    def test_refused(self):
        for more, hint in [(["-d", "int,foo"], b"'foo'"),
                           (["-D", "/nonexistent/log"], b"/nonexistent/log")]:
            result = harness.run(*options(ENGINES[0], "int", *more))
            self.assertEqual(1, result.returncode)
            self.assertEqual(b"", result.stdout)
            self.assertIn(hint, result.stderr)
            self.assertEqual(1, result.stderr.count(b"\n"), result.stderr)

    def test_full_disk(self):
        result = harness.run(*options(ENGINES[0], "int", "-D", "/dev/full"))
        self.assertEqual(EXIT_STATUS, result.returncode)
        self.assertIn(b"-D /dev/full: ", result.stderr)
        self.assertEqual(1, result.stderr.count(b"\n"), result.stderr)

    def test_help(self):
        result = harness.run("-d", "help")
        self.assertEqual((0, b""), (result.returncode, result.stderr))
        for item in [*ITEMS, "guest_errors"]:
            self.assertIn(b"\n" + item.encode() + b" ", result.stdout)


if __name__ == "__main__":
    harness.main()
