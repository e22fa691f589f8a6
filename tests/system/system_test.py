#!/usr/bin/env python3
"""Runs the test kernel in our machine and in QEMU, and compares what it prints.

    system_test.py PROGRAM KERNEL

expected.txt holds what the manual demands and our machine must print, line by line.
QEMU must print the same but for the lines in qemu_differences.txt, which say why. Where
QEMU is not installed its half is left out.
"""

import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
# pylint: disable=wrong-import-position
import engine

QEMU = "qemu-system-i386"
LIMIT_S = 60
DEBUG_EXIT_PASSED = 1
CASE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+:")
RESETS = ("triple", "triple-page", "keyboard", "cf9", "port92", "init")
# Of both machines: a watchdog that presses the power button, and all ports.
PARTS = ["-device", "i6300esb", "-watchdog-action", "shutdown", "-serial", "null",
         "-serial", "file:third", "-serial", "null", "-parallel", "file:printed"]
WRITTEN = {"third": "third\n", "printed": "printed\n"}
# QEMU does not survive these.
QEMU_SKIPS = "hazards"


def lines_of(command, status, limit_s=LIMIT_S):
    """The kernel's lines; complains if the machine does not end with `status`."""
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                             timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as error:
        sys.stdout.write((error.stdout or b"").decode(errors="replace")[-2000:])
        sys.exit(f"system_test: {command[0]} did not end within {limit_s} s")
    text = run.stdout.decode(errors="replace").replace("\r", "")
    if run.returncode != status:
        sys.stdout.write(text[-2000:] + run.stderr.decode(errors="replace"))
        sys.exit(f"system_test: {command[0]} ended with {run.returncode} and not {status}")
    return [line for line in text.split("\n") if CASE.match(line)]


def ours(program, kernel, arguments):
    """The command that runs the kernel in our machine."""
    return [program, *engine.options(program), "-display", "none", "-m", "64",
            "-no-reboot", "-serial", "stdio",
            "-device", "isa-debug-exit,iobase=0xf4", "-kernel", kernel,
            "-append", arguments]


def qemus(kernel, arguments):
    """Likewise in QEMU, whose time goes by its instructions: else it fires timers late on
    a busy host."""
    return [QEMU, "-M", "pc", "-accel", "tcg", "-icount", "shift=3,sleep=off",
            "-rtc", "clock=vm", "-cpu", "max", "-m", "64", "-no-reboot",
            "-display", "none", "-net", "none", "-serial", "stdio",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", kernel,
            "-append", arguments]


def by_case(lines):
    """The lines by the name of their case; names are unique."""
    cases = {}
    for line in lines:
        name = line.split(":")[0]
        if name in cases:
            sys.exit(f"system_test: there are two lines of {name}")
        cases[name] = line
    return cases


def compare(who, wanted, found):
    """Prints how the lines differ; `wanted` are patterns. True if they do not."""
    same = True
    for name in list(wanted) + [name for name in found if name not in wanted]:
        want, have = wanted.get(name, "(no such case)"), found.get(name, "(missing)")
        if want != have and not ("*" in want and fnmatch.fnmatchcase(have, want)):
            print(f"{who}:\n  expected  {want}\n  found     {have}")
            same = False
    print(f"{who}: {len(found)} cases, {'as expected' if same else 'with differences'}")
    return same


def read_table(path):
    """A file of lines, without its comments."""
    text = path.read_text(encoding="ascii")
    return by_case(line for line in text.split("\n") if CASE.match(line))


def resets(command):
    """Each way to reset ends the machine before the kernel says it came back."""
    for how in RESETS:
        if lines_of(command("reset=" + how), 0) != ["reset.before:"]:
            print(f"{command('')[0]}: reset by {how} does not work")
            return False
    return True


def written():
    """The ports' files have what the kernel sent there. Removes them."""
    same = True
    for name, text in WRITTEN.items():
        file = pathlib.Path(name)
        found = file.read_text(encoding="ascii") if file.exists() else None
        if found != text:
            print(f"file {name}: {found!r} and not {text!r}")
            same = False
        file.unlink(missing_ok=True)
    return same


def test(program, kernel):
    """In an empty directory. Returns the exit status."""
    expected = read_table(HERE / "expected.txt")
    good = compare("our machine", expected, by_case(
        lines_of([*ours(program, kernel, ""), *PARTS], DEBUG_EXIT_PASSED)))
    good &= written()
    good &= resets(lambda arguments: ours(program, kernel, arguments))
    if not shutil.which(QEMU):
        print(f"{QEMU} is not installed: compared with expected.txt alone")
        return 0 if good else 1
    wanted = {name: line for name, line in expected.items()
              if not name.startswith(QEMU_SKIPS + ".")}
    wanted.update(read_table(HERE / "qemu_differences.txt"))
    good &= compare("QEMU", wanted, by_case(
        lines_of([*qemus(kernel, "skip=" + QEMU_SKIPS), *PARTS], DEBUG_EXIT_PASSED)))
    good &= written()
    good &= resets(lambda arguments: qemus(kernel, arguments))
    return 0 if good else 1


def main(program, kernel):
    """Returns the exit status."""
    program, kernel = os.path.abspath(program), os.path.abspath(kernel)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        return test(program, kernel)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
