#!/usr/bin/env python3
"""Checks what the benchmarks make of their figures: names of engines, bars, tables and
the chart. Nothing is measured."""

import contextlib
import io
import os
import pathlib
import socket
import stat
import sys
import tempfile
import types
import unittest
import xml.etree.ElementTree

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
# pylint: disable=wrong-import-position
import bars
import campaigns
import chart
import console
import devices
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

    def test_without_window_and_network(self):
        ours, qemu = machines.Faumachine("faumachine", JIT), machines.Qemu()
        for machine in (ours, qemu):
            for how in machine.boots:
                words = " ".join(machine.command(how))
                self.assertIn(" -display none ", words)
                self.assertIn(" -nic none ", words)

    def test_devices(self):
        """The same machine, but for the program and its engine."""
        ours, theirs = (machine.device_command((guest.IDE[0], guest.IDLE), "a:1", "vnc=:1")
                        for machine in (machines.Faumachine("faumachine", AUTO),
                                        machines.Qemu()))
        ours, theirs = (words[words.index("-m"):] for words in (ours, theirs))
        self.assertEqual(ours, theirs)
        self.assertEqual("vnc=:1", ours[ours.index("-display") + 1])
        self.assertTrue(ours[-1].endswith(" devices=ide-read:500,idle:20000 server=a:1"))

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

    def test_kinds(self):
        self.assertEqual(("work", "devices", "faults"), self.options().kinds)
        self.assertEqual(("devices",), self.options("--kinds=devices").kinds)
        self.assertEqual(run.KINDS, self.options("--kinds=faults,devices,work").kinds)
        self.assertIn("disks: there are work, devices, faults",
                      self.options("--kinds=disks"))


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

    def test_faults(self):
        def verdicts(found):
            return [line.rsplit("**", 2)[1] for line in bars.of_faults(found)]
        times = dict.fromkeys((workload.title for workload in campaigns.BARE), 0.001) | \
            dict.fromkeys((workload.title for workload in campaigns.LINUX), 0.1)
        armed = {campaigns.ARMED + name: 0.01 for _, name in campaigns.ARMED_BARS}
        good = times | armed | {"back-short": 1e-4}
        self.assertEqual(["met"] * 5, verdicts(results(**{campaigns.JIT: good})))
        bad = good | {campaigns.REGISTERS.title: 0.0021, campaigns.LINUX[0].title: 0.21,
                      "back-short": 1.1e-3}
        bad |= dict.fromkeys(armed, 0.06)
        self.assertEqual(["NOT met"] * 5, verdicts(results(**{campaigns.JIT: bad})))
        del good[campaigns.LINUX[0].title]
        self.assertEqual(["met", "not measured", "met", "met", "met"],
                         verdicts(results(**{campaigns.JIT: good})))
        self.assertEqual(["not measured"] * 5, verdicts(results()))

    def test_rest(self):
        found = results(auto={"idle": 0.02, "idle-watched": 0.031}, jit={"idle": 0.5})
        met, not_met = bars.of_devices(found, self.OURS)
        self.assertEqual("- auto: a guest at rest costs at most 3 % of a core: 2 %, **met**",
                         met)
        self.assertIn("VNC", not_met)
        self.assertTrue(not_met.endswith("3.1 %, **NOT met**"), not_met)
        self.assertEqual([], bars.of_devices(found, {JIT: "jit"}))
        for line in bars.of_devices(results(), self.OURS):
            self.assertIn("not measured", line)

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
        titles = [title for section in (*report.sections(), *report.device_sections())
                  for title, _ in section.rows]
        titles += [workload.title for workload in campaigns.WORKLOADS]
        self.assertEqual(len(titles), len(set(titles)))

    def devices(self, work):
        """The text of a report with devices in it."""
        found = results(native={"ide-read": 1e-7},
                        QEMU={"ide-read": 1.024e-5, "text-updates": 0.04, "idle": 0.05},
                        auto={"ide-read": 5.12e-6, "text-updates": 0.02, "idle": 0.01},
                        jit={"getpid": 1e-7})
        ours = {JIT: "jit", AUTO: "auto"}
        return report.Report(found, ["QEMU", "jit", "auto"], ours, [], ["version"], [0.0],
                             work=work, devices=["QEMU", "auto"]).text()

    def rows(self, text, title):
        """The cells beside that title, of each table that has it."""
        return [[cell.strip() for cell in line.split("|")[2:-1]]
                for line in text.splitlines() if line.startswith(f"| {title} ")]

    def test_devices(self):
        text = self.devices(work=False)
        self.assertNotIn("### Ratios", text)
        self.assertEqual([["10240", "100", "200"], ["0.50"], ["0.50"]],
                         self.rows(text, "IDE, read in order"))
        self.assertEqual([["25.0", "50.0"], ["0.50"], ["0.50"]],
                         self.rows(text, "pictures of the text mode"))
        self.assertEqual([["5.00", "1.00"], ["0.20"], ["0.20"]],
                         self.rows(text, "at rest, nobody looks"))
        self.assertIn("auto: a guest at rest costs at most 3 % of a core: 1 %, **met**",
                      text)
        self.assertNotIn("jit: ", text)

    def test_devices_and_work(self):
        text = self.devices(work=True)
        self.assertIn("### Ratios of the medians\n", text)
        self.assertEqual(3, len(self.rows(text, "IDE, read in order")))
        self.assertIn("jit: ", text)
        self.assertNotIn("### Devices", self.text({JIT: "jit"}))

    def test_faults(self):
        bench = types.SimpleNamespace(
            armed=lambda: [("RAM, by time", campaigns.ARMED + "RAM, by time")],
            shares=lambda: "all 92 %")
        found = results(**{campaigns.JIT: {campaigns.RAM.title: 0.0005, "back-short": 8e-5,
                                           campaigns.ARMED + "RAM, by time": -0.004},
                           campaigns.BOCHS_AGAIN: {campaigns.RAM.title: 0.04}})
        text = "\n".join(report.of_faults(found, bench))
        self.assertEqual([["2000", "25.0"]], self.rows(text, campaigns.RAM.title))
        self.assertEqual([["80.0"]], self.rows(text, campaigns.CHECKPOINTS["back-short"][1]))
        self.assertEqual([["-0.400"]], self.rows(text, "RAM, by time"))
        self.assertIn("detected: all 92 %", text)

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
                                       compiles=1, quick=False, kinds=run.KINDS,
                                       engines=[JIT, PTRACE])
        bench = run.Bench(chosen, "/nonexistent")
        jit, ptrace = (machines.Faumachine("faumachine", engine)
                       for engine in chosen.engines)
        self.assertEqual(guest.USERLAND, bench.kernel_kinds(0, jit))
        self.assertEqual((guest.SHELL,), bench.kernel_kinds(1, jit))
        self.assertEqual(guest.BY_BACKEND, bench.kernel_kinds(0, ptrace))
        self.assertEqual((), bench.kernel_kinds(1, ptrace))

    def test_what_devices_do_in_a_turn(self):
        qemu, auto, jit, ptrace = (machines.Qemu(), *(
            machines.Faumachine("faumachine", engine) for engine in (AUTO, JIT, PTRACE)))
        self.assertEqual([True, True, True, False], [
            devices.is_measured(machine) for machine in (qemu, auto, jit, ptrace)])
        counted = machines.Faumachine("faumachine", AUTO.with_clock("counted"))
        self.assertFalse(devices.is_measured(counted))
        for machine in (qemu, auto):
            self.assertIn("idle", devices.kinds_of(machine, 0, guest.DEVICES))
            self.assertNotIn("idle", devices.kinds_of(machine, 1, guest.DEVICES))
        self.assertNotIn("idle-watched", devices.kinds_of(jit, 0, guest.WATCHED))


