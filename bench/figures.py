"""What was measured: samples of wall and CPU seconds by machine and figure, and what
went wrong."""

import math
import re
import statistics

import guest

WALL, CPU = 0, 1
BOOT_MARK, DONE_MARK = "bench: shell", "bench: done"
# Parts of a boot from disk; each ends with a line.
PHASES = {"BIOS and GRUB": "GRUB loads",
          "loading and unpacking the kernel": "Linux version",
          "kernel to shell": BOOT_MARK}


# Geometric means of what belongs together.
GROUPS = {"integer": guest.INTEGER, "floating": guest.FLOATING}


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def seconds(value):
    """Three digits that count."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def ratio(value):
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.{1 if value >= 10 else 2}f}"


def in_words(figure, sample):
    """For who follows the progress."""
    if figure in guest.RESTING:
        return f"{100 * sample[CPU]:.2g} % of a core"
    return f"{sample[WALL]:.3g} s"


def counters(text):
    """Name and number of each line that -stats prints."""
    return {name: int(number) for number, name
            in re.findall(r"^ *(\d+)  (\S.*)$", text, re.MULTILINE)}


class Figures:
    """A figure is a way to boot, a part of it, a kind of work (then it is the time of one
    operation; of rest, the CPU time of a second) or a group. `statistics`: the counters
    of the last run of a machine that has some, by machine and way to boot."""

    def __init__(self):
        self._samples = {}
        self._sums = {}
        self.statistics = {}
        self.failures = []

    def add(self, machine, figure, sample):
        self._samples.setdefault((machine, figure), []).append(sample)

    def add_boot(self, machine, how, run, kinds):
        """Takes what it needs from a run that was to boot and then to do these kinds of
        work, and says it in a line."""
        boot = run.until(BOOT_MARK)
        if not boot:
            return self.fail(f"{machine}, from {how}: no shell", run)
        self.add(machine, how, boot)
        if how == "disk":
            self._add_phases(machine, run)
        self.statistics[machine, how] = counters(run.errors)
        return f"shell after {boot[WALL]:.1f} s (CPU {boot[CPU]:.1f} s), " + \
            self.add_work(machine, [run], kinds)

    def _add_phases(self, machine, run):
        begin = (0, 0)
        for phase, mark in PHASES.items():
            end = run.until(mark)
            if end:
                self.add(machine, phase, (end[WALL] - begin[WALL], end[CPU] - begin[CPU]))
                begin = end

    def add_work(self, machine, runs, kinds):
        """The kinds of work of these runs, and the groups that they complete; says it in
        words."""
        samples = {}
        for kind in kinds:
            for run in runs:
                sample = self._work_of(machine, kind, run)
                if sample:
                    samples[kind] = sample
        for group, members in GROUPS.items():
            if all(kind in samples for kind in members):
                samples[group] = tuple(
                    geometric_mean([samples[kind][which] for kind in members])
                    for which in (WALL, CPU))
        for figure, sample in samples.items():
            self.add(machine, figure, sample)
        said = [f"{figure} {in_words(figure, sample)}" for figure, sample in samples.items()
                if figure not in guest.PROGRAMS]
        missing = [kind for kind in kinds if kind not in samples]
        if missing:
            said.append(self.fail(f"{machine}: no {', '.join(missing)}", runs[-1]))
        return "; ".join(said)

    def _work_of(self, machine, kind, run):
        """Wall and CPU seconds for one operation."""
        end = run.find(f"bench: end {kind} ")
        times = run.between(f"bench: begin {kind}", f"bench: end {kind} ")
        if not times:
            return None
        checksum, operations = end[2].split("bench: end ")[1].split()[1:3]
        self._sums.setdefault(kind, {})[machine] = checksum
        if kind in guest.RESTING:
            return (times[CPU] / times[WALL],) * 2
        return tuple(time / int(operations) for time in times)

    def add_updates(self, machine, run, count):
        """How often somebody who looks saw a new picture during kinds of work. `count`: of
        pictures between two times."""
        for kind, figure in guest.UPDATES.items():
            begin, end = run.find(f"bench: begin {kind}"), run.find(f"bench: end {kind} ")
            pictures = begin and end and count(begin[0], end[0])
            if pictures:
                times = run.between(f"bench: begin {kind}", f"bench: end {kind} ")
                self.add(machine, figure, tuple(time / pictures for time in times))

    def fail(self, what, run):
        """Notes what went wrong, and returns it with what the run has to say to it: the
        guest, and the program if it complains."""
        words = (run.find("differs") or [run.lines[-1]])[-1][2] if run.lines else \
            run.errors.strip().split("\n")[-1]
        complaints = re.findall(r"^\w+: .*$", run.errors, re.MULTILINE)
        self.failures.append(f"{what}; the last that it said: {words or 'nothing'}"
                             + (f"; {complaints[-1]}" if complaints else ""))
        return self.failures[-1]

    def wrong_sums(self):
        """Kinds that did not come out the same everywhere."""
        return [f"{kind}: {sums}" for kind, sums in self._sums.items()
                if len(set(sums.values())) > 1]

    def translation_speed(self, machine):
        """Million instructions of the guest for a second of translating, in the run with
        the user land; None if the machine does not say."""
        said = self.statistics.get((machine, "kernel"), {})
        spent_us = said.get("translation time in us")
        return spent_us and said.get("instructions translated", 0) / spent_us

    def has(self, machine, figure):
        return (machine, figure) in self._samples

    def values(self, machine, figure, which=WALL):
        return [sample[which] for sample in self._samples.get((machine, figure), [])]

    def median(self, machine, figure, which=WALL):
        values = self.values(machine, figure, which)
        return statistics.median(values) if values else None

    def ratio(self, figure, machine, other, which=WALL):
        """How much longer a machine takes than another, None if one has no figure."""
        time, reference = (self.median(name, figure, which) for name in (machine, other))
        return time / reference if time and reference else None
