#!/usr/bin/env python3
"""trial {…} in an experiment of its own: it is carried out once, and --fault breaks
something in it.

    trial_test.py PROGRAM BIOS

BIOS is tests/cli/echo_bios.asm: it says READY and echoes what it is sent.
"""

import json
import os
import pathlib
import re
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
# pylint: disable=wrong-import-position
import harness
from harness import BIOS, run

ENGINES = ["interpreter", "jit"]
READY = f"""machine {{
    memory = "4M", bios = "{BIOS}", device = "isa-debug-exit,iobase=0xf4",
    nodefaults = true,
}}
wait_for("READY\\n")
"""
# The echo of an "a"; nothing uses the byte at 1 MiB, or EDI.
TRIAL = READY + """
local begin = instructions()
trial {
    faults = {{target = "ram", address = 0x100000, bytes = 1}},
    run = function()
        send("a")
        record("echo", wait_for("a"))
        record("byte", read_u32(0x100000))
        record("edi", registers().edi)
    end,
}
record("after", instructions() > begin)
"""


class TestCase(harness.TestCase):
    """Runs scripts, and reads results."""

    def experiment(self, text, *options):
        """Runs the script; returns the completed process."""
        path = self.make_file("script.lua", content=text.encode())
        return run("experiment", "run", path, *options, text=True)

    def result(self, text, *options):
        """Its result; it has to be carried out."""
        file = self.path("results.jsonl")
        result = self.experiment(text, *options, "--results", file)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        with open(file, encoding="ascii") as lines:
            return json.loads(lines.readlines()[-1])

    def refuse(self, text, *hints, status=1, options=()):
        """It ends with that status and a line that says all of the hints."""
        result = self.experiment(text, *options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for hint in hints:
            self.assertIn(hint, result.stderr)


class Trials(TestCase):
    """Once, with faults or without."""

    def test_once(self):
        """It is what it would be without the word."""
        plain = self.result(re.sub(r"trial {.*function\(\)(.*?) end,\s*}", r"\1", TRIAL,
                                   flags=re.S))
        for engine in ENGINES:
            trial = self.result(TRIAL, "--engine", engine)
            for key in ("outcome", "hash", "virtual_ns", "instructions", "values"):
                self.assertEqual(trial[key], plain[key], key)
        self.assertEqual(plain["values"]["after"], True)

    def test_faults(self):
        """Each of them comes, in the trial and not before."""
        ends = set()
        for engine in ENGINES:
            result = self.result(
                TRIAL, "--engine", engine,
                "--fault", "target=ram,address=0x100000,model=flip,bit=2,id=one",
                "--fault", "target=ram,address=0x100001,bit=0,model=set,value=1",
                "--fault", "target=register,name=edi,model=flip,bit=31,when=time:150")
            self.assertEqual(result["values"]["byte"], 0x104)
            self.assertEqual(result["values"]["edi"] >> 31, 1)
            reports = result["faults"]
            self.assertEqual([report["injections"] for report in reports], [1, 1, 1])
            self.assertEqual(reports[0]["id"], "one")
            self.assertEqual(reports[0]["injected"]["instructions"],
                             reports[1]["injected"]["instructions"])
            ends.add(result["hash"])
        self.assertEqual(len(ends), 1)
        self.assertNotEqual(ends, {self.result(TRIAL)["hash"]})

    def test_replay(self):
        """With its faults."""
        file = self.path("results.jsonl")
        self.result(TRIAL, "--fault", "target=ram,address=0x100000,model=flip,bit=2")
        again = run("experiment", "replay", file, "last", text=True)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        self.assertIn("the same state and outcome", again.stdout)

    def test_ends(self):
        """As the run ends, so does the experiment, unless it only comes to its end."""
        for body, outcome, status in (
                ("", "ok", 0), ('outcome("odd", "so it is")', "odd", 0),
                ("expect(false, 'no')", "failed", 2), ("error('my own')", "error", 1),
                ('wait_for("x", {timeout = "1 ms"})', "timeout", 2)):
            result = self.experiment(TRIAL.replace('send("a")', body + ' send("a")'))
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertIn(f"outcome        {outcome}\n", result.stdout)

    def test_timeout(self):
        """That of the trial, from its begin on."""
        text = TRIAL.replace("run =", 'timeout = "2 ms",\nrun =')
        self.assertEqual(self.result(text)["outcome"], "ok")
        self.refuse(text.replace('send("a")', 'run_for("1 s")'),
                    "the trial is not over within 0.002 s", status=2)

    def test_fault_without_trial(self):
        """It is told."""
        result = self.experiment(READY, "--fault", "target=ram,address=0,model=flip,bit=1")
        self.assertEqual(result.returncode, 0)
        self.assertIn("--fault: the script has not come to a trial {…}, so nothing was "
                      "broken", result.stderr)


class Mistakes(TestCase):
    """A line, and where."""

    def test_trials(self):
        """What cannot be put back, and what cannot be."""
        run_it = 'run = function() run_for("1 us") end'
        trial = "trial {" + run_it + "}"
        for text, hint in {
                trial + "\n" + trial: "script.lua:7: trial: there has been one",
                "spawn(function() run_for('1 s') end)\nrun_for('1 us')\n" + trial:
                    "script.lua:8: trial: there can be one at a time, and no other",
                'send(("x"):rep(100))\n' + trial: "script.lua:7: trial: the guest has not read",
                'inject("target=ram,address=0,model=flip,bit=0")\n' + trial:
                    "script.lua:7: trial: inject() its faults in it",
                'send("x") run_until_end()\n' + trial:
                    "script.lua:7: trial: the machine has ended (debug-exit)",
                f"trial {{run = function() {trial} end}}": "trial: there can be one",
                f"spawn(function() {trial} end) run_for('1 s')": "trial: there can be one",
                "trial()": "script.lua:6: trial: run: a function is needed, not nothing",
                "trial {run = 5}": "trial: run: a function is needed, not a number",
                f"trial {{{run_it}, faults = 5}}": "trial: faults: a table is needed",
                f"trial {{{run_it}, timeout = 5}}": "trial: timeout: 5 is no time",
                f"trial {{{run_it}, fault = {{}}}}": "there is no option 'fault'",
        }.items():
            with self.subTest(hint):
                self.refuse(READY + text, hint)
        self.refuse(trial, "script.lua:1: there is no machine yet")

    def test_records(self):
        """There is room for many values, but not for all."""
        body = "for i = 1, %d do record(i .. ('x'):rep(300), ('y'):rep(300)) end"
        self.result(READY + body % 24)
        self.refuse(READY + body % 30, "script.lua:6: record: '26xx",
                    "is too much: there are 16 KiB in all")

    def test_words(self):
        """Of --fault."""
        for fault, hint in {"toast": "toast", "target=toast": "toast",
                            "target=ram,address=0,model=flip,bit=99": "bit"}.items():
            self.refuse(TRIAL, "experiment: --fault", hint, options=("--fault", fault))
        self.refuse(TRIAL, "too many",
                    options=("--fault", "target=ram,address=0,model=flip,bit=1") * 400)


if __name__ == "__main__":
    assert os.path.exists(BIOS)
    unittest.main(argv=[sys.argv[0]], verbosity=2)
