#!/usr/bin/env python3
"""Checks what the benchmarks make of their figures: names of engines, bars, tables and
the chart. Nothing is measured."""

import contextlib
import io
import os
import pathlib
import stat
import sys
import tempfile
import types
import unittest
import xml.etree.ElementTree

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
# pylint: disable=wrong-import-position
import bars
import chart
import engines
import figures
import guest
import machines
import report
import run

JIT, DIRECT, AUTO = (engines.parse(name) for name in ("jit", "direct", "auto"))
PTRACE = engines.parse("direct@ptrace")


def results(**times):
    """Figures with one sample; a machine's times as MACHINE={KIND: SECONDS}."""
    found = figures.Figures()
    for machine, kinds in times.items():
        for kind, seconds in kinds.items():
            found.add(machine, kind, (seconds, seconds))
    return found


class Engines(unittest.TestCase):
    def test_names(self):
        for name in (*engines.ALL, "direct+counted@sud"):
            self.assertEqual(name, str(engines.parse(name)))
        for name in ("", "direct@", "jit+", "jit+fast", "direct@sud+counted", "a b"):
            with self.assertRaises(ValueError):
                engines.parse(name)

    def test_options(self):
        self.assertEqual(["-engine", "jit"], JIT.options())
        self.assertEqual(["-engine", "direct", "-syscall-redirect", "ptrace"],
                         PTRACE.options())
        self.assertEqual(["-engine", "jit", "-clock", "counted"],
                         JIT.with_clock("counted").options())


class Machines(unittest.TestCase):
    def program(self, script):
        """A program in the place of faumachine."""
        folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "program")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, stat.S_IRWXU)
        return path

    def refusal(self, script):
        return machines.Faumachine(self.program(script), PTRACE).refusal()

    def test_trial(self):
        self.assertIsNone(self.refusal(f"exit {machines.TRIAL_STATUS}"))
        self.assertEqual("cannot: why", self.refusal(
            "echo 'faumachine: cannot: why' >&2; echo more >&2; exit 1"))
        self.assertIn("status 3", self.refusal("exit 3"))

    def test_trial_bios(self):
        bios = machines.trial_bios()
        self.assertEqual(64 << 10, len(bios))
        self.assertEqual(0xb0, bios[-16])

    def test_kinds_on_the_command_line(self):
        words = machines.kernel_options((guest.SYSTEM[0], guest.COMPILE))[-1]
        self.assertTrue(words.endswith(" bench=getpid:500 userland=compile:0"), words)
        words = machines.kernel_options((guest.SHELL,))[-1]
        self.assertNotIn("bench=", words)

    def test_a_back_end_boots_once(self):
        self.assertEqual(("kernel",), machines.Faumachine("faumachine", PTRACE).boots)
        self.assertEqual(("disk", "kernel"), machines.Faumachine("faumachine", JIT).boots)


class Options(unittest.TestCase):
    def options(self, *words):
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            try:
                return run.options([*words, "faumachine"])
            except SystemExit:
                return errors.getvalue()

    def test_engines(self):
        self.assertEqual([JIT, PTRACE], self.options("--engines=jit,direct@ptrace").engines)
        self.assertIn(PTRACE, self.options().engines)
        self.assertNotIn(PTRACE, self.options("--quick").engines)
        self.assertIn("jit@: an engine is", self.options("--engines=jit@"))


class Bars(unittest.TestCase):
    OURS = {JIT: "jit", DIRECT: "direct", AUTO: "auto", PTRACE: "ptrace"}
    KINDS = (*guest.PROGRAMS, *guest.USERLAND)

    def lines(self, found, engine):
        return [line for line in bars.of(found, self.OURS)
                if line.startswith(f"- {engine}:")]

    def verdict(self, found, engine, words):
        line, = (line for line in self.lines(found, engine) if words in line)
        return line.rsplit("**", 2)[1]

    def test_direct(self):
        found = results(native={"integer": 1.0}, direct={"integer": 1.01, "getpid": 4e-7})
        self.assertEqual("met", self.verdict(found, DIRECT, "integer"))
        self.assertEqual("not measured", self.verdict(found, DIRECT, "floating"))
        self.assertEqual("NOT met", self.verdict(found, DIRECT, "0.3 us"))

    def test_auto(self):
        found = results(native={"compile": 6, "shell": 1}, QEMU={"compile": 72},
                        auto={"compile": 10, "shell": 5})
        self.assertEqual("met", self.verdict(found, AUTO, "0.6 times as fast as native"))
        self.assertEqual("NOT met", self.verdict(found, AUTO, "8 times as fast as in QEMU"))
        self.assertEqual("NOT met", self.verdict(found, AUTO, "0.25 times"))

    def test_the_better_of_both(self):
        times = {"jit": dict.fromkeys(self.KINDS, 2.0),
                 "direct": dict.fromkeys(self.KINDS, 1.0)}
        auto = dict.fromkeys(self.KINDS, 1.04)
        self.assertEqual("met", self.verdict(results(auto=auto, **times), AUTO, "better"))
        slow = auto | {"pipe": 1.5, "fork": 1.1}
        line, = (line for line in self.lines(results(auto=slow, **times), AUTO)
                 if "better" in line)
        self.assertIn("the worst, pipe, 1.5 times; over that: fork 1.1, pipe 1.5, **NOT",
                      line)

    def test_the_better_of_one(self):
        kinds = {"getpid": 1.0}
        found = results(auto=kinds, jit=kinds, direct=kinds)
        self.assertEqual("not measured", self.verdict(found, AUTO, "better"))
        found = results(auto=kinds, jit=kinds)
        self.assertEqual("not measured", self.verdict(found, AUTO, "better"))
        found = results(auto={"getpid": 2.0}, jit=kinds, direct=kinds)
        self.assertEqual("NOT met", self.verdict(found, AUTO, "better"))

    def test_a_back_end_has_none(self):
        self.assertEqual([], self.lines(results(), PTRACE))
        self.assertTrue(self.lines(results(), JIT))


