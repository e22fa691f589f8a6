#!/usr/bin/env python3
"""Faults in a kernel with symbols: by their names, in its source text, and when
something is on the screen.

    kernel_test.py PROGRAM NASM LD
"""

import json
import os
import subprocess
import sys

import guest

LD = sys.argv[3]
LIMIT_S = 60

# A Multiboot kernel that the firmware has left a text screen.
SOURCE = """
    section .text
    dd 0x1badb002, 0, -0x1badb002
    global _start, count, count.again, twice
_start:
    mov esp, stack
    mov ecx, 3
count:
    inc eax
.again:
    loop count
    mov edi, 0xb8000 + 160 * 5
    mov esi, text
    mov ah, 7
put:
    lodsb
    stosw
    test al, al
    jnz put
    mov ecx, 30000000
spin:
    dec ecx
    jnz spin
twice:
    mov al, 1
    out 0xf4, al
    jmp $
text:
    db "a screen, full of text", 0
    section .bss
    resb 4096
stack:
"""


def line_of(text):
    """The number of a line of the source."""
    return SOURCE.split("\n").index(text) + 1


class Kernel(guest.TestCase):
    """A kernel as ELF, with debug information."""

    def setUp(self):
        super().setUp()
        folder = self.folder.name
        with open(f"{folder}/kernel.asm", "w", encoding="ascii") as file:
            file.write(SOURCE)
        subprocess.run([guest.NASM, "-f", "elf32", "-g", "-F", "dwarf", "-o",
                        "kernel.o", "kernel.asm"], check=True, cwd=folder)
        subprocess.run([LD, "-m", "elf_i386", "-N", "-Ttext", "0x100000", "-o", "kernel",
                        "kernel.o"], check=True, cwd=folder)

    def run_kernel(self, *faults, symbols="kernel"):
        """The reports, and what is said on standard error."""
        words = []
        for fault in faults:
            words += ["-fault", "target=ram,address=0x300000,bit=0,model=flip,when="
                      + fault]
        log = self.folder.name + "/log"
        completed = subprocess.run(
            [guest.PROGRAM, *guest.ENGINE, "-clock", "counted", "-display", "none",
             "-m", "8", "-kernel", "kernel", "-nic", "none", "-no-reboot", "-device",
             "isa-debug-exit,iobase=0xf4", "-fault-symbols", symbols, "-fault-log", log,
             *words],
            cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False)
        if not os.path.exists(log):
            return [], completed.stderr
        with open(log, encoding="ascii") as file:
            reports = [json.loads(line) for line in file]
        if not completed.stderr:
            self.assertEqual(guest.status_of(1), completed.returncode)
        return reports, completed.stderr

    def test_symbols_and_lines(self):
        reports, _ = self.run_kernel(
            "symbol:count", "symbol:count.again,count=2", "symbol:count+1,count=3",
            "symbol:_start+0x5")
        count, again, plus, start = (report["injected"] for report in reports)
        self.assertEqual("symbol:count", reports[0]["when"])
        self.assertEqual("count+0x0", count["symbol"])
        self.assertEqual("symbol:count.again", reports[1]["when"])
        self.assertEqual(count["instructions"] + 3, again["instructions"])
        self.assertEqual(count["instructions"] + 5, plus["instructions"])
        self.assertEqual(count["instructions"] - 1, start["instructions"])
        if "source" in count:
            self.assertEqual(f"kernel.asm:{line_of('    inc eax')}", count["source"])
            self.assertEqual(f"kernel.asm:{line_of('    loop count')}",
                             again["source"])
            self.assertEqual(f"kernel.asm:{line_of('    mov ecx, 3')}",
                             start["source"])

    def test_screen(self):
        reports, _ = self.run_kernel(
            "screen:full of text", "screen:no such text", "screen:screen,,,count=2",
            "symbol:twice")
        shown, absent, again, end = reports
        self.assertEqual([1, 0, 0, 1], [r["injections"] for r in reports])
        self.assertEqual("waiting", absent["state"])
        self.assertEqual("waiting", again["state"])
        self.assertEqual(0, shown["injected"]["ns"] % 10000000)
        self.assertLess(end["injected"]["instructions"] - 30 * 2000000,
                        shown["injected"]["instructions"])
        self.assertGreater(end["injected"]["instructions"] - 24 * 2000000,
                           shown["injected"]["instructions"])

    def test_errors(self):
        with open(self.folder.name + "/several", "w", encoding="ascii") as file:
            file.write("00100000 T a\n00100004 T a\n")
        with open(self.folder.name + "/broken", "wb") as file:
            with open(self.folder.name + "/kernel", "rb") as kernel:
                file.write(kernel.read()[:200])
        for symbols, when, says in (
                ("kernel", "symbol:absent", "there is no such symbol"),
                ("several", "symbol:a", "there are several"),
                ("several", "symbol:a+x", "there is no such symbol"),
                ("broken", "symbol:count", "has no symbols"),
                ("/dev/null", "symbol:count", "has no symbols"),
                ("kernel", "execute:1,process=init", "init_task and current_task")):
            _, message = self.run_kernel(when, symbols=symbols)
            self.assertIn(says, message)
            self.assertEqual(1, message.count("\n"), message)


if __name__ == "__main__":
    guest.main()
