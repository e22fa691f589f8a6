"""Writes the figures down, in Markdown."""

import dataclasses
import datetime
import os
import platform
import statistics
import subprocess

import bars
import campaigns
import chart
import engines
import figures
import guest
from figures import CPU, WALL, ratio, seconds
from machines import Bochs, Native, Qemu

TALK = """\
Such a figure ended the talk of 2004 about FAUmachine (University of Erlangen; UMLinux
before): the time to compile natively, under the JIT, with system calls redirected by
ptrace, and with the host kernel's support for redirecting them, which was a patch then.
What it showed is that this support takes away most of what ptrace costs. Here `sysemu`
and `ptrace` are the tracer's ways, `sud` and `seccomp` are what Linux has for it now, and
`copy` asks nothing of the kernel."""

BEGIN = "<!-- Written by `make bench` from here on. -->"
END = "<!-- Written by `make bench` up to here. -->"
NATIVE, QEMU, BOCHS = Native.name, Qemu.name, Bochs.name


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
    """A table: `rows` are titles and figures, in seconds times `scale`. `rate`: it shows
    how often something happens in a second, times `scale`, not how long it takes."""

    title: str
    unit: str
    scale: float
    head: str
    rows: list
    native: bool = True
    rate: bool = False

    def cell(self, values):
        return cell([1 / value for value in values] if self.rate else values, self.scale)


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
            ("getpid by the vDSO", "getpid"), ("getpid by INT 80h", "int80"),
            ("page fault, fresh page", "fault"),
            ("fork, exit and wait", "fork"), ("fork, exec and wait", "exec"),
            ("byte to a process and back", "pipe"),
            ("program from a shell", guest.SHELL)]),
        Section("gcc compiles zlib", "seconds", 1, "when", [
            ("compile, first after the boot", guest.FIRST_COMPILE),
            ("compile, again", guest.COMPILE)])]


def device_sections():
    """Likewise, of devices. A transfer's operation is a KiB."""
    transfers = [(f"{name}, {words}", f"{disk}-{transfer}")
                 for disk, name in (("ide", "IDE"), ("virtio-blk", "virtio-blk"))
                 for transfer, words in (
                     ("read", "read in order"), ("write", "write in order"),
                     ("random-read", "read 4 KiB at random"),
                     ("random-write", "write 4 KiB at random"))]
    transfers += [(f"{card}, {words}", f"{card}-{transfer}")
                  for card in ("e1000", "virtio-net") for transfer, words in (
                      ("receive", "host to guest"), ("send", "guest to host"))]
    text, frame = "text mode", "frame buffer"
    return [
        Section("Disks and networks", "MB/s", 1.024e-3, "transfer", transfers, rate=True),
        Section("Console that scrolls", "lines a second", 1, "console", [
            (text, guest.TEXT), (frame, guest.FRAME),
            (f"{text}, seen by VNC", guest.TEXT_WATCHED),
            (f"{frame}, seen by VNC", guest.FRAME_WATCHED)], native=False, rate=True),
        Section("What the VNC viewer sees of it", "pictures a second", 1, "console", [
            (f"pictures of the {words}", guest.UPDATES[kind])
            for words, kind in ((text, guest.TEXT_WATCHED), (frame, guest.FRAME_WATCHED))],
            native=False, rate=True),
        Section("A guest that rests", "CPU time in percent of a core", 100, "screen", [
            ("at rest, nobody looks", guest.IDLE),
            ("at rest, seen by VNC", guest.IDLE_WATCHED)], native=False)]


def fault_sections(armed):
    """Likewise, of fault injection: what experiments take, and then what moments and
    faults that wait do. `armed`: titles and figures of the latter."""
    experiments = [row for workload in campaigns.WORKLOADS
                   for row in [(workload.title, workload.title)] + (
                       [("… of these, carried out", campaigns.worked_out(workload.title))]
                       if workload.prune else [])]
    return [
        Section("Experiments", "in a second on one core", 1, "bit flips in", experiments,
                native=False, rate=True),
        Section("Checkpoints of Debian's kernel with 128 MiB", "microseconds", 1e6, "what",
                [(words, figure) for figure, (_, words) in campaigns.CHECKPOINTS.items()],
                native=False),
        Section("Faults that are armed and wait", "percent more time", 100, "fault", armed,
                native=False)]


def of_faults(results, bench):
    """Parts of a report. `bench`: the campaigns.CampaignBench."""
    parts = ["### Fault injection"]
    for section in fault_sections(bench.armed()):
        names = [name for name in campaigns.RUNNERS
                 if any(results.has(name, figure) for _, figure in section.rows)]
        if names:
            parts += [f"{section.title}, {section.unit}:", table([section.head, *names], [
                [title, *(section.cell(results.values(name, figure)) for name in names)]
                for title, figure in section.rows])]
    return [*parts, "Whether all do the same: flips in numbers that were detected: "
            f"{bench.shares()}."]


