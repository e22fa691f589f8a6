"""Writes the figures down, in Markdown."""

import dataclasses
import datetime
import os
import platform
import statistics
import subprocess

import bars
import figures
import guest
from figures import CPU, WALL
from machines import Bochs, Native, Qemu

BEGIN = "<!-- Written by `make bench` from here on. -->"
END = "<!-- Written by `make bench` up to here. -->"
NATIVE, QEMU, BOCHS = Native.name, Qemu.name, Bochs.name


def seconds(value):
    """Three digits that count."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def ratio(value):
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.{1 if value >= 10 else 2}f}"


def cell(values, scale=1.0):
    """Median with the smallest and the largest."""
    values = sorted(value * scale for value in values)
    if not values:
        return "–"
    median = statistics.median(values)
    if len(values) == 1:
        return seconds(median)
    return f"{seconds(median)} ({seconds(values[0])}–{seconds(values[-1])})"


def table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    aligned = [[row[0].ljust(widths[0]), *(text.rjust(width) for text, width
                                           in zip(row[1:], widths[1:]))]
               for row in [head, line, *rows]]
    return "\n".join("| " + " | ".join(row) + " |" for row in aligned)


def processor():
    model, virtual = "unknown processor", False
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        for line in cpuinfo:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            virtual |= name.strip() == "flags" and "hypervisor" in value.split()
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} core{'s' if cores > 1 else ''}" + \
        (", a virtual machine" if virtual else "")


def git(*arguments):
    here = os.path.dirname(os.path.abspath(__file__))
    return subprocess.run(["git", "-C", here, *arguments], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()


def commit():
    """Of the sources, in words; the program has been built from them just now."""
    name = git("rev-parse", "--short", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../src")
    return name and f", commit {name}" + (" with changes" if changed else "")


@dataclasses.dataclass
class Section:
    """A table: `rows` are titles and figures, in seconds times `scale`."""

    title: str
    unit: str
    scale: float
    head: str
    rows: list
    native: bool = True


def sections():
    """Each title tells by itself what it is: the ratios are all in one table."""
    return [
        Section("Boot to a shell", "seconds", 1, "boot", [
            ("boot from disk, by GRUB", "disk"),
            *((f"… {phase}", phase) for phase in figures.PHASES),
            ("boot with `-kernel`", "kernel")], native=False),
        Section("Integer programs", "milliseconds for a round", 1e3, "kind",
                [*((kind, kind) for kind in guest.INTEGER),
                 ("geometric mean, integer", "integer")]),
        Section("Floating point and SIMD", "milliseconds for a round", 1e3, "kind",
                [*((kind, kind) for kind in guest.FLOATING),
                 ("geometric mean, floating", "floating")]),
        Section("The system side", "microseconds for one", 1e6, "kind", [
            ("system call (getpid)", "getpid"), ("page fault, fresh page", "fault"),
            ("fork, exit and wait", "fork"), ("fork, exec and wait", "exec"),
            ("byte to a process and back", "pipe"),
            ("program from a shell", guest.SHELL)]),
        Section("gcc compiles zlib", "seconds", 1, "when", [
            ("compile, first after the boot", guest.FIRST_COMPILE),
            ("compile, again", guest.COMPILE)])]


class Report:
    """`machines`: the names of those that booted; `engines`: ours, with the names of
    their machines; `loads`: load averages in the course of the run."""

    def __init__(self, results, machines, engines, commands, versions, loads):
        self._figures = results
        self._machines = machines
        self._engines = engines
        self._commands = commands
        self._versions = versions
        self._loads = loads

    def text(self):
        parts = [self._circumstances()]
        for section in sections():
            parts += [f"### {section.title}, {section.unit}", self._times(section)]
        parts += ["### Ratios of the medians", self._ratios(WALL),
                  "### CPU time of the processes", self._cpu(),
                  "### Ratios of the medians of CPU time", self._ratios(CPU),
                  "### Bars", "\n".join(bars.of(self._figures, self._engines)),
                  "### Commands", "\n".join(f"    {command}" for command in self._commands)]
        trouble = [*dict.fromkeys(self._figures.failures),
                   *(f"WRONG checksums of {wrong}" for wrong in self._figures.wrong_sums())]
        if trouble:
            parts += ["### What went wrong or was left out",
                      "\n".join(f"- {line}" for line in trouble)]
        return "\n\n".join(parts)

    def _circumstances(self):
        today = datetime.date.today().isoformat()
        system = platform.uname()
        low, high = min(self._loads), max(self._loads)
        lines = [f"Measured on {today}: {processor()}; {system.system} {system.release}. "
                 f"Load average over a minute, this run included: {low:.1f} to {high:.1f}.",
                 "Median, and in parentheses the smallest and the largest.", ""]
        return "\n".join(lines + [f"- {line}" for line in self._versions])

    def _times(self, section):
        names = [NATIVE, *self._machines] if section.native else self._machines
        return table([section.head, *names], [
            [title, *(cell(self._figures.values(name, figure), section.scale)
                      for name in names)] for title, figure in section.rows])

    def _ratios(self, which):
        engines = self._engines.items()
        pairs = [(f"{QEMU} / native", QEMU, NATIVE)] if QEMU in self._machines else []
        pairs += [(f"{engine} / {other}", name, other) for engine, name in engines
                  for other in (NATIVE, QEMU) if other in (NATIVE, *self._machines)]
        pairs += [(f"{BOCHS} / {engine}", BOCHS, name) for engine, name in engines
                  if BOCHS in self._machines]
        return table(["figure", *(title for title, _, _ in pairs)], [
            [title, *(ratio(self._figures.ratio(figure, name, other, which))
                      for _, name, other in pairs)]
            for section in sections() for title, figure in section.rows])

    def _cpu(self):
        names = [NATIVE, *self._machines]
        left_out = (*guest.INTEGER, *guest.FLOATING, *figures.PHASES)
        return table(["figure", *names], [
            [f"{title}, {section.unit}",
             *(cell(self._figures.values(name, figure, CPU), section.scale)
               for name in names)]
            for section in sections() for title, figure in section.rows
            if figure not in left_out])


def write(path, text):
    """Puts the text between its marks, and leaves what people wrote around it."""
    before, after = "# Benchmarks\n\n", "\n"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            old = file.read()
        if BEGIN in old and END in old:
            before, after = old.split(BEGIN)[0], old.split(END)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