class Work(unittest.TestCase):
    """What becomes of lines of a guest."""

    def run_of(self, kind, seconds, cpu_s, operations):
        found = console.Run()
        found.lines = [(found.start, 0.0, f"bench: begin {kind}"),
                       (found.start + seconds, cpu_s, f"bench: end {kind} 1 {operations}")]
        return found

    def test_transfer(self):
        found = figures.Figures()
        found.add_work("QEMU", [self.run_of("ide-read", 2.0, 1.0, 1000)], ["ide-read"])
        self.assertEqual(([0.002], [0.001]), (
            found.values("QEMU", "ide-read"), found.values("QEMU", "ide-read", figures.CPU)))

    def test_rest(self):
        found = figures.Figures()
        said = found.add_work("QEMU", [self.run_of("idle", 20.0, 0.5, 1)], ["idle"])
        self.assertEqual("idle 2.5 % of a core", said)
        self.assertEqual([0.025], found.values("QEMU", "idle"))

    def test_updates(self):
        found = figures.Figures()
        work = self.run_of(guest.TEXT_WATCHED, 2.0, 1.0, 1000)
        found.add_updates("QEMU", work, lambda begin, end: 10 * (end - begin))
        self.assertAlmostEqual(0.1, found.median("QEMU", "text-updates"))
        self.assertIsNone(found.median("QEMU", "frame-updates"))


class Devices(unittest.TestCase):
    """What is around the guest."""

    def ask(self, port, request, data=b""):
        with socket.create_connection((devices.LOOPBACK, port), 10) as line:
            line.sendall(request + data)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(1 << 20), b""))

    def test_server(self):
        with devices.Server() as server:
            self.assertEqual(devices.HALF, self.ask(server.port, devices.RECEIVE))
            self.assertEqual(devices.RIGHT,
                             self.ask(server.port, devices.SEND, devices.HALF))
            for wrong in (devices.HALF[:-1], b"x" + devices.HALF[1:]):
                self.assertEqual(devices.WRONG, self.ask(server.port, devices.SEND, wrong))


if __name__ == "__main__":
    unittest.main()
