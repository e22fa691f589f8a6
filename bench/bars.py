"""What each engine is to reach, and whether it does. Ratios are of times: 2 is half as
fast."""

import figures
import guest
from machines import Bochs, Native, Qemu

INTERPRETER = "interpreter"
# A ratio of these figures to QEMU's is to be below 1.
BETTER_THAN_QEMU = {"fault": "page fault", "fork": "fork and wait",
                    "exec": "fork, exec and wait", "pipe": "byte to a process and back",
                    guest.SHELL: "program from a shell"}


def of(results, engines):
    """Lines of a list. `engines`: their names, with those of their machines."""
    lines = []
    for engine, name in engines.items():
        base, _, counted = engine.partition("+")
        judge = _Judge(results, engine, name)
        if counted:
            judge.counted(engines.get(base))
        elif engine == INTERPRETER:
            judge.interpreter()
        else:
            judge.fast()
        lines += judge.lines
    return lines


class _Judge:
    def __init__(self, results, engine, name):
        self._results, self._engine, self._name = results, engine, name
        self.lines = []

    def _say(self, what, found, met):
        verdict = "**not measured**" if met is None else \
            f"{found}, **{'met' if met else 'NOT met'}**"
        self.lines.append(f"- {self._engine}: {what}: {verdict}")

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

    def fast(self):
        self._compute()
        self._at_most("system call no dearer than native", self._ratio("getpid", Native.name),
                      1)
        call_s = self._results.median(self._name, "getpid")
        self._at_most("system call in at most 0.5 us", call_s and call_s * 1e6, 0.5, " us")
        for figure, what in BETTER_THAN_QEMU.items():
            to_qemu, to_native = (self._ratio(figure, other.name) for other in (Qemu, Native))
            self._say(f"{what} in less than QEMU's time",
                      to_qemu and f"{to_qemu:.3g} times"
                      + (f", {to_native:.3g} times native" if to_native else ""),
                      to_qemu and to_qemu < 1)
        to_native = self._ratio(guest.COMPILE, Native.name)
        self._at_least("compile at least 0.4 times as fast as native",
                       to_native and 1 / to_native, 0.4)
        to_qemu = self._ratio(guest.COMPILE, Qemu.name)
        self._at_least("compile at least 5 times as fast as in QEMU",
                       to_qemu and 1 / to_qemu, 5)
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
