#!/usr/bin/env python3
"""Compares faumachine with QEMU, Bochs and the bare host: how long Debian's kernel takes
to boot, how long programs take in it, and how fast its devices are; and measures how many
experiments with faults there are in a second. Prints the figures and writes them to a file.

The exit status is 0 whatever the figures are."""

import argparse
import os
import shutil
import sys
import tempfile
import time

import campaigns
import chart
import devices
import engines
import figures
import guest
import machines
import report

HERE = os.path.dirname(os.path.abspath(__file__))
OUTPUT = os.path.join(HERE, "..", "docs", "benchmarks.md")
LIMIT_S = 400
BOCHS_LIMIT_S = 900
NATIVE_LIMIT_S = 60
# What can be measured without the others: boots and programs, devices, fault injection.
WORK, DEVICES, FAULTS = KINDS = ("work", "devices", "faults")


def options(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("program", help="build/faumachine")
    parser.add_argument("--quick", action="store_true",
                        help="one repetition, no Bochs, no back ends that are not named, no"
                        " file written")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--bochs", type=int, default=2, metavar="N",
                        help="repetitions of Bochs, which is slow (default 2)")
    parser.add_argument("--compiles", type=int, default=3, metavar="N",
                        help="repetitions with the compiler, which takes long, and of what"
                        " depends on the back end (default 3)")
    parser.add_argument("--engines", type=engine_list, metavar="NAME,...",
                        help="engines of faumachine to measure (default: all that it has);"
                        " NAME+counted for time counted in instructions, NAME@BACKEND for"
                        " one way of -syscall-redirect")
    parser.add_argument("--kinds", type=kind_list, default=KINDS, metavar="KIND,...",
                        help="what to measure: work (boots and programs), devices, faults;"
                        " some of them alone are not written to a file (default: all)")
    parser.add_argument("--output", default=OUTPUT, metavar="FILE",
                        help="default: docs/benchmarks.md; the figure goes beside it")
    chosen = parser.parse_args(words)
    if chosen.quick:
        chosen.repetitions, chosen.bochs = 1, 0
    if not chosen.engines:
        chosen.engines = engine_list(",".join(
            engines.USUAL if chosen.quick else engines.ALL))
    return chosen


def kind_list(text):
    names = text.split(",")
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]}: there are {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in names)


