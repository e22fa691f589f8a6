#!/usr/bin/env python3
"""Where the time of a campaign goes, by perf: shares of samples by what is done, and the
functions that take most.

    bench/profile_campaign.py build/faumachine STUDY [WHERE [EXPERIMENTS [ENGINE]]]

All of the command is among it: the machine's boot, too, where there is one."""

import collections
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
STUDIES = os.path.join(HERE, "..", "experiments")
LIMIT_S = 900
DATA = "perf.data"
FUNCTIONS = 12

# The first that fits: a pattern for "FILE FUNCTION" or the name of a library.
PARTS = (
    ("back to a checkpoint", r"src/(machine/(checkpoint\S*|machine_state)|state/|"
                             r"host/storage/layers)\S* (?!.*hash)"),
    ("the end's hash", r"src/\S+ .*hash"),
    ("faults: armed, followed, told of", r"src/(faults|disassembly)/|Zydis"),
    ("script: Lua, consoles, judging", r"src/experiment/|liblua"),
    ("campaign: messages, database", r"src/campaign/|libjansson|libsqlite"),
    ("running the guest: translated code", r"\[JIT\]|\[unknown\]|//anon|memfd"),
    ("running the guest: translating, decoding", r"src/cpu/(jit/(translate|encode|links|"
                                                 r"emit)|decoder/)|handler_choose"),
    ("running the guest: mapping its memory", r"src/cpu/mmu/"),
    ("running the guest: the rest", r"src/(cpu|bus|devices|clock|machine|host|base)/"),
    ("the host's kernel", r"\[k"),
    ("the C library: malloc, memcpy, printf", r"libc\.|libm\.|ld-linux|libpthread"),
)


def sources(program):
    """The file of each function, as far as names tell."""
    symbols = dict(re.findall(r"^([0-9a-f]+) [tT] (\S+)$", subprocess.run(
        ["nm", program], check=True, text=True, stdout=subprocess.PIPE).stdout, re.MULTILINE))
    lines = subprocess.run(["addr2line", "-e", program, *symbols], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    return {name: line.rsplit(":", 1)[0] for name, line in zip(symbols.values(), lines)}


def samples(folder):
    """Percentage, library and function."""
    text = subprocess.run(["perf", "report", "--stdio", "--input", DATA, "--sort",
                           "dso,symbol", "--percent-limit", "0"], cwd=folder, check=True,
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout
    return [(float(percent), library.strip(), function) for percent, library, function
            in re.findall(r"^ *([\d.]+)% +(\S.*?) +\[[k.]\] (\S+)", text, re.MULTILINE)]


def main():
    if not 3 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    program, study, where, count, engine = [*sys.argv[1:],
                                            *("ram", "3000", "jit")[len(sys.argv) - 3:]]
    with tempfile.TemporaryDirectory(prefix="faumachine-bench-") as folder:
        subprocess.run([os.path.join(STUDIES, study, "build"), folder], check=True)
        subprocess.run(
            ["perf", "record", "--quiet", "--freq", "997", "--output", DATA, "--",
             os.path.abspath(program), "campaign", "run",
             os.path.join(os.path.abspath(STUDIES), study, "experiment.lua"), "--set",
             f"guest={folder}", "--set", f"where={where}", "-n", count, "-j", "1",
             "--engine", engine, "--db", "results.sqlite", "--sandbox", "off"],
            cwd=folder, check=True, timeout=LIMIT_S)
        found, files = samples(folder), sources(program)
    shares = collections.Counter()
    for percent, library, function in found:
        what = f"{files.get(function, library)} {function} {library}"
        what = re.sub(r"^\S*/src/", "src/", what)
        shares[next((part for part, pattern in PARTS if re.search(pattern, what)),
                    "other")] += percent
    for part, percent in shares.most_common():
        print(f"{percent:5.1f} %  {part}")
    print()
    for percent, library, function in found[:FUNCTIONS]:
        print(f"{percent:5.1f} %  {function}  ({library})")


if __name__ == "__main__":
    main()
