#!/usr/bin/env python3
"""Where an engine's time goes: boots the guest of the benchmark under perf, and prints
for each part of the boot and each kind of work which functions took how much. A second
boot, without perf and with time counted in instructions, tells how many instructions an
operation is and how long one takes.

    bench/profile_engine.py build/faumachine [ENGINE [disk|kernel]]

From disk (as without a word) it does the programs, from kernel the work in the user land.
The engine is the interpreter, if none is named.
"""

import os
import re
import subprocess
import sys
import tempfile

import engines
import figures
import guest
import machines

LIMIT_S = 600
FUNCTIONS = 8
LEAST_PERCENT = 2.0
DATA = "perf.data"


class Profiled(machines.Faumachine):
    """With perf around it. It takes the monotonic clock, as console.py does."""

    def command(self, how, kinds=()):
        return ["perf", "record", "--quiet", "--clockid", "CLOCK_MONOTONIC",
                "--freq", "997", "--output", DATA, "--", *super().command(how, kinds)]


def parts(run, kinds):
    """Name, begin and end of what can be told apart in a run."""
    begin = run.start
    for phase, mark in figures.PHASES.items():
        end = run.find(mark)
        if end:
            yield phase, begin, end[0]
            begin = end[0]
    for kind in kinds:
        first, last = run.find(f"bench: begin {kind}"), run.find(f"bench: end {kind} ")
        if first and last:
            yield kind, first[0], last[0]


def functions(folder, begin, end):
    """Percentages and names, largest first."""
    text = subprocess.run(
        ["perf", "report", "--stdio", "--input", DATA, "--sort", "symbol", "--time",
         f"{begin:.6f},{end:.6f}"], cwd=folder, check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return [(float(percent), where == "k", name) for percent, where, name
            in re.findall(r"^ *([\d.]+)% +\[(.)\] (\S+)", text, re.MULTILINE)]


def instructions(run, kinds):
    """Instructions of each kind, as with counted time one is a nanosecond, and the CPU
    seconds that they took, each for one operation."""
    for kind in kinds:
        end = run.find(f"bench: end {kind} ")
        times = run.between(f"bench: begin {kind}", f"bench: end {kind} ")
        if times:
            operations, count = (int(word) for word in end[2].split()[-2:])
            yield kind, (count / operations, times[figures.CPU] / operations)


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    program, chosen, how = [*sys.argv[1:],
                            *(engines.INTERPRETER, "disk")[len(sys.argv) - 2:]]
    engine = engines.parse(chosen)
    kinds = guest.PROGRAMS if how == "disk" else (guest.SHELL, guest.COMPILE)
    with tempfile.TemporaryDirectory(prefix="faumachine-bench-") as folder:
        if not guest.compile_program(folder):
            sys.exit("profile: no compiler for static i386 programs (gcc-multilib)")
        guest.prepare(folder)
        profiled, counted = (machine.boot(folder, how, figures.DONE_MARK, LIMIT_S, kinds)
                             for machine in (Profiled(program, engine), machines.Faumachine(
                                 program, engine.with_clock("counted"))))
        if not os.path.exists(os.path.join(folder, DATA)):
            sys.exit(f"profile: perf did not work: {profiled.errors.strip()}")
        counts = dict(instructions(counted, kinds))
        for name, begin, end in parts(profiled, kinds):
            print_part(name, end - begin, counts.get(name), functions(folder, begin, end))


def print_part(name, wall_s, counted, listed):
    speed = ""
    if counted:
        count, cpu_s = counted
        speed = f"; {count / 1e6:.3g} million instructions an operation, " \
                f"{cpu_s / count * 1e9:.1f} ns each"
    print(f"{name}: {wall_s:.2f} s with perf{speed}")
    host = sum(percent for percent, in_kernel, _ in listed if in_kernel)
    for percent, in_kernel, function in listed[:FUNCTIONS]:
        if percent >= LEAST_PERCENT and not in_kernel:
            print(f"    {percent:5.1f}%  {function}")
    if host >= LEAST_PERCENT:
        print(f"    {host:5.1f}%  the host's kernel")


if __name__ == "__main__":
    main()