class Chart(unittest.TestCase):
    OURS = {JIT.with_clock("counted"): "counted", JIT: "jit", AUTO: "auto",
            DIRECT: "direct", PTRACE: "ptrace"}
    FOUND = results(**{name: {"compile": time} for name, time in (
        ("native", 2), ("QEMU", 30), ("jit", 6.5), ("ptrace", 8), ("direct", 3),
        ("counted", 6))})

    def test_which(self):
        drawn = chart.bars(self.FOUND, self.OURS)
        self.assertEqual(["native", "direct, ptrace", "JIT", "QEMU TCG"],
                         [row.label for row in drawn])
        self.assertEqual(["2.00 s", "8.00 s, 4.00 times native",
                          "6.50 s, 3.25 times native", "30.0 s, 15.0 times native"],
                         [chart.value(row) for row in drawn])

    def test_without_back_ends(self):
        drawn = chart.bars(self.FOUND, {DIRECT: "direct"})
        self.assertEqual(["native", "direct execution", "QEMU TCG"],
                         [row.label for row in drawn])

    def test_without_native(self):
        self.assertEqual([], chart.bars(results(jit={"compile": 1}), self.OURS))
        self.assertEqual([], chart.write("/nonexistent", []))

    def test_svg(self):
        drawn = chart.bars(self.FOUND, self.OURS)
        tree = xml.etree.ElementTree.fromstring(chart.svg(drawn))
        place = "{http://www.w3.org/2000/svg}"
        widths = [float(rectangle.get("width")) for rectangle
                  in tree.iter(f"{place}rect") if rectangle.get("class") != "paper"]
        self.assertEqual(len(drawn), len(widths))
        for row, width in zip(drawn, widths):
            self.assertAlmostEqual(row.seconds / 30, width / widths[-1], delta=0.001)
        for text in tree.iter(f"{place}text"):
            self.assertLess(float(text.get("x")), chart.WIDTH_PX)

    def test_files(self):
        drawn = chart.bars(self.FOUND, self.OURS)
        with tempfile.TemporaryDirectory() as folder:
            for path in chart.write(folder, drawn):
                self.assertGreater(os.path.getsize(path), 0)


class Report(unittest.TestCase):
    def text(self, ours):
        found = results(native={"compile": 2, "getpid": 1e-7},
                        jit={"compile": 6, "getpid": 4e-7},
                        ptrace={"compile": 8, "getpid": 2e-5})
        return report.Report(found, list(ours.values()), ours, [], ["version"],
                             [0.0]).text()

    def test_back_ends_have_tables_of_their_own(self):
        text = self.text({JIT: "jit", PTRACE: "ptrace"})
        main, own = text.split("### Direct execution, by the way")
        self.assertNotIn("| ptrace |", main)
        self.assertIn("getpid by the vDSO, microseconds for one", own.split("###")[0])
        self.assertIn("| direct@ptrace / native |", own)
        self.assertIn(f"]({chart.NAME}.svg)", main)

    def test_without_back_ends(self):
        self.assertNotIn("### Direct execution, by the way", self.text({JIT: "jit"}))

    def test_rows_tell_themselves_apart(self):
        titles = [title for section in report.sections() for title, _ in section.rows]
        self.assertEqual(len(titles), len(set(titles)))

    def test_what_people_wrote_stays(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "benchmarks.md")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
            report.write(path, "new")
            text = pathlib.Path(path).read_text(encoding="utf-8")
        self.assertEqual(f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n", text)


class Kinds(unittest.TestCase):
    def test_what_a_turn_does(self):
        chosen = types.SimpleNamespace(program="faumachine", repetitions=2, bochs=0,
                                       compiles=1, quick=False, engines=[JIT, PTRACE])
        bench = run.Bench(chosen, "/nonexistent")
        jit, ptrace = (machines.Faumachine("faumachine", engine)
                       for engine in chosen.engines)
        self.assertEqual(guest.USERLAND, bench.kernel_kinds(0, jit))
        self.assertEqual((guest.SHELL,), bench.kernel_kinds(1, jit))
        self.assertEqual(guest.BY_BACKEND, bench.kernel_kinds(0, ptrace))
        self.assertEqual((), bench.kernel_kinds(1, ptrace))


if __name__ == "__main__":
    unittest.main()