class Report:
    """`machines`: the names of those that booted; `ours`: our engines, with the names of
    their machines; `loads`: load averages in the course of the run. What differs by the
    back end only has tables of its own. `work`: whether boots and programs were measured;
    `devices`: the names of those whose devices were; `faults`: who has measured fault
    injection, None if nobody has."""

    # pylint: disable-next=too-many-arguments
    def __init__(self, results, machines, ours, commands, versions, loads, *, work=True,
                 devices=(), faults=None):
        self._figures = results
        self._ours = ours
        self._engines = {engine: name for engine, name in ours.items()
                         if not engine.backend}
        self._backends = {engine: name for engine, name in ours.items() if engine.backend}
        self._machines = [name for name in machines
                          if name not in self._backends.values()]
        self._commands = commands
        self._versions = versions
        self._loads = loads
        self._work, self._devices, self._faults = work, devices, faults

    def text(self):
        parts, met = [self._circumstances()], []
        if self._work:
            parts += self._of_work()
            met += bars.of(self._figures, self._ours)
        if self._devices:
            parts += self._of_devices()
            met += bars.of_devices(self._figures, self._ours)
        if self._faults:
            parts += of_faults(self._figures, self._faults)
            met += bars.of_faults(self._figures)
        if met:
            parts += ["### Bars", "\n".join(met)]
        parts += ["### Commands", "\n".join(f"    {command}" for command in self._commands)]
        trouble = [*dict.fromkeys(self._figures.failures),
                   *(f"WRONG checksums of {wrong}" for wrong in self._figures.wrong_sums())]
        if trouble:
            parts += ["### What went wrong or was left out",
                      "\n".join(f"- {line}" for line in trouble)]
        return "\n\n".join(parts)

    def _of_work(self):
        parts = []
        for section in sections():
            parts += [f"### {section.title}, {section.unit}", self._times(section)]
        return [*parts, *self._chart(), *self._by_backend(),
                "### Ratios of the medians", self._ratios(WALL),
                "### CPU time of the processes",
                self._titled([NATIVE, *self._machines], CPU),
                "### Ratios of the medians of CPU time", self._ratios(CPU)]

    def _of_devices(self):
        parts = ["### Devices"]
        for section in device_sections():
            parts += [f"{section.title}, {section.unit}:",
                      self._times(section, self._devices)]
        pairs = [(f"{engine} / {QEMU}", name, QEMU) for engine, name in self._engines.items()
                 if name in self._devices and QEMU in self._devices]
        rows = [row for section in device_sections() for row in section.rows]
        return [*parts, "Ratios of the medians, of the time that the same takes:",
                self._pairs(pairs, WALL, rows=rows), "Of the CPU time for the same:",
                self._pairs(pairs, CPU, rows=rows)]

    def _circumstances(self):
        today = datetime.date.today().isoformat()
        system = platform.uname()
        low, high = min(self._loads), max(self._loads)
        lines = [f"Measured on {today}: {processor()}; {system.system} {system.release}. "
                 f"Load average over a minute, this run included: {low:.1f} to {high:.1f}.",
                 "Median, and in parentheses the smallest and the largest.", ""]
        return "\n".join(lines + [f"- {line}" for line in self._versions])

    def _times(self, section, machines=None):
        names = self._machines if machines is None else machines
        names = [NATIVE, *names] if section.native else names
        return table([section.head, *names], [
            [title, *(section.cell(self._figures.values(name, figure)) for name in names)]
            for title, figure in section.rows])

    def _chart(self):
        drawn = chart.bars(self._figures, self._ours)
        return drawn and [f"![{chart.in_words(drawn)}]({chart.NAME}.svg)", TALK]

    def _by_backend(self):
        """Of all that they did."""
        if not self._backends:
            return []
        names = self._backends.values()
        pairs = [(f"{engine} / native", name, NATIVE)
                 for engine, name in self._backends.items()]
        rows = [(title, figure) for section in sections() for title, figure in section.rows
                if any(self._figures.has(name, figure) for name in names)]
        figure_names = [figure for _, figure in rows]
        return ["### Direct execution, by the way in which system calls come back",
                self._titled([NATIVE, *names], WALL, figure_names),
                "Ratios of the medians:", self._pairs(pairs, WALL, rows),
                "CPU time, that of a tracer included:",
                self._titled([NATIVE, *names], CPU, figure_names)]

    def _ratios(self, which):
        ours = self._engines.items()
        pairs = [(f"{QEMU} / native", QEMU, NATIVE)] if QEMU in self._machines else []
        pairs += [(f"{engine} / {other}", name, other) for engine, name in ours
                  for other in (NATIVE, QEMU) if other in (NATIVE, *self._machines)]
        pairs += [(f"{BOCHS} / {engine}", BOCHS, name) for engine, name in ours
                  if BOCHS in self._machines and engine.name == engines.INTERPRETER]
        return self._pairs(pairs, which)

    def _pairs(self, pairs, which, rows=None):
        """Ratios of these pairs: title, machine, and the one that it is compared with.
        `rows`: titles and figures; without, all but those of devices."""
        rows = rows or [row for section in sections() for row in section.rows]
        return table(["figure", *(title for title, _, _ in pairs)], [
            [title, *(ratio(self._figures.ratio(figure, name, other, which))
                      for _, name, other in pairs)] for title, figure in rows])

    def _titled(self, names, which, figure_names=None):
        """Times with their units. Without names of figures: all that are no details."""
        details = (*guest.INTEGER, *guest.FLOATING, *figures.PHASES)
        return table(["figure", *names], [
            [f"{title}, {section.unit}",
             *(cell(self._figures.values(name, figure, which), section.scale)
               for name in names)]
            for section in sections() for title, figure in section.rows
            if (figure in figure_names if figure_names else figure not in details)])


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
