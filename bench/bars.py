"""What each engine is to reach, and whether it does. Ratios are of times: 2 is half as
fast."""

import campaigns
import engines
import figures
import guest
from machines import Bochs, Native, Qemu

# A ratio of these figures to QEMU's is to be below 1.
BETTER_THAN_QEMU = {"fault": "page fault", "fork": "fork and wait",
                    "exec": "fork, exec and wait", "pipe": "byte to a process and back",
                    guest.SHELL: "program from a shell"}


def of(results, ours):
    """Lines of a list. `ours`: engines, with the names of their machines. A back end has
    no bars of its own."""
    lines = []
    for engine, name in ours.items():
        judge = _Judge(results, engine, name)
        if engine.backend:
            continue
        if engine.clock:
            judge.counted(ours.get(engine.with_clock("")))
        elif engine.name == engines.INTERPRETER:
            judge.interpreter()
        elif engine.name == engines.DIRECT:
            judge.direct()
        elif engine.name == engines.AUTO:
            judge.auto([ours.get(engines.Engine(other))
                        for other in (engines.JIT, engines.DIRECT)])
        else:
            judge.jit()
        lines += judge.lines
    return lines


def of_devices(results, ours):
    """Likewise, of what devices do: for the engine that users get."""
    lines = []
    for engine, name in ours.items():
        if engine == engines.Engine(engines.AUTO):
            judge = _Judge(results, engine, name)
            judge.rest()
            lines += judge.lines
    return lines


def of_faults(results):
    """Likewise, of fault injection."""
    judge = _Judge(results, engines.Engine(engines.JIT), campaigns.JIT)
    judge.experiments()
    judge.checkpoints()
    judge.armed(campaigns.ARMED_BARS)
    return judge.lines


