#!/usr/bin/env python3
"""Measures fault injection: how many experiments of a study there are in a second on one
core, what checkpoints cost and faults that wait; and the same experiments in Bochs.

    bench/campaigns.py [--quick] [--repetitions N] build/faumachine

prints the figures; `make bench` has them in docs/benchmarks.md, too."""

import argparse
import dataclasses
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

import bochs_faults
import engines
import figures
import guest
import machines

HERE = os.path.dirname(os.path.abspath(__file__))
STUDIES = os.path.join(HERE, "..", "experiments")
LIMIT_S, BUILD_LIMIT_S = 900, 300
REPETITIONS, QUICK_REPETITIONS = 3, 1
BOCHS_EXPERIMENTS, QUICK_BOCHS_EXPERIMENTS = 100, 20

# The names of those that do the experiments, as machines are named elsewhere.
JIT, INTERPRETER = (f"faumachine, {name}" for name in (engines.JIT, engines.INTERPRETER))
BOCHS_ANEW, BOCHS_AGAIN = "Bochs, a process each", "Bochs, one process"
RUNNERS = (JIT, INTERPRETER, BOCHS_ANEW, BOCHS_AGAIN)

SORT, KERNEL = "sort-tmr", "kernel-bitflips"


@dataclasses.dataclass(frozen=True)
class Workload:
    """`count` experiments of a campaign, fewer if it is to be quick. `patient`: too much
    for the interpreter."""

    title: str
    study: str
    where: str
    count: int
    quick_count: int
    prune: bool = False
    patient: bool = False

    def command(self, program, engine, folder, count):
        return [program, "campaign", "run",
                os.path.join(STUDIES, self.study, "experiment.lua"),
                "--set", f"guest={os.path.join(folder, self.study)}",
                "--set", f"where={self.where}", "-n", str(count), "-j", "1",
                "--engine", engine, "--db", os.path.join(folder, "results.sqlite"),
                *(["--prune"] if self.prune else [])]


RAM, REGISTERS = (Workload(f"program that sorts, {words}", SORT, where, 5000, 1000)
                  for words, where in (("numbers", "ram"), ("registers", "registers")))
PRUNED = [Workload(f"… {words}, pruned", SORT, where, 5000, 1000, prune=True)
          for words, where in (("numbers", "ram"), ("registers", "registers"))]
LINUX = [Workload(f"running Linux, {where}", KERNEL, where, 200, 30, patient=True)
         for where in ("text", "data", "stack", "registers")]
WORKLOADS = (RAM, REGISTERS, *PRUNED, *LINUX)
BARE = (RAM, REGISTERS)

# Figures of what checkpoints cost, as bench/checkpoints calls it.
CHECKPOINTS = {
    "back-short": ("back to the checkpoint", "back to a checkpoint, some 50 pages written"),
    "first": ("the first checkpoint", "the first checkpoint"),
    "second": ("a second checkpoint", "another one, 20 million instructions later"),
    "back-long": ("back to the first", "back to the first from there"),
}
ARMED = "armed: "
# Of those that bench/armed_faults measures, which have a bar: in words, and its own.
ARMED_BARS = (("RAM and a register by the number of instructions",
               "RAM, and a register, by instructions"), ("RAM by time", "RAM, by time"))


def worked_out(title):
    """The figure of experiments that were carried out, not only drawn."""
    return f"{title}, carried out"


