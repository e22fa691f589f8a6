#!/usr/bin/env python3
"""Programs as people run them, on Debian's kernel: linked with glibc and musl, Perl, a
debugger. What each prints must be what it prints on the host's own processor.

    programs_test.py PROGRAM FETCH_GUEST MAKE_GUEST_IMAGE FLAVOUR ROUNDS [CASE ...]

tests/boot/programs has their sources. ROUNDS: how often they do what is done many
times. CASE chooses some of them, like "static ldt". What only the guest can be asked
for (how its tables look, what CPUID says) must be the same under every engine, so it is
compared with the interpreter's.
"""

import difflib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import guest as boot

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
import engine
import initrd

SOURCES = pathlib.Path(__file__).resolve().parent / "programs"
LIBCS = ("static", "musl", "dynamic")
KINDS = ("library", "times", "signals", "faults", "traps", "threads", "segments", "ldt",
         "code", "shared-code", "processes", "timers", "visible")
REFERENCE, VISIBLE = "interpreter", "static visible"
GUEST_ONLY = "* "  # how lines begin that the host is not asked about
CASE_LIMIT_S, NATIVE_LIMIT_S = 300, 60

COMPILER = ["gcc", "-m32", "-march=i686", "-O2", "-fno-strict-aliasing", "-pthread",
            "-fno-stack-protector", "-fno-pie", "-no-pie"]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]
DEBUGGED = ["-g", "-O0", "-o", "debugged", "debugged.c"]
# What differs from run to run in what gdb says.
ADDRESS_OR_NUMBER = re.compile(r"0x[0-9a-f]{6,8}|(?<=LWP )\d+|(?<=process )\d+")


