"""What was measured: samples of wall and CPU seconds by machine and figure, and what
went wrong."""

import statistics

import guest

WALL, CPU = 0, 1
BOOT_MARK, DONE_MARK = "bench: shell", "bench: done"
# Parts of a boot from disk; each ends with a line.
PHASES = {"BIOS and GRUB": "GRUB loads",
          "loading and unpacking the kernel": "Linux version",
          "kernel to shell": BOOT_MARK}


class Figures:
    def __init__(self):
        self._samples = {}
        self._sums = {}
        self.operations = {}
        self.counters = {}
        self.failures = []

    def add(self, machine, figure, sample):
        self._samples.setdefault((machine, figure), []).append(sample)

    def add_boot(self, machine, how, run):
        """Takes what it needs from a run that was to boot, and says it in a line."""
        boot = run.until(BOOT_MARK)
        if not boot:
            return self.fail(f"{machine}, from {how}: no shell", run)
        self.add(machine, how, boot)
        said = f"shell after {boot[WALL]:.1f} s (CPU {boot[CPU]:.1f} s)"
        if how == "disk":
            self._add_phases(machine, run)
            kinds = [self.add_kind(machine, kind, run) for kind in guest.KINDS]
            if not all(kinds):
                return self.fail(f"{machine}, from {how}: not all programs ran", run)
            self._add_total(machine, kinds[:len(guest.COMPUTE)])
            said += f", programs {sum(wall for wall, _ in kinds):.1f} s"
        counted = [line for line in run.errors.splitlines()
                   if "instructions retired" in line]
        if counted:
            self.counters[machine, how] = int(counted[0].split()[0])
        return said

    def _add_phases(self, machine, run):
        begin = (0, 0)
        for phase, mark in PHASES.items():
            end = run.until(mark)
            if end:
                self.add(machine, phase, (end[WALL] - begin[WALL], end[CPU] - begin[CPU]))
                begin = end

    def add_kind(self, machine, kind, run, factor=1):
        """One kind of a run; `factor`: by how much more rounds it were."""
        end = run.find(f"bench: end {kind} ")
        times = run.between(f"bench: begin {kind}", f"bench: end {kind} ")
        if not times:
            return None
        checksum, operations = end[2].split("bench: end ")[1].split()[1:3]
        self._sums.setdefault(kind, {})[machine] = checksum
        self.operations[kind] = int(operations) // factor
        sample = (times[WALL] / factor, times[CPU] / factor)
        self.add(machine, kind, sample)
        return sample

    def add_native(self, machine, runs, factor):
        kinds = {kind: self.add_kind(machine, kind, run, factor)
                 for kind, run in runs.items()}
        computed = [kinds[kind] for kind in guest.COMPUTE]
        if not all(computed):
            return self.fail(f"{machine}: cannot run i386 programs",
                             runs[next(iter(guest.COMPUTE))])
        self._add_total(machine, computed)
        return f"programs {sum(sample[WALL] for sample in kinds.values() if sample):.2f} s"

    def _add_total(self, machine, samples):
        self.add(machine, "compute",
                 (sum(s[WALL] for s in samples), sum(s[CPU] for s in samples)))

    def fail(self, what, run):
        words = (run.lines[-1][2] if run.lines else run.errors.strip().split("\n")[-1])
        self.failures.append(f"{what}; the last that it said: {words or 'nothing'}")
        return self.failures[-1]

    def wrong_sums(self):
        """Kinds that did not come out the same everywhere."""
        return [f"{kind}: {sums}" for kind, sums in self._sums.items()
                if len(set(sums.values())) > 1]

    def values(self, machine, figure, which=WALL):
        return [sample[which] for sample in self._samples.get((machine, figure), [])]

    def median(self, machine, figure, which=WALL):
        values = self.values(machine, figure, which)
        return statistics.median(values) if values else None

    def ratio(self, figure, machine, other, which=WALL):
        """How much longer a machine takes than another, None if one has no figure."""
        time, reference = (self.median(name, figure, which) for name in (machine, other))
        return time / reference if time and reference else None