class CampaignBench:
    """`program`: ours; `results`: the figures that it adds to; `say`: takes lines about the
    progress; `folder`: for its own files."""

    def __init__(self, program, results, say, folder, quick=False):
        self._program = os.path.abspath(program)
        self._figures, self._say, self._quick = results, say, quick
        self._folder = os.path.join(folder, "campaigns")
        self._core = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
        self._loop = None
        self._armed = []
        self._shares = {}

    def measure(self, repetitions):
        os.mkdir(self._folder)
        built = [study for study in (SORT, KERNEL) if self._build(study)]
        self._prepare_bochs()
        for turn in range(repetitions):
            which = f"{turn + 1} of {repetitions}"
            for workload in WORKLOADS:
                if workload.study in built:
                    self._run(workload, which)
            self._measure_costs(which)
            if self._loop:
                self._run_bochs(which)
        if self._loop:
            self._loop.end()

    def _fail(self, text):
        self._figures.failures.append(text)
        self._say(text)

    def _build(self, study):
        folder = os.path.join(self._folder, study)
        built = subprocess.run([os.path.join(STUDIES, study, "build"), folder], check=False,
                               stdout=subprocess.DEVNULL, timeout=BUILD_LIMIT_S)
        if built.returncode:
            self._fail(f"campaigns: the guest of {study} cannot be built")
        return not built.returncode

    # -- campaigns --

    def _run(self, workload, which):
        count = workload.quick_count if self._quick else workload.count
        for name, engine in ((JIT, engines.JIT), (INTERPRETER, engines.INTERPRETER)):
            if not (workload.patient and engine == engines.INTERPRETER):
                self._run_one(workload, name, engine, count, which)

    def _run_one(self, workload, name, engine, count, which):
        database = os.path.join(self._folder, "results.sqlite")
        if os.path.exists(database):
            os.remove(database)
        command = workload.command(self._program, engine, self._folder, count)
        result = subprocess.run([*self._core, *command], check=False, text=True,
                                timeout=LIMIT_S, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        rate = re.findall(rf"^{count} of {count}, ([\d.e+]+)/s", result.stderr, re.MULTILINE)
        if result.returncode or not rate:
            self._fail(f"{name}, {workload.title}: {result.stderr.strip()[-200:]}")
            return
        time_s = 1 / float(rate[-1])
        self._figures.add(name, workload.title, (time_s, time_s))
        with sqlite3.connect(database) as connection:
            carried_out, inside_ms = connection.execute(
                "SELECT count(*), sum(host_ms) FROM experiments WHERE same_as IS NULL"
            ).fetchone()
            outcomes = dict(connection.execute(
                "SELECT outcome, count(*) FROM experiments GROUP BY outcome"))
        connection.close()
        if workload is RAM:
            self._shares[name] = outcomes.get("detected", 0) / count
        each_s = count * time_s / carried_out
        self._figures.add(name, worked_out(workload.title), (each_s, each_s))
        self._say(f"{which}: {name}, {workload.title}: {1 / time_s:.3g}/s; {carried_out}"
                  f" carried out, {100 * inside_ms / 1e3 / (count * time_s):.0f} % of the"
                  " time within them")

    # -- checkpoints, faults that wait --

    def _helper(self, name, *arguments):
        """What a program beside ours prints; "" without it."""
        path = os.path.join(os.path.dirname(self._program), "bench", name)
        if not os.path.exists(path):
            self._fail(f"campaigns: no {path}; build it with ninja bench/{name}")
            return ""
        kernel = guest.tool("fetch-guest")
        result = subprocess.run(
            [*self._core, path, engines.JIT, os.path.join(kernel, "vmlinuz"),
             os.path.join(kernel, "initrd.gz"), *arguments], check=False, text=True,
            timeout=LIMIT_S, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if result.returncode:
            self._fail(f"campaigns: {name} has failed")
        return result.stdout

    def _measure_costs(self, which):
        said = self._helper("checkpoints", "1500000000")
        for figure, (words, _) in CHECKPOINTS.items():
            found = re.search(rf"^ *{words} +([\d.]+)", said, re.MULTILINE)
            if found:
                self._figures.add(JIT, figure, (float(found[1]) / 1e6,) * 2)
        said = self._helper("armed_faults", *(["3"] if self._quick else []))
        for name, percent in re.findall(r"^(.+?) +[\d.]+ ms +([-+][\d.]+) %$", said,
                                        re.MULTILINE):
            if name != "none":
                self._armed += [name] if name not in self._armed else []
                self._figures.add(JIT, ARMED + name, (float(percent) / 100,) * 2)
        self._say(f"{which}: checkpoints, faults that wait")

    # -- Bochs --

    def _prepare_bochs(self):
        reason = bochs_faults.lacks()
        try:
            if not reason:
                folder = os.path.join(self._folder, "bochs")
                os.mkdir(folder)
                self._loop = bochs_faults.Loop(folder)
        except (subprocess.SubprocessError, bochs_faults.Ended, OSError) as error:
            reason = str(error)
        if reason:
            self._fail(f"campaigns: Bochs is left out: {reason}")

    def _run_bochs(self, which):
        count = QUICK_BOCHS_EXPERIMENTS if self._quick else BOCHS_EXPERIMENTS
        for name, anew in ((BOCHS_ANEW, True), (BOCHS_AGAIN, False)):
            begin, outcomes = time.monotonic(), []
            for _ in range(count):
                outcomes.append(self._loop.run(anew))
            time_s = (time.monotonic() - begin) / count
            self._figures.add(name, RAM.title, (time_s, time_s))
            self._shares[name] = outcomes.count("detected") / count
            self._say(f"{which}: {name}, {RAM.title}: {1 / time_s:.3g}/s")

    # -- for the report --

    def armed(self):
        """Titles and figures."""
        return [(name, ARMED + name) for name in self._armed]

    def shares(self):
        """In words: whether all do the same experiments."""
        return "; ".join(f"{name} {100 * share:.0f} %" for name, share
                         in self._shares.items())

    def commands(self):
        shown = [RAM.command("faumachine", engines.JIT, ".", RAM.count),
                 LINUX[-1].command("faumachine", engines.JIT, ".", LINUX[-1].count)]
        return [[os.path.relpath(word, os.path.join(HERE, "..")) if "/" in word
                 and os.path.isabs(word) else word for word in command]
                for command in shown] + \
            [["bench/checkpoints", engines.JIT, "vmlinuz", "initrd.gz", "1500000000"],
             ["bench/armed_faults", engines.JIT, "vmlinuz", "initrd.gz"]]


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("program", help="build/faumachine")
    parser.add_argument("--quick", action="store_true", help="one repetition, less of it")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, metavar="N")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.repetitions = QUICK_REPETITIONS
    return chosen


def main():
    # They need what is above.
    import bars  # pylint: disable=import-outside-toplevel
    import report  # pylint: disable=import-outside-toplevel
    chosen = options()
    if not shutil.which(chosen.program):
        sys.exit(f"campaigns: no program {chosen.program}")
    results = figures.Figures()
    with tempfile.TemporaryDirectory(prefix="faumachine-bench-") as folder:
        bench = CampaignBench(chosen.program, results, lambda line: print(line, flush=True),
                              folder, chosen.quick)
        bench.measure(chosen.repetitions)
    print("\n" + "\n\n".join([*report.of_faults(results, bench),
                                "\n".join(bars.of_faults(results))]))
    for failure in results.failures:
        print(failure)


if __name__ == "__main__":
    main()