def engine_list(text):
    try:
        return engines.parse_list(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


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
        self._kinds = chosen.kinds
        self._device_turns = min(devices.TURNS, chosen.repetitions)
        self._campaigns = chosen.repetitions
        self._native = machines.Native()
        self._bochs = machines.Bochs()
        self._booting = [machines.Qemu(), *(machines.Faumachine(chosen.program, engine)
                                            for engine in chosen.engines)]
        if WORK not in chosen.kinds:
            self._repetitions = self._bochs_repetitions = 0
            self._booting = list(filter(devices.is_measured, self._booting))
        self._progress = Progress()
        self._figures = figures.Figures()
        self._devices = self._faults = None
        self._program = chosen.program

    def measure(self):
        say = self._progress.say
        say("preparing the guest")
        if not guest.compile_program(self._folder):
            sys.exit("bench: no compiler for static i386 programs (gcc-multilib)")
        self._versions = self._prepare()
        self._leave_out_missing()
        if self._progress.loads[-1] > 1:
            say("the host is busy with something else: wall times will be too long")
        for turn in range(self._repetitions):
            self._take_turn(turn)
        if DEVICES in self._kinds:
            self._devices = devices.DeviceBench(self._booting, self._native, self._figures,
                                                say, self._folder)
            self._devices.measure(self._device_turns)
        if FAULTS in self._kinds:
            self._faults = campaigns.CampaignBench(self._program, self._figures, say,
                                                   self._folder, self._quick)
            self._faults.measure(min(campaigns.REPETITIONS, self._campaigns))

    def _prepare(self):
        """Versions of what the guest has, in words."""
        if WORK not in self._kinds:
            kernel, userland = guest.prepare_kernel(self._folder), None
        else:
            kernel, userland = guest.prepare(self._folder)
        return [f"guest: Debian's kernel {kernel}, {machines.MEMORY_MIB} MiB",
                f"programs: `{machines.in_words(guest.COMPILER)}`",
                *([f"user land: {userland}"] if userland else [])]

    def _leave_out_missing(self):
        refused = []
        wanted = [*self._booting, *([self._bochs] if self._bochs_repetitions else [])]
        for machine in wanted:
            reason = machine.refusal()
            if reason:
                refused.append(machine)
                self._progress.say(f"{machine.name} is left out: {reason}")
                self._figures.failures.append(f"{machine.name}: {reason}")
        self._booting = [machine for machine in self._booting if machine not in refused]
        if self._bochs in refused:
            self._bochs_repetitions = 0

    def _take_turn(self, turn):
        """Every machine once; what is compared is measured alternately."""
        which = f"{turn + 1} of {self._repetitions}"
        self._run_natively(turn, which)
        for machine in self._booting:
            if "disk" in machine.boots:
                self._boot(machine, "disk", which, LIMIT_S, guest.PROGRAMS)
        for machine in self._booting:
            kinds = self.kernel_kinds(turn, machine)
            if kinds:
                self._boot(machine, "kernel", which, LIMIT_S, kinds)
        if turn < self._bochs_repetitions:
            self._boot(self._bochs, "disk", f"{turn + 1} of {self._bochs_repetitions}",
                       BOCHS_LIMIT_S, guest.PROGRAMS)

    def kernel_kinds(self, turn, machine):
        """What it does in a turn after it has booted from its kernel, if it boots. A
        patient machine compiles once only, and not if it is to be quick."""
        if machine.by_backend:
            return guest.BY_BACKEND if turn < self._compiles else ()
        if turn >= self._compiles or (machine.patient and (turn > 0 or self._quick)):
            return (guest.SHELL,)
        if machine.patient:
            return (guest.SHELL, guest.COMPILE)
        return guest.USERLAND

    def _run_natively(self, turn, which):
        native = self._native
        kinds = guest.USERLAND if turn < self._compiles else (guest.SHELL,)
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
        versions += self._versions
        ours = {machine.engine: machine.name for machine in tested if machine.engine}
        measured = [machine.name for machine in self._booting
                    if self._devices and devices.is_measured(machine)]
        return report.Report(self._figures, [machine.name for machine in tested], ours,
                             self._commands(tested), dict.fromkeys(versions),
                             self._progress.loads, work=WORK in self._kinds,
                             devices=measured, faults=self._faults)

    def _commands(self, tested):
        commands = []
        if WORK in self._kinds:
            commands += [machine.command(how, self.kernel_kinds(0, machine))
                         for machine in tested for how in machine.boots]
        if self._devices:
            commands += self._devices.commands()
        if self._faults:
            commands += self._faults.commands()
        return [machines.in_words(command) for command in commands]

    def draw(self, folder):
        """The figure; returns its files."""
        ours = {machine.engine: machine.name for machine in self._booting if machine.engine}
        return chart.write(folder, chart.bars(self._figures, ours))


def main():
    chosen = options()
    if not shutil.which(chosen.program) and not os.access(chosen.program, os.X_OK):
        sys.exit(f"bench: no program {chosen.program}")
    with tempfile.TemporaryDirectory(prefix="faumachine-bench-") as folder:
        bench = Bench(chosen, folder)
        bench.measure()
        text = bench.report().text()
    print(f"\n{text}", flush=True)
    if not chosen.quick and chosen.kinds == KINDS:
        report.write(chosen.output, text)
        drawn = bench.draw(os.path.dirname(os.path.abspath(chosen.output)))
        print("\nwritten to", ", ".join(os.path.relpath(path)
                                        for path in (chosen.output, *drawn)))


if __name__ == "__main__":
    main()
