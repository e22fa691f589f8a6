"""Writes the figures down, in Markdown."""

import datetime
import os
import platform
import statistics
import subprocess

import figures
import guest
from figures import CPU, WALL

BEGIN = "<!-- Written by `make bench` from here on. -->"
END = "<!-- Written by `make bench` up to here. -->"
BOOT_BAR, COMPUTE_BAR = 6, 4
NATIVE, QEMU, BOCHS = "native", "QEMU", "Bochs"


def seconds(value):
    """Three digits that count."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def ratio(value):
    return "–" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


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
        parts = [self._circumstances(), "### Boot to a shell, seconds", self._boots(),
                 "### Programs, seconds", self._compute(),
                 "### Into the kernel, microseconds for one", self._system(),
                 "### CPU time of the process, seconds", self._cpu(),
                 "### Bars", self._bars(), "### Commands", self._command_list()]
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

    def _table(self, head, rows, which=WALL, with_native=True):
        """`rows`: title, figure, factor by which to multiply."""
        names = [NATIVE, *self._machines] if with_native else self._machines
        pairs = [(f"{engine} / {other}", name, other) for engine, name
                 in self._engines.items() for other in (NATIVE, QEMU) if other in names]
        pairs += [(f"{BOCHS} / {engine}", BOCHS, name) for engine, name
                  in self._engines.items() if BOCHS in names]
        return table(
            [head, *names, *(title for title, _, _ in pairs)],
            [[title,
              *(cell(self._figures.values(name, figure, which), scale) for name in names),
              *(ratio(self._figures.ratio(figure, a, b, which)) for _, a, b in pairs)]
             for title, figure, scale in rows])

    def _boots(self):
        return self._table("from", [
            ("disk image, by GRUB", "disk", 1),
            *((f"… {phase}", phase, 1) for phase in figures.PHASES),
            ("`-kernel`, `-initrd`", "kernel", 1)], with_native=False)

    def _compute(self):
        return self._table("kind", [*((kind, kind, 1) for kind in guest.COMPUTE),
                                    ("all of them", "compute", 1)])

    def _system(self):
        return self._table("kind", [
            (title, kind, 1e6 / self._figures.operations.get(kind, 1)) for title, kind in
            (("system call (getpid)", "getpid"), ("page fault, fresh page", "fault"),
             ("fork, exit and wait", "fork"))])

    def _cpu(self):
        times = self._figures.operations
        return self._table("figure", [
            ("boot from the disk image", "disk", 1),
            ("boot with `-kernel`", "kernel", 1), ("programs, all kinds", "compute", 1),
            *((f"{kind}, {times[kind]} times", kind, 1) for kind in guest.SYSTEM
              if kind in times)], CPU)

    def _bars(self):
        lines = []
        for engine, name in self._engines.items():
            for how, what in (("disk", "from disk"), ("kernel", "with `-kernel`")):
                value = self._figures.ratio(how, name, QEMU)
                lines.append(self._bar(
                    f"{engine}: boot {what} in at most {BOOT_BAR} times {QEMU}'s time",
                    value, value and value <= BOOT_BAR))
            value = self._figures.ratio("compute", BOCHS, name)
            lines.append(self._bar(
                f"{engine}: programs at least {COMPUTE_BAR} times as fast as in {BOCHS}",
                value, value and value >= COMPUTE_BAR))
        return "\n".join(lines)

    @staticmethod
    def _bar(what, value, met):
        if value is None:
            return f"- {what}: **not measured**"
        return f"- {what}: {value:.1f} times, **{'met' if met else 'NOT met'}**"

    def _command_list(self):
        lines = [f"    {command}" for command in self._commands]
        counters = self._figures.counters
        if counters:
            lines += ["", "Instructions retired in the last run:", ""]
        for (machine, how), count in counters.items():
            extent = ", with the programs" if how == "disk" else ""
            lines.append(f"- {machine}, from {how}{extent}: {count / 1e6:.0f} million")
        return "\n".join(lines)


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
