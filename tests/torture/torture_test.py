#!/usr/bin/env python3
"""Runs the kernel that torments the MMU in our machine and in QEMU, and compares what
it prints.

    torture_test.py PROGRAM KERNEL [SEEDS]

expected.txt holds what our machine must print, line by line; QEMU must print the same
but for the lines in qemu_differences.txt, which say why. A line of a topic stands for
that topic under PAE, too, unless there is one for that. The last line of a run that
hangs tells where. Where QEMU is not installed its half is left out.

With SEEDS our machine runs that often with random numbers from other seeds, for which
the kernel's own checks must hold.
"""

import os
import pathlib
import random
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "system"))
# pylint: disable=wrong-import-position
import system_test

LIMIT_S = 300
# What QEMU does not know at all: segment limits.
QEMU_SKIPS = "limits"
# Ends what a line says where the processor lacks an extension.
LACKING = "without"


def read_table(name):
    """A table, with the lines for PAE added."""
    table = system_test.read_table(HERE / name)
    for case, line in list(table.items()):
        topic, name = case.split(".")
        with_pae = f"{topic}_pae.{name}"
        if topic != "kernel" and not topic.endswith("_pae"):
            table.setdefault(with_pae, with_pae + line[len(case):])
    return table


def compare(who, wanted, command):
    """Runs the command; True if it prints what is wanted."""
    found = system_test.by_case(system_test.lines_of(
        command, system_test.DEBUG_EXIT_PASSED, LIMIT_S))
    lacking = [case for case, line in found.items() if f" {LACKING} " in line]
    return system_test.compare(
        who, {case: line for case, line in wanted.items() if case not in lacking},
        {case: line for case, line in found.items() if case not in lacking})


def run_seeds(program, kernel, count):
    """Ends with the kernel's output if a check fails."""
    rng = random.Random(os.environ.get("FAUMACHINE_SEED"))
    for _ in range(count):
        seed = f"{rng.getrandbits(32):x}"
        print(f"seed={seed}", flush=True)
        system_test.lines_of(system_test.ours(program, kernel, "seed=" + seed),
                             system_test.DEBUG_EXIT_PASSED, LIMIT_S)
    return 0


def main(program, kernel, seeds="0"):
    """Returns the exit status."""
    if int(seeds):
        return run_seeds(program, kernel, int(seeds))
    expected = read_table("expected.txt")
    good = compare("our machine", expected, system_test.ours(program, kernel, ""))
    if not shutil.which(system_test.QEMU):
        print(f"{system_test.QEMU} is not installed: compared with expected.txt alone")
        return 0 if good else 1
    wanted = {name: line for name, line in expected.items()
              if not name.startswith(QEMU_SKIPS)}
    wanted.update(read_table("qemu_differences.txt"))
    good &= compare("QEMU", wanted,
                    system_test.qemus(kernel, "skip=" + QEMU_SKIPS + "_pae"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
