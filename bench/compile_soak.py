#!/usr/bin/env python3
"""A guest compiles zlib again and again; each time the library must be the same, byte by
byte, as the one that the same compiler makes natively.

    compile_soak.py PROGRAM MINUTES

FAUMACHINE_ENGINE names the engine. Ends with status 77 (skipped) where the guest or the
program for it cannot be made.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

import console
import engines
import guest
import machines

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
# pylint: disable=wrong-import-position
import engine

NATIVE_LIMIT_S = 300
# For a boot, or a compilation; an interpreter takes minutes.
STEP_LIMIT_S = 1200
MORE_THAN_FIT = 1000000
LAST_LINES = 40


class Soaked(machines.Faumachine):
    """Does not stop by itself."""

    def command(self, how, kinds=()):
        *command, words = super().command(how, kinds)
        return [*command, f"{words} turns={MORE_THAN_FIT}"]


class Watch(console.Run):
    """Compares the checksum of each compilation with the expected one, and says it.
    `failure`: what went wrong."""

    def __init__(self, expected, wanted_s):
        super().__init__()
        self._expected, self._wanted_s = expected, wanted_s
        self._last = self.start
        self.done = 0
        self.failure = None

    def reached(self, until):
        """When the time is over or something is wrong."""
        for when, _, text in self.new_lines():
            self._judge(when, text)
            if self.failure:
                return True
            if self.done and when == self._last and when - self.start >= self._wanted_s:
                return True
        if time.monotonic() - self._last > STEP_LIMIT_S:
            self.failure = f"nothing for {STEP_LIMIT_S} s after {self.done} compilations"
        return self.failure is not None

    def _judge(self, when, text):
        found = re.search(rf"bench: end {guest.COMPILE} (\w+)", text)
        if found:
            self.done += 1
            print(f"compile_soak: compilation {self.done}: {found[1]} after "
                  f"{when - self._last:.1f} s; {(when - self.start) / 60:.1f} of "
                  f"{self._wanted_s / 60:g} minutes", flush=True)
            self._last = when
            if found[1] != self._expected:
                self.failure = f"compilation {self.done}: checksum {found[1]}, " \
                               f"natively {self._expected}"
        elif re.search("bench: .*differs|bench: done|Kernel panic", text):
            self.failure = f"compilation {self.done + 1} failed"


def make_guest(folder):
    """In the folder; or the end of the test."""
    try:
        if guest.compile_program(folder):
            return guest.prepare_userland(folder)
        print("no compiler for static i386 programs: skipped")
    except subprocess.CalledProcessError:
        print("cannot make the guest: skipped")
    return sys.exit(engine.SKIPPED)


def native_checksum(folder):
    run = machines.Native().run_userland(folder, [guest.COMPILE], NATIVE_LIMIT_S)
    end = run.find(f"bench: end {guest.COMPILE} ")
    if not end:
        print(run.errors)
        sys.exit("compile_soak: cannot compile natively")
    return end[2].split("bench: end ")[1].split()[1]


def main():
    """All of it."""
    program, minutes = sys.argv[1:]
    engine.options(program)  # ends the test if there is no such engine
    machine = Soaked(program, engines.parse(engine.NAME))
    wanted_s = float(minutes) * 60
    with tempfile.TemporaryDirectory(prefix="faumachine-soak-") as folder:
        _, userland = make_guest(folder)
        expected = native_checksum(folder)
        print(f"compile_soak: {userland}: natively {expected}", flush=True)
        watch = Watch(expected, wanted_s)
        console.run(machine.command("kernel", [guest.COMPILE]), folder, "",
                    wanted_s + 2 * STEP_LIMIT_S, result=watch)
    print(watch.errors)
    if not watch.failure and time.monotonic() - watch.start < wanted_s:
        watch.failure = f"the program ended after {watch.done} compilations"
    if watch.failure:
        print("\n".join(text for _, _, text in watch.lines[-LAST_LINES:]))
        sys.exit(f"compile_soak: engine {engine.NAME}: {watch.failure}")
    print(f"compile_soak: engine {engine.NAME}: {watch.done} times the same library")


if __name__ == "__main__":
    main()