class Case:
    """A program to run. `native`: the same for the host, or None: then `expected` is
    what it prints."""

    def __init__(self, name, command, native=None, expected=None):
        self.name, self.command, self.native = name, command, native
        self.expected = expected

    def run_natively(self, folder):
        """What it prints on the host, and its status."""
        try:
            result = subprocess.run(
                self.native, cwd=folder, stdin=subprocess.DEVNULL, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=NATIVE_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            sys.exit(f"programs_test: {self.name}: no end on the host")
        if result.returncode:
            print(result.stdout)
            sys.exit(f"programs_test: {self.name}: on the host its status is "
                     f"{result.returncode}")
        return result.stdout


def for_comparison(text):
    """Lines without what may differ."""
    return [ADDRESS_OR_NUMBER.sub("...", line.rstrip()) for line in text.splitlines()
            if line.strip() and not line.startswith(GUEST_ONLY)]


def ask_compiler(question):
    """What it prints."""
    return subprocess.run([*COMPILER, question], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.strip()


def libc_arguments(libc, root):
    """What follows the sources when linking with that library."""
    if libc == "static":
        return ["-static", "-lm"]
    if libc == "dynamic":
        return ["-lm"]
    folder = os.path.join(root, "usr/lib/i386-linux-musl")
    headers = os.path.join(root, "usr/include/i386-linux-musl")
    return ["-static", "-nostdinc", "-nostdlib", "-isystem", headers,
            "-isystem", ask_compiler("-print-file-name=include"),
            *(os.path.join(folder, name)
              for name in ("crt1.o", "crti.o", "libc.a", "crtn.o")),
            ask_compiler("-print-libgcc-file-name")]


def compile_programs(folder, root):
    """Leaves them in the folder; the end of the test without a compiler for i386."""
    for name in ("debugged.c", "debug.gdb", "script.pl", "together"):
        shutil.copy(SOURCES / name, folder)
    if subprocess.run([*COMPILER, *DEBUGGED], cwd=folder, check=False).returncode:
        boot.skip("no compiler for i386 programs")
    sources = sorted(str(path) for path in SOURCES.glob("*.c")
                     if path.stem != "debugged")
    for libc in LIBCS:
        subprocess.run([*COMPILER, *WARNINGS, "-o", libc, *sources,
                        *libc_arguments(libc, root)], cwd=folder, check=True)
    if subprocess.run(["./static", "exit"], cwd=folder, check=False).returncode != 43:
        boot.skip("the host runs no i386 programs")


def perl_command(root):
    """Perl of the image, on the host."""
    libraries = os.path.join(root, "usr/lib/i386-linux-gnu")
    modules = [*sorted(pathlib.Path(root).glob("usr/*/perl/5.*")),
               *sorted(pathlib.Path(libraries).glob("perl*/5.*")),
               os.path.join(libraries, "perl-base")]
    return [os.path.join(root, "lib/ld-linux.so.2"), "--library-path", libraries,
            os.path.join(root, "usr/bin/perl"), *(f"-I{path}" for path in modules)]


def all_cases(root, rounds):
    """In the order in which they run."""
    cases = []
    for libc in LIBCS:
        for kind in KINDS:
            command = [f"./{libc}", kind, rounds]
            cases.append(Case(f"{libc} {kind}", command, command))
    # There are many of them, and what counts is that they alternate.
    together = ["./together", str(int(rounds) // 5), *LIBCS, "--", *KINDS]
    cases.append(Case("together", together, together))
    cases.append(Case("perl", ["perl", "script.pl", rounds],
                      [*perl_command(root), "script.pl", rounds]))
    # A debugger shows selectors, which are others on the host.
    cases.append(Case("gdb", ["gdb", "-batch", "-nx", "-x", "debug.gdb", "./debugged"],
                      expected=(SOURCES / "debug.expected").read_text()))
    return cases


def battery(cases):
    """The script that runs them in the guest."""
    return "\n".join(
        f"echo 'programs: begin {case.name}'\n"
        f"timeout {CASE_LIMIT_S} {shlex.join(case.command)} </dev/null 2>&1\n"
        f"echo \"programs: end {case.name}: $?\"" for case in cases) + "\n"


class Machine:
    """Boots guests that run programs. `folder` has these and takes what is made."""

    def __init__(self, program, kernel, image, folder):
        self._program, self._kernel, self._image = program, kernel, image
        self._folder = folder

    def run(self, engine_name, cases):
        """What each case printed, with its status as a last line."""
        with tempfile.TemporaryDirectory(prefix="faumachine-programs-") as folder:
            tree = os.path.join(folder, "tree")
            shutil.copytree(self._folder, os.path.join(tree, "programs"))
            shutil.copy(SOURCES / "init", tree)
            with open(os.path.join(tree, "programs/battery"), "w",
                      encoding="ascii") as file:
                file.write(battery(cases))
            initrd.add(os.path.join(self._kernel, "initrd.gz"), tree,
                       os.path.join(folder, "initrd.gz"))
            os.symlink(os.path.join(self._kernel, "vmlinuz"),
                       os.path.join(folder, "vmlinuz"))
            guest = boot.Guest.on_pipes(
                [self._program, *engine.words(engine_name),
                 *boot.kernel_options(folder, ""), "-snapshot", "-hda",
                 os.path.join(self._image, "root.img"), "-nographic", "-no-reboot"])
            found = [self._follow(guest, case) for case in cases]
            guest.expect(b"programs: done")
            guest.expect_power_off()
            return found

    @staticmethod
    def _follow(guest, case):
        guest.expect(f"programs: begin {case.name}".encode(), boot.BOOT_LIMIT_S)
        text = guest.expect(f"programs: end {case.name}: ".encode(),
                            CASE_LIMIT_S + boot.COMMAND_LIMIT_S)
        status = guest.expect(b"\n").decode().strip()
        return (text.decode(errors="replace").replace("\r", "")
                + f"status {status}\n")


def differences(expected, found, names=("expected", "found")):
    """Empty if there are none."""
    return list(difflib.unified_diff(expected, found, *names, lineterm="", n=1))


def judge(cases, expected, found):
    """Prints what became of each case; returns lines about those that failed."""
    failures = []
    for case, right, text in zip(cases, expected, found):
        lines = differences(for_comparison(right + "status 0\n"), for_comparison(text))
        failures += [f"{case.name}: {line}" for line in lines]
        print(f"programs_test: {case.name}: {'FAILED' if lines else 'passed'}")
    return failures


def compare_with_reference(machine, cases, found):
    """Lines about what only this engine shows, or does not show."""
    names = [case.name for case in cases]
    if VISIBLE not in names or engine.NAME == REFERENCE:
        return []
    position = names.index(VISIBLE)
    seen, right = ([line for line in text.splitlines() if line.startswith(GUEST_ONLY)]
                   for text in (found[position],
                                *machine.run(REFERENCE, [cases[position]])))
    return [f"{VISIBLE}: {line}"
            for line in differences(right, seen, (REFERENCE, engine.NAME))]


def main():
    """All of it."""
    program, fetch_guest, make_guest_image, flavour, rounds, *chosen = sys.argv[1:]
    engine.options(program)  # ends the test if there is no such engine
    kernel = boot.fetch(fetch_guest, flavour)
    image = boot.fetch(make_guest_image, "programs")
    root = os.path.join(image, "root")
    with tempfile.TemporaryDirectory(prefix="faumachine-programs-") as folder:
        compile_programs(folder, root)
        cases = [case for case in all_cases(root, rounds)
                 if not chosen or case.name in chosen]
        expected = [case.run_natively(folder) if case.native else case.expected
                    for case in cases]
        machine = Machine(program, kernel, image, folder)
        found = machine.run(engine.NAME, cases)
        print()
        failures = judge(cases, expected, found)
        failures += compare_with_reference(machine, cases, found)
    if failures:
        print("\n" + "\n".join(failures))
        sys.exit(f"programs_test: engine {engine.NAME}: wrong results")
    print(f"\nprograms_test: engine {engine.NAME}: {len(cases)} programs, all right")


if __name__ == "__main__":
    main()