class _Judge:
    def __init__(self, results, engine, name):
        self._results, self._engine, self._name = results, engine, name
        self.lines = []

    def _say(self, what, found, met):
        """`found`: in words, None if there is nothing. `met`: None if that is unknown."""
        verdict = "not measured" if met is None else "met" if met else "NOT met"
        self.lines.append(f"- {self._engine}: {what}: {f'{found}, ' if found else ''}"
                          f"**{verdict}**")

    def _ratio(self, figure, other):
        return self._results.ratio(figure, self._name, other)

    def _at_most(self, what, value, limit, unit=" times"):
        self._say(what, value and f"{value:.3g}{unit}", value and value <= limit)

    def _at_least(self, what, value, limit, unit=" times"):
        self._say(what, value and f"{value:.3g}{unit}", value and value >= limit)

    def interpreter(self):
        for how, words in (("disk", "from disk"), ("kernel", "with `-kernel`")):
            self._at_most(f"boot {words} in at most 6 times QEMU's time",
                          self._ratio(how, Qemu.name), 6)
        self._at_least("integer programs at least 4 times as fast as in Bochs",
                       self._results.ratio("integer", Bochs.name, self._name), 4)

    def counted(self, host_clock):
        """With time counted in instructions, against the host's clock."""
        for figure in (*figures.GROUPS, guest.COMPILE):
            self._at_most(f"{figure} in at most 1.5 times the time with the host's clock",
                          host_clock and self._ratio(figure, host_clock), 1.5)

    def jit(self):
        self._compute()
        self._at_most("system call no dearer than native", self._ratio("getpid", Native.name),
                      1)
        self._system_call(0.5)
        for figure, what in BETTER_THAN_QEMU.items():
            to_qemu, to_native = (self._ratio(figure, other.name) for other in (Qemu, Native))
            self._say(f"{what} in less than QEMU's time",
                      to_qemu and f"{to_qemu:.3g} times"
                      + (f", {to_native:.3g} times native" if to_native else ""),
                      to_qemu and to_qemu < 1)
        self._compile(0.4, 5)
        for how, words in (("disk", "from disk"), ("kernel", "with `-kernel`")):
            self._at_most(f"boot {words} in at most a third of QEMU's time",
                          self._ratio(how, Qemu.name), 1 / 3)
        self._at_least("translates at least 1 million instructions a second",
                       self._results.translation_speed(self._name), 1, " million")

    def _compute(self):
        for group, limit in (("integer", 1.4), ("floating", 1.2)):
            self._at_most(f"{group} programs within {limit} times native, geometric mean",
                          self._ratio(group, Native.name), limit)
        ratios = {kind: self._ratio(kind, Native.name) for kind in guest.INTEGER}
        worst = None if None in ratios.values() else max(ratios, key=ratios.get)
        self._say("no integer program over 2 times native",
                  worst and f"the slowest, {worst}, {ratios[worst]:.3g} times",
                  worst and ratios[worst] <= 2)

    def _system_call(self, limit_us):
        call_s = self._results.median(self._name, "getpid")
        self._at_most(f"system call by the vDSO in at most {limit_us} us",
                      call_s and call_s * 1e6, limit_us, " us")

    def _compile(self, of_native, of_qemu):
        for words, other, least in (("native", Native, of_native),
                                    ("in QEMU", Qemu, of_qemu)):
            ratio = self._ratio(guest.COMPILE, other.name)
            self._at_least(f"compile at least {least} times as fast as {words}",
                           ratio and 1 / ratio, least)

    def direct(self):
        for group in figures.GROUPS:
            self._at_most(f"{group} programs within 1.02 times native, geometric mean",
                          self._ratio(group, Native.name), 1.02)
        self._system_call(0.3)

    def auto(self, others):
        """`others`: the machines of the JIT and of direct execution."""
        self._system_call(0.3)
        self._compile(0.6, 8)
        to_native = self._ratio(guest.SHELL, Native.name)
        self._at_least("program from a shell at least 0.25 times as fast as native",
                       to_native and 1 / to_native, 0.25)
        ratios = {kind: self._to_better(kind, others)
                  for kind in (*guest.PROGRAMS, *guest.USERLAND)}
        worst, over, missing = _look_over(ratios, 1.05)
        found = worst and f"the worst, {worst}, {ratios[worst]:.3g} times"
        if len(over) > 1:
            found += "; over that: " + ", ".join(f"{kind} {ratios[kind]:.3g}"
                                                 for kind in over)
        if missing and worst:
            found += f"; no times for {', '.join(missing)}"
        self._say("each kind within 1.05 times the better of jit and direct", found,
                  False if over else None if missing else True)

    def rest(self):
        for figure, words in ((guest.IDLE, ""), (guest.IDLE_WATCHED, " seen by VNC")):
            share = self._results.median(self._name, figure)
            self._at_most(f"a guest at rest{words} costs at most 3 % of a core",
                          share and 100 * share, 3, " %")

    def experiments(self):
        """The least of each sort."""
        for words, workloads, limit in (
                ("a program without an operating system", campaigns.BARE, 500),
                ("a running Linux", campaigns.LINUX, 5)):
            times = {workload.title: self._results.median(self._name, workload.title)
                     for workload in workloads}
            known = [time for time in times.values() if time]
            slowest = max(known) if len(known) == len(times) else None
            self._at_least(f"bit flips in {words}, at least {limit} experiments a second"
                           " and core wherever they are",
                           slowest and 1 / slowest, limit, "")

    def checkpoints(self):
        time_s = self._results.median(self._name, "back-short")
        self._at_most("back to a checkpoint in at most 1 ms, 128 MiB and 50 pages written",
                      time_s and 1e3 * time_s, 1, " ms")

    def armed(self, faults):
        for words, name in faults:
            share = self._results.median(self._name, campaigns.ARMED + name)
            self._say(f"faults that wait, {words}, cost less than 5 %",
                      None if share is None else f"{100 * share:.1f} %",
                      None if share is None else share < 0.05)

    def _to_better(self, kind, others):
        """The larger ratio is that to the smaller time. None without all three."""
        ratios = [self._ratio(kind, other) for other in others if other]
        return max(ratios) if len(ratios) == len(others) and all(ratios) else None


def _look_over(ratios, limit):
    """The kind with the largest ratio, those over the limit, those without a ratio."""
    known = {kind: ratio for kind, ratio in ratios.items() if ratio is not None}
    return (max(known, key=known.get, default=None),
            [kind for kind, ratio in known.items() if ratio > limit],
            [kind for kind in ratios if kind not in known])
