#!/usr/bin/env python3
"""Compares faumachine with QEMU, Bochs and the bare host: how long Debian's kernel takes
to boot, and how long programs take in it. Prints the figures and writes them to a file.

The exit status is 0 whatever the figures are."""

import argparse
import os
import shutil
import sys
import tempfile
import time

import figures
import guest
import machines
import report

HERE = os.path.dirname(os.path.abspath(__file__))
OUTPUT = os.path.join(HERE, "..", "docs", "benchmarks.md")
LIMIT_S = 400
BOCHS_LIMIT_S = 900
NATIVE_LIMIT_S = 60
ENGINES = ("interpreter", "jit", "direct")


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("program", help="build/faumachine")
    parser.add_argument("--quick", action="store_true",
                        help="one repetition, no Bochs, no file written")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--bochs", type=int, default=2, metavar="N",
                        help="repetitions of Bochs, which is slow (default 2)")
    parser.add_argument("--compiles", type=int, default=3, metavar="N",
                        help="repetitions with the compiler, which takes long (default 3)")
    parser.add_argument("--engines", metavar="NAME,...",
                        help="engines of faumachine to measure (default: all that it has);"
                        " NAME+counted for time counted in instructions")
    parser.add_argument("--output", default=OUTPUT, metavar="FILE",
                        help="default: docs/benchmarks.md")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.repetitions, chosen.bochs = 1, 0
    return chosen


class Progress:
    """Lines with the time since the start and the load average."""

    def __init__(self):
        self._start = time.monotonic()
        self.loads = [os.getloadavg()[0]]

    def say(self, text):
        self.loads.append(os.getloadavg()[0])
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        print(f"[{minutes:2}:{seconds:02}, load {self.loads[-1]:.1f}] {text}", flush=True)


class Bench:
    def __init__(self, chosen, folder):
        self._folder = folder
        self._repetitions, self._bochs_repetitions = chosen.repetitions, chosen.bochs
        self._compiles, self._quick = chosen.compiles, chosen.quick
        self._native = machines.Native()
        self._bochs = machines.Bochs()
        ours = [machines.Faumachine(chosen.program, engine)
                for engine in (chosen.engines.split(",") if chosen.engines else ENGINES)]
        if not chosen.engines:
            ours = [machine for machine in ours if machine.available()]
        self._booting = [machines.Qemu(), *ours]
        self._progress = Progress()
        self._figures = figures.Figures()

    def measure(self):
        say = self._progress.say
        say("preparing the guest")
        if not guest.compile_program(self._folder):
            sys.exit("bench: no compiler for static i386 programs (gcc-multilib)")
        self._versions = guest.prepare(self._folder)
        self._leave_out_missing()
        if self._progress.loads[-1] > 1:
            say("the host is busy with something else: wall times will be too long")
        for turn in range(self._repetitions):
            self._take_turn(turn)
        return self._figures

    def _leave_out_missing(self):
        for machine in [*self._booting, self._bochs]:
            if not machine.available():
                self._progress.say(f"{machine.name} is not there: left out")
                self._figures.failures.append(f"{machine.name}: not there")
        self._booting = [machine for machine in self._booting if machine.available()]
        if not self._bochs.available():
            self._bochs_repetitions = 0

    def _take_turn(self, turn):
        """Every machine once; what is compared is measured alternately."""
        which = f"{turn + 1} of {self._repetitions}"
        self._run_natively(turn, which)
        for machine in self._booting:
            self._boot(machine, "disk", which, LIMIT_S, guest.PROGRAMS)
        for machine in self._booting:
            self._boot(machine, "kernel", which, LIMIT_S,
                       self._userland_kinds(turn, machine.patient))
        if turn < self._bochs_repetitions:
            self._boot(self._bochs, "disk", f"{turn + 1} of {self._bochs_repetitions}",
                       BOCHS_LIMIT_S, guest.PROGRAMS)

    def _userland_kinds(self, turn, patient=False):
        """A patient machine compiles once only, and not if it is to be quick."""
        if turn >= self._compiles or (patient and (turn > 0 or self._quick)):
            return [guest.SHELL]
        if patient:
            return [guest.SHELL, guest.COMPILE]
        return [guest.SHELL, guest.FIRST_COMPILE, guest.COMPILE]

    def _run_natively(self, turn, which):
        native, kinds = self._native, self._userland_kinds(turn)
        runs = [native.run(self._folder, kind, NATIVE_LIMIT_S) for kind in guest.PROGRAMS]
        said = [self._figures.add_work(native.name, runs, guest.PROGRAMS),
                self._figures.add_work(
                    native.name, [native.run_userland(self._folder, kinds, NATIVE_LIMIT_S)],
                    kinds)]
        self._progress.say(f"{which}: {native.name}: {'; '.join(said)}")

    def _boot(self, machine, how, which, limit_s, kinds):
        in_userland = kinds if how == "kernel" else ()
        run = machine.boot(self._folder, how, figures.DONE_MARK, limit_s, in_userland)
        said = self._figures.add_boot(machine.name, how, run, kinds)
        self._progress.say(f"{which}: {machine.name}, from {how}: {said}")

    def report(self):
        tested = [*self._booting, *([self._bochs] if self._bochs_repetitions else [])]
        versions = [machine.version() + (report.commit() if machine.engine else "")
                    for machine in tested]
        kernel, userland = self._versions
        versions += [f"guest: Debian's kernel {kernel}, {machines.MEMORY_MIB} MiB",
                     "programs: `" + machines.in_words(guest.COMPILER) + "`",
                     f"user land: {userland}"]
        commands = [machines.in_words(machine.command(how, self._userland_kinds(0)))
                    for machine in tested for how in machine.boots]
        engines = {machine.engine: machine.name for machine in tested if machine.engine}
        return report.Report(self._figures, [machine.name for machine in tested], engines,
                             commands, dict.fromkeys(versions), self._progress.loads)


def main():
    chosen = options()
    if not shutil.which(chosen.program) and not os.access(chosen.program, os.X_OK):
        sys.exit(f"bench: no program {chosen.program}")
    with tempfile.TemporaryDirectory(prefix="faumachine-bench-") as folder:
        bench = Bench(chosen, folder)
        bench.measure()
        text = bench.report().text()
    print(f"\n{text}", flush=True)
    if not chosen.quick:
        report.write(chosen.output, text)
        print(f"\nwritten to {os.path.relpath(chosen.output)}")


if __name__ == "__main__":
    main()
